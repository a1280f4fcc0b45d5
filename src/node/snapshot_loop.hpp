// Makes a snapshot every so many blocks, in the background (docs/spec/snapshots.md 5). The exec thread freezes the rows
// at the heights that may be chosen, since a header names its exec_height only later; a thread of its own does the
// work, at about a quarter of one core.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "galen/base/bounded_queue.hpp"
#include "galen/ledger/snapshot_files.hpp"
#include "galen/ledger/store.hpp"
#include "node/health.hpp"
#include "node/identity.hpp"

namespace galen::node {

class SnapshotLoop {
 public:
  struct Ports {
    std::function<bool(Height)> in_use;  ///< somebody takes this snapshot
    std::function<void(const Error&)> fatal;
  };
  /// `interval` in blocks; 0: none are made.
  SnapshotLoop(const Identity& identity, const ledger::Store& store, const ledger::SnapshotFiles& files, Health& health,
               Height interval, Ports ports);
  ~SnapshotLoop();

  void start();
  void stop();
  /// The exec thread, after each block.
  void on_executed();

 private:
  using ViewPtr = std::shared_ptr<const ledger::View>;
  struct Job {
    ViewPtr view;           ///< frozen at the snapshot's height
    Height certifying = 0;  ///< the header whose exec_height that is
  };
  void run();
  Status make(const Job& job);
  /// Headers from the snapshot's up to one with a COMMIT-QC; waits for it for a while. UNAVAILABLE, CANCELLED.
  Status certify(const Job& job, ledger::SnapshotFiles::Source& source);
  bool pause(std::uint64_t us);
  void remove_old();

  const Identity& identity_;
  const ledger::Store& store_;
  const ledger::SnapshotFiles& files_;
  Health& health_;
  const Height interval_;
  const Ports ports_;
  BoundedQueue<Job> jobs_;
  std::thread thread_;

  // Owned by the exec thread.
  Height next_ = 0;
  std::deque<ViewPtr> frozen_;  ///< of the heights from next_ on
};

}  // namespace galen::node
