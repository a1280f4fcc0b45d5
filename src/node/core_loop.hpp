// The core thread: drains inputs, steps the replica, and turns its effects into one turn for the store thread (D1, D2). It
// does no I/O itself: what may leave at once goes to the mesh, what must be durable first goes with the turn.
//
// Bodies and committed markers are lazy: they join the next turn that has something to promise, in front of its records, so
// that a block costs one sync on its way to a PREPARE and one to a COMMIT, and an idle node none.
//
// With a full disk (D20) the replica is not stepped at all, as if the process slept: it promises nothing, so nothing must be
// written. What others send meanwhile is lost to it, as on a bad line; what it owes itself waits.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <variant>

#include "galen/base/bounded_queue.hpp"
#include "galen/base/log_limit.hpp"
#include "galen/consensus/replica.hpp"
#include "galen/net/frame.hpp"
#include "node/batch_pool.hpp"
#include "node/exec_loop.hpp"
#include "node/intake.hpp"
#include "node/store_loop.hpp"

namespace galen::node {

/// A block from catch-up, with its bodies, and the certificate that covers it.
struct FetchedBlock {
  BlockPtr block;
  QuorumCertificate certificate;
};

class CoreLoop {
 public:
  struct Ports {
    std::function<void(consensus::Target, std::shared_ptr<const Bytes>)> send_vote;  ///< votes lane
    std::function<void(std::shared_ptr<const Bytes>)> broadcast_bulk;  ///< new batches, and offers of those that wait
    std::function<void(const consensus::Effects::FetchBatches&)> fetch_batches;
    std::function<void(const consensus::Effects::FetchBlocks&)> fetch_blocks;
    std::function<void(CommittedBlock, LogSeq needed_from)> commit;
    std::function<void(ExecutedCertificate)> executed_certificate;
    std::function<void(std::vector<TransactionId>, std::uint64_t)> outbox_logged;
    std::function<void(consensus::Effects::Evidence)> evidence;  ///< does not wait
    std::function<void(Height)> diverged;  ///< a quorum certified other roots at this height
    std::function<void()> ready_to_stop;
    std::function<std::optional<std::uint64_t>()> base_timeout_ms;  ///< as measured now (timing.hpp)
  };
  CoreLoop(const Identity& identity, consensus::Replica replica, BatchPool& pool, StoreLoop& store, Health& health,
           Ports ports);
  ~CoreLoop();

  void start();
  void stop();

  // Any thread. Messages, batches and fetched blocks wait when the core is behind; what the core itself may wait for (its own
  // batches' intake, execution) never does, nor does the net thread.
  void on_message(consensus::MessageReceived message);
  void on_batch(BatchPtr batch);
  void on_offer(consensus::BatchesOffered offered);
  void on_own_batch(OwnBatch batch);
  void on_executed(const consensus::BlockExecuted& executed);
  void on_fetched(FetchedBlock block);
  void on_peer(MemberIndex member);
  /// Bodies that wait for a block, and whose records lie below `seq`, are written again at the end of the log, so that
  /// what lies there can go: one valid for minutes would else hold up all of the log behind it. Some at a time: who
  /// wants more asks again.
  void free_log(LogSeq seq);
  void request_stop();

  /// A vote for a block that was committed a moment ago changes nothing: its signature need not be checked.
  bool vote_is_late(Height height) const;
  bool executed_is_late(Height height) const { return height <= certified_height_; }
  Height committed_height() const { return committed_height_; }
  /// The highest whose outcome is certified, as this process saw it.
  Height certified_height() const { return certified_height_; }

 private:
  struct Durable {
    consensus::PersistToken token;
  };
  struct FreeLog {
    LogSeq below;
  };
  struct PeersUp {};  ///< wakes the thread: who came up stands in peers_up_
  using Item = std::variant<consensus::MessageReceived, BatchPtr, OwnBatch, Durable, consensus::BlockExecuted,
                            FetchedBlock, consensus::BatchesOffered, FreeLog, PeersUp, consensus::StopRequested>;
  /// What one pass over the inputs gathers.
  struct Pass {
    std::optional<consensus::Tick> tick;  ///< goes with the first input
    std::vector<OwnedLogRecord> records;
    std::optional<consensus::PersistToken> token;
    std::vector<std::pair<consensus::Target, std::shared_ptr<const Bytes>>> votes;
    std::vector<BatchPtr> own_batches;
    struct OutboxAt {
      std::size_t record;  ///< index in records
      TransactionId id;
    };
    std::vector<OutboxAt> outbox;
    struct BodyAt {
      std::size_t record;
      Hash digest;
    };
    std::vector<BodyAt> bodies_again;
  };

  void run();
  void give(Item& item, Pass& pass);
  void set_timers(Pass& pass);
  /// Beyond what a block may hold now by more than so much.
  bool is_far(const Batch& batch, std::uint64_t by_ms) const;
  /// False: there is no room for it.
  bool add_batch(const BatchPtr& batch, bool needed);
  void log_body(const BatchPtr& batch);
  void step(const consensus::Input& input, Pass& pass);
  void absorb(consensus::Effects effects, Pass& pass);
  void commit(const consensus::Effects::CommittedBlock& committed);
  void report(const consensus::Event& event);
  void report_recovering(const consensus::Event& event);
  void fetch(consensus::Effects::FetchBatches fetch, Pass& pass);
  void finish(Pass& pass);
  void hold(Item& item);
  std::set<MemberIndex> take_peers_up();
  void publish_status();
  void note_no_vote(CoreStatus& status) const;

  const Identity& identity_;
  consensus::Replica replica_;
  BatchPool& pool_;
  StoreLoop& store_;
  Health& health_;
  const Ports ports_;
  BoundedQueue<Item> queue_;
  std::thread thread_;
  std::atomic<Height> committed_height_{0};
  std::atomic<std::uint64_t> committed_at_ms_{0};
  std::atomic<Height> certified_height_{0};
  std::mutex peers_mutex_;
  std::set<MemberIndex> peers_up_;  ///< since the last turn
  std::atomic<bool> frees_log_{false};  ///< asked to, or what is written again is not durable yet

  // Owned by the thread.
  LogLimit lines_;
  std::vector<OwnedLogRecord> lazy_;
  std::size_t lazy_bytes_ = 0;
  std::uint64_t lazy_since_ms_ = 0;
  std::uint64_t durable_token_ = 0;
  TimestampMs committed_time_ms_ = 0;
  std::optional<std::uint64_t> wake_at_ms_;
  std::uint64_t measure_at_ms_ = 0;
  std::uint64_t base_timeout_ms_ = 0;  ///< as the core was told last
  /// What waits for space on the disk; bounded by what the node itself has under way.
  std::vector<Item> held_;
};

}  // namespace galen::node
