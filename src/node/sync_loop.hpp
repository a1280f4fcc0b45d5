// The sync thread: one owner of all that joins and fills (docs/spec/snapshots.md 3, 4). It joins when the chain is far
// ahead, else it fills the ledger downwards, else it rests.
#pragma once

#include <atomic>
#include <thread>

#include "node/backfill.hpp"
#include "node/joiner.hpp"

namespace galen::node {

class SyncLoop {
 public:
  struct Ports {
    SyncPeers::Send send;
    std::function<void()>
        reopen;  ///< a snapshot waits to be put in the ledger's place: close the node and open it again
    std::function<void(const Error&)> fatal;
  };
  /// `join_behind` in blocks; 0: never by snapshot.
  SyncLoop(const Identity& identity, ledger::Store& store, const ledger::StoreOptions& options, Health& health,
           Height join_behind, Ports ports);
  ~SyncLoop();

  void start();
  void stop();
  /// The net thread; never waits.
  void on_answer(net::Frame frame) { peers_.on_answer(std::move(frame)); }
  /// Whether so many missing blocks are to be taken one by one. Not while a snapshot is on its way, nor before it is
  /// known that none saves as many. Any thread.
  bool may_fetch_blocks(Height missing);

 private:
  void run();
  /// False ends the thread.
  bool turn();
  bool join();
  bool backfill();
  Result<std::optional<ledger::PastWanted>> own_lowest() const;
  void publish(bool joining, std::string detail);
  void rest(std::uint64_t us);

  const Identity& identity_;
  ledger::Store& store_;
  Health& health_;
  const Height join_behind_;
  const Ports ports_;
  SyncPeers peers_;
  Joiner joiner_;
  Backfill backfill_;
  std::atomic<bool> far_behind_{false};  ///< by certificates; a reason to ask for snapshots
  std::atomic<bool> joining_{false};
  std::atomic<std::uint64_t> declined_until_us_{0};
  std::thread thread_;
};

}  // namespace galen::node
