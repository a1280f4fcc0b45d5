// The calls that read: each is a pure function of a snapshot, the vault's index and the request.

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "galen/base/clock.hpp"
#include "galen/contracts/contract.hpp"
#include "galen/execution/receipts.hpp"
#include "galen/v1/ledger_service.pb.h"
#include "galen/v1/node_service.pb.h"
#include "galen/v1/patient_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "node/authority.hpp"
#include "node/disclosure.hpp"
#include "node/first_answer.hpp"
#include "node/queries.hpp"
#include "node/request_fields.hpp"

namespace galen::node {
namespace {

constexpr std::size_t kVersionsMax = 1000;
constexpr const char* kVersion = "0.1.0";

std::string joined_detail(const std::string& detail, const std::string& more) {
  return detail.empty() ? more : detail + "; " + more;
}

// What is left of another member's record for who was told its pointer: whose it is, that it stands, what to compare with.
Status narrow(Disclosure& disclosure, galen::v1::PointerRecord& record) {
  GALEN_ASSIGN(bool shown, disclosure.record(record.state()));
  if (shown) return {};
  auto* state = record.mutable_state();
  state->clear_subject();
  state->clear_supersedes();
  state->clear_superseded_by();
  state->clear_height();
  record.set_narrowed(true);
  return {};
}

// The whole block, or the caller's part of it.
Status set_body(Disclosure& disclosure, const Block& block, galen::v1::GetBlockResponse& response) {
  for (std::uint32_t b = 0; b < block.batches.size(); ++b) {
    const auto& items = block.batches[b]->items();
    for (std::uint32_t i = 0; i < items.size(); ++i) {
      GALEN_ASSIGN(bool shown, disclosure.transaction(items[i].transaction));
      if (!shown) {
        response.set_narrowed(true);
        continue;
      }
      auto* own = response.add_own_transactions();
      own->set_batch(b);
      own->set_item(i);
      own->set_transaction(to_string(items[i].transaction.bytes()));
      own->set_scheme(static_cast<std::uint32_t>(items[i].authorization.scheme));
      own->set_authorization(to_string(items[i].authorization.data));
    }
  }
  if (response.narrowed()) return {};
  response.clear_own_transactions();
  response.set_block(to_string(block.encode()));
  return {};
}

}  // namespace

Result<const vault::RecordVault*> Queries::usable_vault() const {
  if (vault_ == nullptr)
    return Error{ErrorCode::VAULT_DAMAGED, identity_.vault_damage.value_or("the vault is not open")};
  return vault_;
}

Result<PointerId> Queries::pointer_of(const std::string& pointer_id, bool has_source,
                                      const galen::v1::SourceId& source) const {
  if (!pointer_id.empty()) return parse_id<PointerId>(pointer_id, "pointer_id");
  if (!has_source) return invalid("give pointer_id or source");
  GALEN_ASSIGN(const auto* vault, usable_vault());
  GALEN_ASSIGN(auto pointers, vault->pointers_of({source.system(), source.type(), source.id()}));
  if (pointers.empty()) return Error{ErrorCode::RECORD_NOT_FOUND, "this member has anchored nothing of that source"};
  return pointers.front();
}

Result<galen::v1::PointerRecord> Queries::load_record(const ledger::View& view, const PointerId& id) const {
  GALEN_ASSIGN(auto row, view.state(static_cast<std::uint8_t>(StateKind::record), id));
  if (!row) return Error{ErrorCode::RECORD_NOT_FOUND, fmt::format("no record has the pointer {}", id.hex())};
  galen::v1::PointerRecord record;
  record.set_pointer_id(id.str());
  if (!record.mutable_state()->ParseFromArray(row->data(), static_cast<int>(row->size())))
    return Error{ErrorCode::CORRUPT, "a record's state does not decode"};
  return record;
}

Result<std::string> Queries::get_record(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetRecordRequest>(bytes));
  GALEN_ASSIGN(auto id, pointer_of(request.pointer_id(), request.has_source(), request.source()));
  galen::v1::GetRecordResponse response;
  GALEN_ASSIGN(*response.mutable_record(), load_record(view, id));
  // Of another member's record nothing of it is known here.
  if (response.record().state().custodian() == identity_.member_id().str()) {
    GALEN_ASSIGN(const auto* vault, usable_vault());
    GALEN_ASSIGN(auto lossy_numbers, vault->lossy_numbers(id));
    response.set_lossy_numbers(lossy_numbers.value_or(0));
  }
  Disclosure disclosure(view, identity_.member_id());
  GALEN_TRY(narrow(disclosure, *response.mutable_record()));
  if (request.with_proof() && response.record().narrowed()) return not_yours_to_read("the record that the proof shows");
  set_read_point(view, response.mutable_read_point());
  if (request.with_proof()) GALEN_TRY(set_proof(view, StateKind::record, id, response.mutable_proof()));
  return response.SerializeAsString();
}

Status Queries::add_versions_until(const ledger::View& view, const galen::v1::PointerRecord& last,
                                   std::set<std::string>& listed, galen::v1::ListRecordVersionsResponse& out) const {
  std::vector<galen::v1::PointerRecord> versions;  // newest first
  auto record = last;
  while (listed.size() < kVersionsMax && listed.insert(record.pointer_id()).second) {
    versions.push_back(record);
    if (record.state().supersedes().empty()) break;
    GALEN_ASSIGN(auto before, parse_id<PointerId>(record.state().supersedes(), "supersedes"));
    GALEN_ASSIGN(record, load_record(view, before));
  }
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) *out.add_versions() = std::move(*it);
  return {};
}

Result<std::string> Queries::list_record_versions(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::ListRecordVersionsRequest>(bytes));
  GALEN_ASSIGN(auto id, pointer_of(request.pointer_id(), request.has_source(), request.source()));
  GALEN_ASSIGN(auto record, load_record(view, id));
  // All versions have one custodian and one subject.
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool shown, disclosure.record(record.state()));
  if (!shown) return not_yours_to_read("the record");
  // The chain itself is the list: back to the first version, and forwards to the newest. A successor that was named
  // later (SetRecordStatus) may have versions of its own before it, and does not lead back to this one.
  galen::v1::ListRecordVersionsResponse response;
  std::set<std::string> listed;
  GALEN_TRY(add_versions_until(view, record, listed, response));
  while (listed.size() < kVersionsMax && !record.state().superseded_by().empty()) {
    GALEN_ASSIGN(auto next, parse_id<PointerId>(record.state().superseded_by(), "superseded_by"));
    GALEN_ASSIGN(record, load_record(view, next));
    GALEN_TRY(add_versions_until(view, record, listed, response));
  }
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::verify_record(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::VerifyRecordRequest>(bytes));
  GALEN_ASSIGN(auto id, pointer_of(request.pointer_id(), request.has_source(), request.source()));
  galen::v1::VerifyRecordResponse response;
  GALEN_ASSIGN(*response.mutable_record(), load_record(view, id));
  GALEN_ASSIGN(const auto* vault, usable_vault());
  auto verdict = vault->verify(id, as_bytes(request.content()));
  if (!verdict && verdict.error().code != ErrorCode::COMMITMENT_MISMATCH) return verdict.error();
  response.set_match(verdict.has_value());
  if (!verdict) response.set_message(verdict.error().message);
  GALEN_ASSIGN(auto lossy_numbers, vault->lossy_numbers(id));
  response.set_lossy_numbers(lossy_numbers.value_or(0));
  Disclosure disclosure(view, identity_.member_id());
  GALEN_TRY(narrow(disclosure, *response.mutable_record()));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::get_head(const ledger::View& view) {
  galen::v1::GetHeadResponse response;
  const auto& head = view.head();
  response.set_chain_id(identity_.context.chain_id.str());
  response.set_height(head.header.height);
  response.set_block_digest(head.digest.str());
  response.set_time_ms(head.header.time_ms);
  response.set_state_root(head.state_root.str());
  response.set_results_root(head.results_root.str());
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::get_block(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetBlockRequest>(bytes));
  GALEN_ASSIGN(auto info, view.info(request.height()));
  if (!info) return Error{ErrorCode::NOT_FOUND, fmt::format("this node has executed blocks up to {}", view.height())};
  galen::v1::GetBlockResponse response;
  response.set_header(to_string(info->header.encode()));
  response.set_digest(info->digest.str());
  response.set_transactions(info->item_count);
  if (!request.header_only()) {
    GALEN_ASSIGN(auto block, view.block(request.height()));
    Disclosure disclosure(view, identity_.member_id());
    if (block) GALEN_TRY(set_body(disclosure, *block, response));
  }
  GALEN_ASSIGN(auto certificate, view.commit_certificate(request.height()));
  if (certificate) response.set_commit_certificate(to_string(certificate->encode()));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<TransactionId> Queries::transaction_of(const PrincipalId& caller, const std::string& id, const std::string& author,
                                              const std::string& request_id) const {
  if (!id.empty()) return parse_id<TransactionId>(id, "transaction_id");
  GALEN_ASSIGN(auto request, parse_id<RequestId>(request_id, "request_id"));
  PrincipalId principal = caller;
  if (!author.empty()) {
    GALEN_ASSIGN(principal, parse_id<PrincipalId>(author, "author"));
  }
  return transaction_id(identity_.context.suite, principal, request);
}

namespace {

// No block after one whose time is past valid_until can hold the transaction. An answer in a later block belongs to a later
// use of the id, so that EXPIRED, once told, is told for ever: it depends on the blocks alone.
Result<bool> is_expired(const ledger::View& view, const std::optional<ledger::TransactionRow>& row,
                        TimestampMs valid_until_ms) {
  if (valid_until_ms == 0) return false;
  if (!row) return view.head().header.time_ms > valid_until_ms;
  GALEN_ASSIGN(auto before, view.header(row->first.height - 1));
  return before && before->time_ms > valid_until_ms;
}

}  // namespace

Result<std::string> Queries::get_transaction(const ledger::View& view, const PrincipalId& caller, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetTransactionRequest>(bytes));
  GALEN_ASSIGN(auto id, transaction_of(caller, request.transaction_id(), request.author(), request.request_id()));
  // Seconds, or a span of time: every transaction of this chain would have expired by it.
  if (request.valid_until_ms() != 0 && request.valid_until_ms() < identity_.genesis.created_ms)
    return invalid(
        "valid_until_ms lies before this chain began: give the transaction's own, in milliseconds since 1970");
  galen::v1::GetTransactionResponse response;
  auto* outcome = response.mutable_outcome();
  outcome->set_transaction_id(id.str());
  set_read_point(view, response.mutable_read_point());
  GALEN_ASSIGN(auto row, view.transaction(id));
  GALEN_ASSIGN(bool over, is_expired(view, row, request.valid_until_ms()));
  if (!row || over) {
    outcome->set_state(over ? galen::v1::TRANSACTION_STATE_EXPIRED : galen::v1::TRANSACTION_STATE_UNKNOWN);
    outcome->set_reason(over ? "EXPIRED" : "NOT_FOUND");
    return response.SerializeAsString();
  }
  GALEN_ASSIGN(auto answer, first_answer(view, id, row->first));
  const auto& first = answer.outcome;
  outcome->set_state(first.code == ErrorCode::OK ? galen::v1::TRANSACTION_STATE_COMMITTED
                                                 : galen::v1::TRANSACTION_STATE_REJECTED);
  outcome->set_reason(std::string(to_reason(first.code)));
  outcome->set_height(first.height);
  if (!answer.block) return response.SerializeAsString();
  outcome->set_time_ms(first.time_ms);
  // What became of it is told to whoever knows its id (D12); what it says, only to those it concerns.
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool shown, disclosure.transaction(*answer.transaction));
  response.set_narrowed(!shown);
  if (shown) {
    for (const auto& result : first.results) outcome->add_results(to_string(result));
  }
  return response.SerializeAsString();
}

Status Queries::may_read_transaction(const ledger::View& view, const TransactionId& id) const {
  GALEN_ASSIGN(auto row, view.transaction(id));
  if (!row) return {};
  GALEN_ASSIGN(auto answer, first_answer(view, id, row->first));
  if (!answer.block) return {};
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool shown, disclosure.transaction(*answer.transaction));
  if (!shown) return not_yours_to_read("the transaction");
  return {};
}

Result<std::string> Queries::get_receipt(const ledger::View& view, const PrincipalId& caller, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetReceiptRequest>(bytes));
  GALEN_ASSIGN(auto id, transaction_of(caller, request.transaction_id(), request.author(), request.request_id()));
  GALEN_TRY(may_read_transaction(view, id));
  galen::v1::GetReceiptResponse response;
  GALEN_ASSIGN(*response.mutable_receipt(), execution::build_receipt(identity_.context, view, id));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::get_status(const ledger::View& view) {
  galen::v1::GetStatusResponse response;
  auto core = health_.core();
  const auto& head = view.head();
  const auto& members = identity_.members();
  auto missing = health_.missing(members.size(), identity_.self);
  response.set_chain_id(identity_.context.chain_id.hex());
  response.set_chain_name(identity_.genesis.name);
  response.set_test_chain(identity_.genesis.test);
  response.set_member(identity_.member_name(identity_.self));
  response.set_version(kVersion);
  response.set_mode(core.mode);
  response.set_mode_detail(core.detail);
  set_sync_status(response);
  response.set_height(head.header.height);
  response.set_committed_height(std::max(core.committed_height, head.header.height));
  response.set_state_root(head.state_root.hex());
  response.set_block_time_ms(head.header.time_ms);
  auto now_ms = system_clock().wall_ms();
  response.set_block_age_ms(now_ms > head.header.time_ms ? now_ms - head.header.time_ms : 0);
  response.set_view(core.view);
  response.set_leader(identity_.member_name(core.leader));
  for (auto index : core.skipped) response.add_skipped_leaders(identity_.member_name(index));
  response.set_epoch(identity_.context.epoch);
  response.set_view_timeout_ms(core.view_timeout_ms);
  response.set_members(static_cast<std::uint32_t>(members.size()));
  response.set_quorum(static_cast<std::uint32_t>(members.quorum()));
  response.set_reachable(static_cast<std::uint32_t>(members.size() - missing.size()));
  for (auto index : missing) response.add_missing_members(identity_.member_name(index));
  response.set_quorum_reachable(members.size() - missing.size() >= members.quorum());
  response.set_transactions(health_.counters.transactions);
  response.set_pending_transactions(health_.pending_transactions);
  response.set_uptime_ms((system_clock().monotonic_us() - started_us_) / 1000);
  response.set_front_end(ports_.front_end_up() ? "up" : "restarting");
  struct statvfs disk {};
  if (::statvfs(options_.data_dir.c_str(), &disk) == 0) response.set_disk_free_bytes(disk.f_bavail * disk.f_frsize);
  response.set_disk_low(health_.disk_low);
  const auto scrub = health_.scrub();
  auto& scrubbed = *response.mutable_scrub();
  scrubbed.set_last_pass_ms(scrub.last_pass_ms);
  scrubbed.set_pass_started_ms(scrub.pass_started_ms);
  scrubbed.set_permille(scrub.pass_started_ms == 0 ? 0 : health_.scrub_permille.load());
  scrubbed.set_found(scrub.found);
  scrubbed.set_repaired(scrub.repaired);
  scrubbed.set_left(scrub.left);
  response.set_divergence_file(health_.divergence_file());
  for (const auto& [member, words] : ports_.identity_in_use())
    response.add_identity_in_use(identity_.member_name(member) + ": " + words);
  auto& out = *response.mutable_counters();
  const auto& c = health_.counters;
  out["blocks"] = c.blocks;
  out["transactions"] = c.transactions;
  out["batches_made"] = c.batches_made;
  out["turns"] = c.turns;
  out["fsyncs"] = c.fsyncs;
  out["log_bytes"] = c.log_bytes;
  out["fsync_us"] = c.fsync_us;
  out["execute_us"] = c.execute_us;
  out["verify_us"] = c.verify_us;
  out["core_us"] = c.core_us;
  out["intake_us"] = c.intake_us;
  out["view_changes"] = c.view_changes;
  out["batches_offered"] = c.batches_offered;
  out["offers_fetched"] = c.offers_fetched;
  out["frames_dropped"] = c.frames_dropped;
  out["frames_invalid"] = c.frames_invalid;
  out["catch_up_blocks"] = c.catch_up_blocks;
  out["checkpoints"] = c.checkpoints;
  out["scrub_found"] = scrub.found;
  out["scrub_repaired"] = scrub.repaired;
  for (const auto& peer : ports_.peers()) {
    out["peer_cpu_ms." + peer.name] = ports_.peer_cpu_us(peer.member) / 1'000;
    out["peer_throttled_ms." + peer.name] = peer.throttled_us / 1'000;
  }
  GALEN_TRY(set_equivocations(view, response));
  return response.SerializeAsString();
}

void Queries::set_sync_status(galen::v1::GetStatusResponse& response) const {
  const auto sync = health_.sync();
  const auto floor = store_.backfill_floor();
  response.set_backfill_floor(floor);
  for (auto member : sync.refused) response.add_sync_refused(identity_.member_name(member));
  const auto mode = response.mode();
  if (mode == galen::v1::NODE_MODE_DIVERGED || mode == galen::v1::NODE_MODE_DISK_FULL) return;
  if (sync.joining) {
    response.set_mode(galen::v1::NODE_MODE_JOINING);
    response.set_mode_detail(sync.detail);
    return;
  }
  if (floor == 0) return;
  if (mode == galen::v1::NODE_MODE_VOTING) response.set_mode(galen::v1::NODE_MODE_BACKFILLING);
  auto detail = fmt::format("blocks below {} are on their way", floor);
  if (!sync.detail.empty()) detail += ": " + sync.detail;
  response.set_mode_detail(joined_detail(response.mode_detail(), detail));
}

Result<std::string> Queries::list_peers() {
  galen::v1::ListPeersResponse response;
  auto now_ms = static_cast<std::int64_t>(system_clock().wall_ms());
  for (const auto& status : ports_.peers()) {
    auto* peer = response.add_peers();
    peer->set_member(status.name);
    peer->set_address(status.address);
    peer->set_connected(status.connected);
    if (status.connected && now_ms > status.since_ms) peer->set_connected_ms(static_cast<std::uint64_t>(now_ms - status.since_ms));
    peer->set_last_error(status.last_error);
    peer->set_rtt_us(status.rtt_us.value_or(0));
    peer->set_bytes_in(status.wire_bytes_in);
    peer->set_bytes_out(status.wire_bytes_out);
    peer->set_height(health_.peer_height(status.member));
    peer->set_second_processes(status.second_processes);
    peer->set_second_process_address(status.second_process_address);
    peer->set_second_process_ms(static_cast<std::uint64_t>(status.second_process_ms));
  }
  return response.SerializeAsString();
}

Result<std::string> Queries::who_am_i(const ledger::View& view, const PrincipalId& caller) {
  GALEN_ASSIGN(auto state, load_principal(view, caller));
  galen::v1::WhoAmIResponse response;
  response.set_principal(caller.str());
  response.set_kind(state.kind() == ledger::v1::PRINCIPAL_KIND_ADMIN ? "admin" : "service");
  response.set_member(identity_.member_name(identity_.self));
  response.set_member_id(identity_.member_id().str());
  return response.SerializeAsString();
}

Result<std::string> Queries::get_principal(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetPrincipalRequest>(bytes));
  GALEN_ASSIGN(auto id, parse_id<PrincipalId>(request.id(), "id"));
  galen::v1::GetPrincipalResponse response;
  response.set_id(id.str());
  GALEN_ASSIGN(*response.mutable_state(), load_principal(view, id));
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool shown, disclosure.principal(id, response.state()));
  if (!shown) {
    response.mutable_state()->clear_key();
    response.mutable_state()->clear_key_version();
    response.mutable_state()->clear_registered_height();
    response.set_narrowed(true);
  }
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

}  // namespace galen::node
