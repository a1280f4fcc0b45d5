// Hands out snapshots and past blocks to members that ask for them (docs/spec/snapshots.md 2), on a thread of its own:
// its reads of files never stand in the way of votes. What fails its checksum is not handed out.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "galen/base/log_limit.hpp"
#include "galen/ledger/snapshot_files.hpp"
#include "galen/ledger/store.hpp"
#include "node/frame_queue.hpp"
#include "node/identity.hpp"
#include "node/sync_messages.hpp"

namespace galen::node {

class SyncServer {
 public:
  struct Ports {
    std::function<void(MemberIndex, Bytes)> send;  ///< bulk lane
    std::function<bool(MemberIndex)> has_room;     ///< for an answer: who reads none gets none made
    std::function<void(const Error&)> fatal;
  };
  SyncServer(const Identity& identity, const ledger::Store& store, const ledger::SnapshotFiles& files, Ports ports);
  ~SyncServer();

  void start();
  void stop();
  /// The net thread; never waits. A request that finds too many of its sender's waiting is dropped: the asker repeats
  /// it.
  void on_request(net::Frame frame);
  /// Somebody took something of this snapshot within the last minute. Any thread.
  bool in_use(Height height) const;

 private:
  void run();
  Status answer(const net::Frame& frame);
  Result<Bytes> past(const SyncSubject& wanted);
  Result<Bytes> past_piece(const SyncSubject& wanted);
  Result<std::optional<Bytes>> past_block(const ledger::View& view, Height height) const;
  void used(Height height);

  const Identity& identity_;
  const ledger::Store& store_;
  const ledger::SnapshotFiles& files_;
  const Ports ports_;
  FrameQueue queue_;
  LogLimit lines_;
  std::thread thread_;
  /// The block that goes in pieces now: all of them are of one encoding. The thread's.
  struct Large {
    Height height = 0;
    Bytes bytes;
  };
  std::optional<Large> large_;
  mutable std::mutex mutex_;
  std::map<Height, std::uint64_t> used_us_;
};

}  // namespace galen::node
