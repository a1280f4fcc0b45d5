// The exec thread: committed blocks in, one after the other, outcomes out; the only writer of the ledger. Checkpoints run on
// a thread of their own, off the path (D3): after one, the log below it may be recycled.
#pragma once

#include <functional>
#include <thread>
#include <variant>

#include "galen/base/bounded_queue.hpp"
#include "galen/execution/executor.hpp"
#include "node/health.hpp"

namespace galen::node {

/// A block that q members committed, with its bodies.
struct CommittedBlock {
  BlockPtr block;
  std::optional<QuorumCertificate> certificate;
};

class ExecLoop {
 public:
  struct Ports {
    std::function<void(std::shared_ptr<const execution::ExecutedBlock>)> executed;  ///< to the core and the intake
    std::function<bool()> checkpoint_due;
    std::function<Status(Height durable)> checkpointed;  ///< checkpoint thread: recycle the log
    std::function<bool()> has_keys_to_flush;             ///< the vault's index holds what only the log has beside it
    std::function<Status()> flush_keys;                  ///< checkpoint thread
    std::function<void()> certified;  ///< the outcome of an executed block is certified now
    std::function<void(const Error&)> fatal;
  };
  ExecLoop(execution::Executor& executor, ledger::Store& store, Health& health, Ports ports);
  ~ExecLoop();

  void start();
  void stop();  ///< executes what is queued, checkpoints, ends
  /// Waits when execution is far behind: ordering must not run away from it.
  void push(CommittedBlock block);
  /// Any thread: certificates that arrive later than their block.
  void push(ExecutedCertificate certificate);
  /// Any thread: a checkpoint is made after the next block, due or not.
  void want_checkpoint() { checkpoint_wanted_ = true; }

 private:
  using Work = std::variant<CommittedBlock, ExecutedCertificate>;
  void run();
  bool handle(Work& work);
  void checkpoint_if_due();
  Status checkpoint();

  execution::Executor& executor_;
  ledger::Store& store_;
  Health& health_;
  const Ports ports_;
  BoundedQueue<Work> queue_;
  std::vector<ExecutedCertificate> early_;  ///< certificates of blocks that are not applied yet
  std::thread thread_, checkpoint_thread_;
  std::atomic<bool> checkpointing_{false}, checkpoint_wanted_{false};
  std::uint64_t keys_flushed_us_ = 0;
};

}  // namespace galen::node
