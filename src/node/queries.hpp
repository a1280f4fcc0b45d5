// The query thread: every call that reads, from a snapshot, so that reading never waits for writing. Answers say how
// fresh they are (D19), and a call may say how fresh its answer has to be (fresh_reads.cpp). What is not there yet, a
// certificate or a height, is asked for again until the call's deadline. A call counts against the bounds until it is
// answered or dropped, whether it is queued or waits to be asked again.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "galen/base/bounded_queue.hpp"
#include "galen/ledger/store.hpp"
#include "galen/net/mesh.hpp"
#include "galen/node/v1/socket.pb.h"
#include "galen/socket/method.hpp"
#include "galen/types/receipt.hpp"
#include "galen/v1/read_options.pb.h"
#include "galen/v1/record_service.pb.h"
#include "galen/v1/types.pb.h"
#include "galen/vault/records.hpp"
#include "node/health.hpp"
#include "node/identity.hpp"
#include "node/read_barrier.hpp"

namespace galen::node {

class Queries {
 public:
  struct Ports {
    std::function<void(const galen::node::v1::Reply&)> reply;
    std::function<void(const Error&)> fatal;
    std::function<std::vector<net::PeerStatus>()> peers;
    std::function<std::uint64_t(MemberIndex)> peer_cpu_us;  ///< that what it sent has cost here
    std::function<bool()> front_end_up;
    /// Members that refuse this process because another one of this member is connected to them, with their words.
    std::function<std::vector<std::pair<MemberIndex, std::string>>()> identity_in_use;
  };
  struct Options {
    std::string data_dir;
    std::size_t items_max = 20'000, bytes_max = 128u << 20;  ///< of the calls that are here
  };

  /// `vault`: nothing while its index is damaged; what needs it is refused then, all else is answered.
  Queries(const Identity& identity, const ledger::Store& store, const vault::RecordVault* vault, Health& health,
          ReadBarrier& barrier, Options options, Ports ports);
  ~Queries();

  void start();
  void stop();  ///< answers what is here with SHUTTING_DOWN and joins
  /// Any thread; false when too many wait.
  bool on_call(galen::node::v1::Call call);
  /// Any thread; of calls that are not here, nothing happens.
  void on_cancel(std::uint64_t call_id);
  /// Any thread: the calls taken so far are dropped, nobody is there to hear of them.
  void on_front_end_gone();

 private:
  /// How fresh the answer has to be, and how far the wait for it is.
  struct Freshness {
    galen::v1::ReadOptions options;
    std::uint64_t since_us = 0;
    std::optional<ReadBarrier::Ticket> ticket;  ///< linearizable
    std::optional<Height> height_min;           ///< executed before the read; linearizable: once a quorum has answered
  };
  struct Waiting {
    galen::node::v1::Call call;
    std::size_t bytes = 0;
    std::uint64_t deadline_us = 0;
    std::uint64_t answer_by_us = 0;  ///< a refusal that leaves later does not reach the caller before its own deadline
    std::uint64_t not_before_us = 0;
    std::optional<Freshness> freshness;
  };
  struct Cancelled {
    std::uint64_t call_id;
  };
  struct FrontEndGone {};
  using Input = std::variant<Waiting, Cancelled, FrontEndGone>;

  bool take_room(std::size_t bytes);
  void give_back(std::size_t bytes);
  void run();
  void take(Input& input);
  void ask(Waiting&& waiting);
  void ask_again();
  void cancel(std::uint64_t call_id);
  void answer(Waiting& waiting);
  void refuse(const Waiting& waiting, const Error& why);
  void end(const Waiting& waiting, const galen::node::v1::Reply& reply);
  /// The response, or why not. UNAVAILABLE from receipts and proofs means: ask again in a moment.
  Result<std::string> handle(const Waiting& waiting);
  // fresh_reads.cpp
  /// Whether the ledger is fresh enough for this call now; false: ask again in a moment.
  Result<bool> may_read_now(Waiting& waiting, std::uint64_t now_us);
  Result<Freshness> begin_read(const galen::node::v1::Call& call, std::uint64_t now_us);
  Result<bool> ask_barrier(Freshness& freshness, bool last_chance, std::uint64_t now_us);
  Status check_staleness(const ledger::View& view, std::uint64_t staleness_ms_max) const;

  Result<std::string> get_record(const ledger::View& view, const std::string& request);
  Result<std::string> list_record_versions(const ledger::View& view, const std::string& request);
  Result<std::string> verify_record(const ledger::View& view, const std::string& request);
  Result<std::string> get_head(const ledger::View& view);
  Result<std::string> get_block(const ledger::View& view, const std::string& request);
  Result<std::string> get_transaction(const ledger::View& view, const PrincipalId& caller, const std::string& request);
  Result<std::string> get_receipt(const ledger::View& view, const PrincipalId& caller, const std::string& request);
  // proof_calls.cpp
  Result<std::string> get_transaction_proof(const ledger::View& view, const PrincipalId& caller,
                                            const std::string& request);
  Result<std::string> get_state_proof(const ledger::View& view, const std::string& request);
  Result<std::string> get_consistency_proof(const ledger::View& view, const std::string& request);
  Result<std::string> open_record(const ledger::View& view, const std::string& request);

  Result<std::string> get_status(const ledger::View& view);
  /// How joining and backfilling go, over what the core says.
  void set_sync_status(galen::v1::GetStatusResponse& response) const;
  Result<std::string> list_peers();
  Result<std::string> who_am_i(const ledger::View& view, const PrincipalId& caller);
  Result<std::string> get_principal(const ledger::View& view, const std::string& request);
  // patient_calls.cpp
  Result<std::string> get_consent(const ledger::View& view, const std::string& request);
  Result<std::string> list_consents(const ledger::View& view, const std::string& request);
  Result<std::string> list_accesses(const ledger::View& view, const std::string& request);

  // governance_calls.cpp
  Result<std::string> list_members(const ledger::View& view);
  Result<std::string> list_epochs(const ledger::View& view, const std::string& request);
  Result<std::string> get_proposal(const ledger::View& view, const std::string& request);
  Result<std::string> list_proposals(const ledger::View& view, const std::string& request);

  // equivocation_calls.cpp
  Result<std::string> list_equivocations(const ledger::View& view);
  Status set_equivocations(const ledger::View& view, galen::v1::GetStatusResponse& response) const;

  void set_read_point(const ledger::View& view, galen::v1::ReadPoint* out) const;
  Status set_proof(const ledger::View& view, StateKind kind, ByteSpan key, galen::v1::StateProof* out) const;
  /// `last` and the versions before it that are not `listed` yet, oldest first.
  Status add_versions_until(const ledger::View& view, const galen::v1::PointerRecord& last,
                            std::set<std::string>& listed, galen::v1::ListRecordVersionsResponse& out) const;
  Result<galen::v1::PointerRecord> load_record(const ledger::View& view, const PointerId& id) const;
  Result<PointerId> pointer_of(const std::string& pointer_id, bool has_source, const galen::v1::SourceId& source) const;
  /// VAULT_DAMAGED where there is none.
  Result<const vault::RecordVault*> usable_vault() const;
  Result<TransactionId> transaction_of(const PrincipalId& caller, const std::string& id, const std::string& author,
                                       const std::string& request_id) const;
  /// NOT_YOURS_TO_READ unless the transaction concerns the caller's member; one that is not there may be asked for.
  Status may_read_transaction(const ledger::View& view, const TransactionId& id) const;

  const Identity& identity_;
  const ledger::Store& store_;
  const vault::RecordVault* const vault_;
  Health& health_;
  ReadBarrier& barrier_;
  const Options options_;
  const Ports ports_;
  const std::uint64_t started_us_;
  BoundedQueue<Input> queue_;
  std::mutex room_mutex_;
  std::size_t held_items_ = 0, held_bytes_ = 0;  ///< of the calls that are here; under the mutex
  std::vector<Waiting> later_;                   ///< to be asked again; the thread's own
  std::thread thread_;
};

}  // namespace galen::node
