// The vault thread: every call that writes comes through here. It plans records with the vault, builds or takes the
// transaction, admits it, gathers batches, and tells the callers what became of theirs (D6, D12, D15).
//
// One thread owns vault, mempool and the open calls. Invariants: a call is answered once; nothing waits unbounded (each call
// has a deadline); a transaction that creates vault keys never leaves without its outbox record in the same log turn.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "galen/base/bounded_queue.hpp"
#include "galen/execution/admission.hpp"
#include "galen/execution/mempool.hpp"
#include "galen/node/v1/socket.pb.h"
#include "galen/v1/patient_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "galen/v1/types.pb.h"
#include "galen/vault/records.hpp"
#include "node/accusations.hpp"
#include "node/disk_watch.hpp"
#include "node/health.hpp"
#include "node/identity.hpp"

namespace galen::node {

/// A batch of this node's own, with what must be in the log before it leaves.
struct OwnBatch {
  BatchPtr batch;
  struct Outbox {
    TransactionId id;
    Bytes bytes;
  };
  std::vector<Outbox> outbox;
};

/// The same body: what is done, whatever the envelope around it.
bool same_operations(const std::vector<ledger::v1::Operation>& a, const std::vector<ledger::v1::Operation>& b);
/// How long what the node itself makes is valid.
std::uint64_t transaction_ttl_ms(const Genesis& genesis);

/// Bytes that count in a total for as long as this lives.
class HeldBytes {
 public:
  HeldBytes() = default;
  HeldBytes(std::size_t& total, std::size_t bytes) : total_(&total), bytes_(bytes) { total += bytes; }
  HeldBytes(HeldBytes&& other) noexcept { *this = std::move(other); }
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    std::swap(total_, other.total_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldBytes() {
    if (total_ != nullptr) *total_ -= bytes_;
  }

 private:
  std::size_t* total_ = nullptr;
  std::size_t bytes_ = 0;
};

class Intake {
 public:
  /// Of the requests that wait for an outcome; their number is bounded by the pool.
  static constexpr std::size_t kOpenBytesMax = 256u << 20;
  struct Ports {
    std::function<void(const galen::node::v1::Reply&)> reply;
    std::function<void(OwnBatch)> submit;          ///< to the core loop; blocks when the core is behind
    std::function<void(const Error&)> fatal;       ///< a disk failed: the process stops
  };

  /// `vault`: nothing while its index is damaged; then no call is taken.
  Intake(const Identity& identity, const ledger::Store& store, vault::RecordVault* vault, Health& health,
         DiskWatch disk, Ports ports, std::size_t open_bytes_max = kOpenBytesMax);
  ~Intake();

  void start();
  void stop();  ///< answers what is open with SHUTTING_DOWN and joins

  /// Any thread. False when too many calls wait: the caller answers RESOURCE_EXHAUSTED.
  bool on_call(galen::node::v1::Call call);
  void on_cancel(std::uint64_t call_id);
  /// Any thread: nobody waits for the calls taken so far any more. What they brought is ordered all the same.
  void on_front_end_gone();
  /// From the exec thread, in block order. Waits for room: execution must not run away from its answers.
  void on_executed(std::shared_ptr<const execution::ExecutedBlock> block);
  /// From the store thread: outbox records stand in the log from `seq` on.
  void on_logged(std::vector<TransactionId> ids, std::uint64_t seq);
  /// From the core thread, which does not wait: what finds no room is lost.
  void on_evidence(consensus::Effects::Evidence evidence);
  /// Before start: what the vault still owes the ledger after a restart.
  void resume(std::vector<vault::OutboxRecord> pending);
  /// Before start, after resume: what stood in batches of an epoch that is over. Nobody waits for it any more.
  void take_up(std::vector<BatchItem> items);

 private:
  struct Logged {
    std::vector<TransactionId> ids;
    std::uint64_t seq;
  };
  struct CancelCall {
    std::uint64_t call_id;
  };
  struct FrontEndGone {};
  using Event = std::variant<galen::node::v1::Call, CancelCall, FrontEndGone,
                             std::shared_ptr<const execution::ExecutedBlock>, Logged, consensus::Effects::Evidence>;

  /// A call that waits for one or more transactions.
  struct Open {
    galen::node::v1::Call call;
    std::unique_ptr<google::protobuf::Message> response;
    galen::v1::TransactionOutcome* outcome = nullptr;  ///< inside `response`
    std::optional<TransactionId> own;     ///< the transaction this call made
    std::optional<TransactionId> rest;    ///< a second one, for what others did not anchor for it after all
    std::set<TransactionId> awaits;       ///< own, and those of others that anchor the same bytes
    bool again = false;                   ///< run the call anew once all it awaits is told
    bool resumed = false;                 ///< `own` of an earlier run is committed; this run is about the rest
    bool mismatch = false;                ///< `own` was made by an earlier request with another body
    std::uint64_t deadline_us = 0;
    HeldBytes held = {};  ///< of the request, while the call is among the open ones
  };
  struct AnchorWork;
  /// What an id stands for already: in the ledger (while it counts as used), or in the pool.
  struct Earlier {
    std::optional<ledger::TransactionEntry> first;  ///< nothing: not ordered yet
    std::optional<std::vector<ledger::v1::Operation>> operations;  ///< nothing: this node does not hold the block
  };
  Result<std::optional<Earlier>> earlier_of(const TransactionId& id) const;
  /// Answers with what became of the earlier request, now or when it is known; with another body also that it was one.
  Status answer_earlier(Open open, const TransactionId& id, const Earlier& earlier, bool same_body);
  static bool same_anchors(const std::vector<ledger::v1::Operation>& planned, std::size_t retried, const Earlier& earlier);


  void run();
  void handle(Event& event);
  void handle_call(galen::node::v1::Call call, std::uint64_t deadline_us);
  void dispatch(galen::node::v1::Call call, std::uint64_t deadline_us, bool resumed = false);
  Status anchor(galen::node::v1::Call& call, std::uint64_t deadline_us, bool resumed);
  Status anchor_rest(Open open, AnchorWork& work);
  Status plan_items(AnchorWork& work);
  static void forget_planned(AnchorWork& work);
  /// Bytes that another request anchored already: the record stays what it is, and whoever says otherwise hears so.
  Status check_known_record(const PointerId& id, const galen::v1::AnchorItem& item) const;
  /// A record's row by now; nothing when the ledger has none.
  Result<std::optional<ledger::v1::RecordState>> record_state(const PointerId& id) const;
  /// CURRENT, as it was anchored, when the ledger has none.
  Result<ledger::v1::RecordStatus> status_of(const PointerId& id) const;
  Status set_record_status(galen::node::v1::Call& call, std::uint64_t deadline_us);
  Status submit_transaction(galen::node::v1::Call& call, std::uint64_t deadline_us);
  Status register_patient(galen::node::v1::Call& call, std::uint64_t deadline_us);
  Status retry_registration(galen::node::v1::Call& call, std::uint64_t deadline_us,
                            const galen::v1::RegisterPatientRequest& request, const TransactionId& id,
                            const Earlier& earlier);
  Status check_known_patient(const galen::v1::RegisterPatientRequest& request, const PrincipalId& pseudonym) const;
  Status register_service(galen::node::v1::Call& call, std::uint64_t deadline_us);
  Status decide(galen::node::v1::Call& call, std::uint64_t deadline_us);

  /// Builds a transaction of one author from operations, admits it and puts it into the pool.
  Result<TransactionId> make_transaction(const PrincipalId& author, const RequestId& request_id,
                                std::vector<ledger::v1::Operation> operations, std::optional<vault::PlanGroup> group);
  Status validate_only(const PrincipalId& author, const RequestId& request_id,
                       std::vector<ledger::v1::Operation> operations);
  Status simple_write(galen::node::v1::Call& call, std::uint64_t deadline_us, ByteSpan request_id, bool only_validate,
                      ledger::v1::Operation operation, std::unique_ptr<google::protobuf::Message> response,
                      galen::v1::TransactionOutcome* outcome);
  void wait(Open open);
  void forget(std::uint64_t call_id, const Open& open);
  /// Answers with the first outcome, once what else it awaits is told.
  Status answer_first(Open open, const ledger::TransactionEntry& first);

  void tell(const std::vector<execution::Notice>& notices);
  void refuse(const std::vector<execution::Notice>& notices, const Error& error);
  void told(Open& open, const execution::Outcome& outcome);
  void finish(std::uint64_t call_id);
  void settle_block(const execution::ExecutedBlock& block);
  /// The vault has planned records for this transaction, and hears what becomes of it.
  void watch_records(const TransactionId& id, TimestampMs valid_until_ms);
  Status settle_records(const TransactionId& id, vault::Outcome outcome);
  void forget_records(const TransactionId& id);
  Status mark_mismatches(const execution::ExecutedBlock& block);
  void resubmit(const vault::OutboxRecord& record);
  Result<bool> stands_in_state(const vault::OutboxRecord& record) const;
  Result<bool> stands_as_bound(const TransactionId& id) const;
  void plan_again(const TransactionId& id);
  /// True: its outcome is known, or will be without another request.
  Result<bool> settle_record(const vault::OutboxRecord& record);
  /// BACKFILLING while a block that is not here may hold the first use of any id.
  Status check_first_use_known() const;
  void make_batches();
  void expire_calls();
  void reply_error(const galen::node::v1::Call& call, const Error& error);
  void reply_mismatch(const Open& open);
  void reply_ok(const galen::node::v1::Call& call, const google::protobuf::Message& response);
  std::optional<Error> no_quorum() const;
  bool may_accuse() const;
  void accuse();
  Status accuse(MemberIndex member, Accusation& accusation);
  Status refresh_view();

  const Identity& identity_;
  const ledger::Store& store_;
  vault::RecordVault* const vault_;  ///< there for every call that was taken
  Health& health_;
  DiskWatch disk_;
  const Ports ports_;
  const std::size_t open_bytes_max_;
  BoundedQueue<Event> events_;
  std::thread thread_;

  // Owned by the thread.
  execution::Admission admission_;
  execution::Mempool mempool_;
  Accusations accusations_;
  std::shared_ptr<const ledger::View> view_;
  Height floor_ = 0;                                          ///< of backfilling, not above what it was for view_
  std::size_t open_bytes_ = 0;                                ///< of the requests in open_, which counts them
  std::map<std::uint64_t, Open> open_;                        ///< by call id; the mempool's waiter token
  std::map<TransactionId, Bytes> outbox_;                     ///< bound, batch not made yet
  std::map<TransactionId, TimestampMs> records_;  ///< in the vault's in-flight table; until when they are valid
  std::set<std::pair<TimestampMs, TransactionId>> record_ends_;  ///< the same, the first to end first
  std::vector<vault::OutboxRecord> unsettled_;                ///< executed, by a block that is still on its way
  vault::PlanGroup next_group_ = 1;
  std::uint64_t last_sweep_us_ = 0;
  std::uint64_t quorum_lost_us_ = 0;                          ///< 0: there is one
};

}  // namespace galen::node
