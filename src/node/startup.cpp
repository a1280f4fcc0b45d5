#include "node/startup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "galen/base/log.hpp"
#include "galen/crypto/x509.hpp"
#include "galen/execution/membership.hpp"
#include "galen/ledger/block_outline.hpp"
#include "galen/ledger/installer.hpp"
#include "galen/node/init.hpp"
#include "node/ledger_mending.hpp"
#include "node/log_records.hpp"
#include "node/log_replay.hpp"
#include "node/participants.hpp"
#include "node/vault_damage.hpp"
#include "node/vault_startup.hpp"

namespace galen::node {

void LogReplay::add(const ReplayedRecord& record) {
  switch (record.type) {
    case kLogConsensus: safety.push_back({to_bytes(record.payload)}); break;
    case kLogBatch: batches.push_back({record.seq, to_bytes(record.payload)}); break;
    case kLogOutbox: outbox.push_back({record.seq, to_bytes(record.payload)}); break;
    case kLogAmnesia: started_over = true; break;
    case kLogCommitted: committed.push_back(to_bytes(record.payload)); break;
    default: break;
  }
}

namespace {

Error bad_body(const Error& why) {
  return {ErrorCode::CORRUPT, "a batch in the log does not decode: " + why.message};
}

}  // namespace

Result<LoggedBatches> LoggedBatches::index(const Identity& identity, const LogReplay& replay) {
  LoggedBatches out;
  out.context_ = identity.context;
  for (const auto& entry : replay.batches) {
    const ByteSpan bytes(entry.bytes);
    auto header = BatchHeader::decode(bytes.first(std::min(bytes.size(), kBatchHeaderBytes)));
    if (!header) return bad_body(header.error());
    auto digest = header->digest(identity.context.suite);
    if (out.by_digest_.emplace(digest, out.bodies_.size()).second) out.bodies_.push_back({*header, digest, &entry});
  }
  return out;
}

Result<BatchPtr> LoggedBatches::find(const Hash& digest) const {
  auto found = by_digest_.find(digest);
  if (found == by_digest_.end()) return BatchPtr{};
  return decode(bodies_[found->second]);
}

Result<BatchPtr> LoggedBatches::decode(const Body& body) const {
  auto context = context_;
  context.epoch = body.header.epoch;
  auto batch = Batch::decode(context, body.entry->bytes);
  if (!batch) return bad_body(batch.error());
  return std::make_shared<const Batch>(std::move(*batch));
}

Status replay_blocks(const Identity& identity, const LogReplay& replay, const LoggedBatches& bodies,
                     execution::Executor& executor, ledger::Store& store) {
  std::map<Height, CommittedRecord> committed;
  for (const auto& bytes : replay.committed) {
    auto record = decode_committed(identity.context.suite, bytes);
    if (!record) return Error{ErrorCode::CORRUPT, "a committed block in the log does not decode: " + record.error().message};
    auto height = record->skeleton.header.height;
    committed.insert_or_assign(height, std::move(*record));
  }
  std::size_t replayed = 0;
  for (auto it = committed.upper_bound(executor.applied_height()); it != committed.end(); ++it) {
    if (it->first != executor.applied_height() + 1) break;
    auto block = std::make_shared<Block>();
    block->skeleton = it->second.skeleton;
    bool whole = true;
    for (const auto& digest : it->second.skeleton.batch_digests) {
      GALEN_ASSIGN(auto body, bodies.find(digest));
      whole = body != nullptr;
      if (!whole) break;
      block->batches.push_back(std::move(body));
    }
    if (!whole) break;
    GALEN_ASSIGN(auto executed, executor.apply(block));
    (void)executed;
    GALEN_TRY(store.put_certificate(it->second.certificate));
    ++replayed;
  }
  if (replayed > 0) log::info("replayed blocks={} height={}", replayed, executor.applied_height());
  return {};
}

namespace {

// Digests in the chain that may not stand in it again: of as many blocks as a batch could still be valid in.
Status load_recent(const ledger::View& view, std::uint64_t ttl_max_ms, consensus::Recovered& recovered) {
  const TimestampMs tip_ms = view.head().header.time_ms;
  const TimestampMs since_ms = tip_ms > ttl_max_ms ? tip_ms - ttl_max_ms : 0;
  return ledger::each_block_outline(view, since_ms, [&](const ledger::BlockOutline& block) -> Status {
    for (std::size_t i = 0; i < block.batches.size(); ++i)
      if (block.batches[i].valid_until_ms >= tip_ms)
        recovered.recent_batches.emplace_back(block.skeleton.batch_digests[i], block.batches[i].valid_until_ms);
    return {};
  });
}

// Of the tip's view; as many headers as the view has blocks. Nothing if blocks that come after a snapshot are not here yet.
Result<std::optional<Height>> load_base_exec_height(const ledger::View& view) {
  Status read;
  auto found = base_exec_height(view.head().header, [&](Height height) -> std::optional<BlockHeader> {
    auto header = view.header(height);
    if (header) return std::move(*header);
    read = header.error();
    return std::nullopt;
  });
  GALEN_TRY(read);
  return found;
}

}  // namespace

Status load_ledger(const Identity& identity, const ledger::Store& store, consensus::Recovered& recovered) {
  GALEN_ASSIGN(auto view, store.snapshot());
  const auto& head = view->head();
  recovered.tip.header = head.header;
  recovered.tip.digest = head.digest;
  if (head.header.height > 0) {
    GALEN_ASSIGN(recovered.tip.certificate, view->commit_certificate_from(head.header.height));
  }
  GALEN_ASSIGN(recovered.tip.base_exec_height, load_base_exec_height(*view));
  GALEN_ASSIGN(recovered.history, view->history_frontier(head.header.height + 1));
  const auto& parameters = identity.genesis.parameters;
  Height depth = parameters.exec_lag_max + parameters.window;
  for (Height height = head.header.height > depth ? head.header.height - depth : 0; height <= head.header.height; ++height) {
    GALEN_ASSIGN(auto info, view->info(height));
    // A block that came with a snapshot may have a root that no header names, so none will ask for it.
    if (info && !info->state_root.is_zero()) recovered.executed.push_back({height, info->digest, info->state_root, info->results_root});
  }
  GALEN_ASSIGN(auto leadership, execution::load_leadership(*view));
  recovered.leader_skips = std::move(leadership.skips);
  GALEN_ASSIGN(const auto membership, execution::load_membership(identity.genesis, *view));
  recovered.epoch_base = membership.first_height - 1;
  for (const auto& subject : recovered.executed)
    if (const auto* next = membership.next_at(subject.height))
      recovered.pending_members.emplace(subject.height, next->hash(identity.context.suite));
  return load_recent(*view, parameters.ttl_max_ms, recovered);
}

namespace {

/// Of the log's bodies, those that no block of the chain holds and one may hold yet.
std::vector<const LoggedBatches::Body*> unordered_bodies(const LoggedBatches& bodies,
                                                         const consensus::Recovered& recovered) {
  std::set<Hash> in_chain;
  for (const auto& [digest, valid_until_ms] : recovered.recent_batches) in_chain.insert(digest);
  std::vector<const LoggedBatches::Body*> out;
  for (const auto& body : bodies.in_order())
    if (!in_chain.contains(body.digest) && body.header.valid_until_ms >= recovered.tip.header.time_ms)
      out.push_back(&body);
  return out;
}

/// An own batch of an earlier epoch.
Result<bool> is_left_over(const Identity& identity, const ledger::View& view, const BatchHeader& header) {
  if (header.epoch >= identity.context.epoch) return false;
  GALEN_ASSIGN(const auto epoch, execution::load_epoch(identity.genesis, view, header.epoch));
  const auto own = epoch ? epoch->members.index_of(identity.member_id()) : std::nullopt;
  return own && header.origin == *own;
}

}  // namespace

Status load_pending(const Identity& identity, const LoggedBatches& bodies, BatchPool& pool,
                    consensus::Recovered& recovered) {
  for (const auto* body : unordered_bodies(bodies, recovered)) {
    const auto& header = body->header;
    if (header.epoch != identity.context.epoch) continue;
    GALEN_ASSIGN(auto batch, bodies.decode(*body));
    if (pool.add(batch, true) == BatchPool::Added::known) continue;
    pool.logged(body->digest, body->entry->seq);
    recovered.pending.push_back({body->digest, header.origin, header.valid_until_ms, batch->bytes().size()});
  }
  return {};
}

Result<std::vector<BatchItem>> load_left_over(const Identity& identity, const LoggedBatches& bodies,
                                              const ledger::Store& store, const consensus::Recovered& recovered) {
  std::vector<BatchItem> out;
  GALEN_ASSIGN(auto view, store.snapshot());
  for (const auto* body : unordered_bodies(bodies, recovered)) {
    GALEN_ASSIGN(const bool left_over, is_left_over(identity, *view, body->header));
    if (!left_over) continue;
    GALEN_ASSIGN(auto batch, bodies.decode(*body));
    for (const auto& item : batch->items()) out.push_back(item);
  }
  return out;
}

Result<consensus::SafetyState> begin_log_anew(const Identity& identity, const LoggedBatches& bodies,
                                              const ledger::Store& store, const consensus::Recovered& recovered,
                                              std::span<const Bytes> outbox, Log& log) {
  const auto marker = consensus::amnesia_record(identity.context.epoch);
  std::vector<LogRecord> carried;
  for (const auto& record : outbox) carried.push_back({kLogOutbox, true, record});
  GALEN_ASSIGN(auto view, store.snapshot());
  for (const auto* body : unordered_bodies(bodies, recovered)) {
    GALEN_ASSIGN(const bool left_over, is_left_over(identity, *view, body->header));
    if (!left_over && body->header.epoch != identity.context.epoch) continue;
    // One that does not decode ends this start, and not each one after it as well.
    if (bodies.decode(*body)) carried.push_back({kLogBatch, false, body->entry->bytes});
  }
  GALEN_TRY(log.start_over(std::vector<OwnedLogRecord>{{kLogConsensus, true, marker.payload}}, carried));
  return consensus::recover(identity.context.epoch, identity.context.suite, std::vector{marker});
}

namespace {

/// Of what reads the ledger; `damaged` where its bytes were the fault.
template <class T>
Result<T> of_ledger(const Config& config, bool& damaged, Result<T> result) {
  damaged |= !result && is_ledger_damage(config.data_dir, result.error());
  return result;
}

/// With what is known of it before the ledger is open.
Participant own_participant(const Config& config, const PrincipalId& id, const crypto::PrivateKey& key) {
  Participant own{{id, key.public_key(), {}}, config.member, {}};
  std::ifstream in(config.api.client_ca, std::ios::binary);
  std::string pem(std::istreambuf_iterator<char>(in), {});
  auto fingerprint = crypto::certificate_fingerprint(pem);
  if (fingerprint) {
    own.ca_pem = std::move(pem);
    own.member.tls_ca = *fingerprint;
  } else {
    // Only a member that is pinned by a fingerprint has to show it; who stands in genesis with its CA needs nothing of it.
    log::warn("api.client_ca is no certificate and cannot be shown to the other members file={} error=\"{}\"", config.api.client_ca,
              fingerprint.error().message);
  }
  return own;
}

MemberIndex place_of(const PrincipalId& id, const Participants& participants) {
  const auto& all = participants.all;
  auto found = std::find_if(all.begin(), all.end(), [&](const Participant& one) { return one.member.id == id; });
  GALEN_ASSERT(found != all.end());
  return static_cast<MemberIndex>(found - all.begin());
}

/// Epochs of which the log holds a record: u16 version ‖ u64 epoch ‖ … (consensus/safety.hpp).
std::set<Epoch> recorded_epochs(const LogReplay& replay) {
  std::set<Epoch> out;
  for (const auto& record : replay.safety) {
    ByteReader in(record.payload);
    in.u16();
    const auto epoch = in.u64();
    if (in.ok()) out.insert(epoch);
  }
  return out;
}

}  // namespace

Result<consensus::SafetyState> recover_safety(const Identity& identity, const ledger::Store& store, const LogReplay& replay) {
  GALEN_ASSIGN(auto view, store.snapshot());
  const auto& tip = view->head().header;
  GALEN_ASSIGN(const auto epoch, execution::load_epoch(identity.genesis, *view, tip.epoch));
  const bool was_member = epoch && epoch->members.index_of(identity.member_id()).has_value();
  GALEN_ASSIGN(auto state, consensus::recover_in(identity.context.suite, replay.safety, tip, was_member));
  // A ledger that came by snapshot into the middle of an epoch: a log that has a record of an earlier one is not lost, and who is no
  // member of this one has signed nothing in it.
  const auto epochs = recorded_epochs(replay);
  if (!tip.epoch_end() && !was_member && !state.recorded() && !epochs.empty() && *epochs.begin() < tip.epoch)
    GALEN_TRY(state.apply(state.mode_record(consensus::Mode::fresh)));
  // A ledger that is made anew is behind its log. The promises of the later epochs go when their segment is used again, since
  // the head of a new one holds the present epoch only: the vote comes back as that of a lost log does.
  if (!epochs.empty() && *epochs.rbegin() > identity.context.epoch)
    GALEN_TRY(state.apply(consensus::amnesia_record(identity.context.epoch)));
  return state;
}

Status enter_epoch(const ledger::Store& store, const Participant& own, std::span<const crypto::PrivateKey> keys,
                   Identity& identity) {
  GALEN_ASSIGN(auto view, store.snapshot());
  GALEN_ASSIGN(const auto membership, execution::load_membership(identity.genesis, *view));
  GALEN_ASSIGN(identity.participants, load_participants(identity.genesis, *view, membership, own));
  identity.self = place_of(own.member.id, *identity.participants);
  identity.context.epoch = membership.epoch;
  identity.context.members_hash = membership.members.hash(identity.context.suite);
  take_key(identity, {keys.begin(), keys.end()});
  if (!identity.can_sign)
    log::error("cannot vote reason=CANNOT_SIGN epoch={} member={} key={}: neither keys.consensus nor keys.consensus_next is "
               "the key that the epoch names; this node follows and executes, and votes from the epoch on whose key it has",
               membership.epoch, own.name, identity.participants->all[identity.self].member.consensus_key.hex());
  return {};
}

// Until this turn is durable the log says of the new epoch nothing at all, and the fold of the one before gives the same answer at
// the next start: its records are there, since segments are given up after checkpoints only, whose height is then in the new epoch.
// The turn holds all that there is to say of the new epoch, so a segment that it begins has a whole head.
Status begin_epoch(const Identity& identity, const LogReplay& replay, const consensus::SafetyState& safety, Log& log) {
  GALEN_ASSIGN(const auto held, consensus::recover(identity.context.epoch, identity.context.suite, replay.safety));
  if (!safety.recorded() || (held.recorded() && held.mode() == safety.mode())) return {};
  std::vector<OwnedLogRecord> first;
  for (auto& record : safety.records()) first.push_back({kLogConsensus, true, std::move(record.payload)});
  GALEN_ASSIGN([[maybe_unused]] auto appended, log.append_turn(std::span<const OwnedLogRecord>(first)));
  log::info("epoch={} begins here members={} role={}", identity.context.epoch, identity.members().size(), to_name(identity.role()));
  return {};
}

Result<Identity> load_identity(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  auto own = own_participant(config, checked.member_id, checked.consensus_keys.front());
  auto participants = participants_of_genesis(checked.genesis, own);
  auto context = checked.genesis.context();
  Identity identity{std::move(checked.genesis), 0, context, std::move(checked.consensus_keys.front()), std::move(participants)};
  identity.self = place_of(own.member.id, *identity.participants);
  return identity;
}

namespace {

/// What a start fails for, where that is something a node can do without, or get again.
struct AtFault {
  bool ledger = false;
  bool vault = false;  ///< whole, and older than what the log begins with
};

Result<Opened> open_parts(const Config& config, Identity& identity, std::shared_ptr<FailureBell> failures,
                          AtFault& at_fault) {
  GALEN_ASSIGN(auto data_dir, DataDir::open(config.data_dir));
  GALEN_TRY(finish_ledger_made_anew(data_dir.path()));
  GALEN_ASSIGN(bool joined, ledger::install_joined(data_dir.path()));
  if (joined) log::info("the ledger is the one of a snapshot now");
  auto found = of_ledger(config, at_fault.ledger,
                         ledger::Store::open({.directory = data_dir.path(),
                                              .context = identity.context,
                                              .block_cache_bytes = std::size_t{config.limits.block_cache_mib} << 20,
                                              .failures = failures}));
  if (!found) return of_genesis(config, std::move(found).error());
  auto store = std::move(*found);
  // Not before: under another genesis.json than the ledger's, the copy is the good one.
  GALEN_ASSIGN(bool copied, keep_genesis_copy(config));
  if (copied) log::warn("the copy of genesis.json in the data directory is written again");
  auto executor = std::make_unique<execution::Executor>(identity.genesis, *store);
  GALEN_ASSIGN(auto applied, of_ledger(config, at_fault.ledger, executor->start()));
  std::unique_ptr<vault::RecordVault> vault;
  if (identity.vault_damage) {
    GALEN_TRY(check_vault_keys(config, data_dir, identity.context.suite));
  } else {
    GALEN_ASSIGN(auto found_vault, open_vault(config, data_dir, identity.context.suite, failures));
    vault = std::make_unique<vault::RecordVault>(std::move(found_vault));
  }
  LogReplay replay;
  GALEN_ASSIGN(auto opened, Log::open(data_dir.path(), [&](const ReplayedRecord& record) { replay.add(record); }));
  log::info("data directory open ledger_height={} log_records={} log={}", applied, opened.verdict.records,
            opened.verdict.reason.empty() ? "clean" : opened.verdict.reason);

  std::optional<KeptOutbox> kept;
  if (vault) {
    GALEN_ASSIGN(kept, load_kept_outbox(data_dir.path()));
    if (auto follows = check_vault_follows(*vault, opened, replay, kept); !follows) {
      at_fault.vault = true;
      return follows.error();
    }
    GALEN_TRY(replay_outbox(*vault, *opened.log, replay, kept));
  } else {
    GALEN_TRY(keep_outbox(data_dir.path(), opened, replay));
  }
  GALEN_ASSIGN(auto bodies, LoggedBatches::index(identity, replay));
  GALEN_TRY(of_ledger(config, at_fault.ledger, replay_blocks(identity, replay, bodies, *executor, *store)));
  GALEN_ASSIGN(auto checked, check_config(config));
  const auto own = own_participant(config, identity.member_id(), checked.consensus_keys.front());
  GALEN_TRY(of_ledger(config, at_fault.ledger, enter_epoch(*store, own, checked.consensus_keys, identity)));

  Opened out{.data_dir = std::move(data_dir),
             .failures = std::move(failures),
             .store = std::move(store),
             .executor = std::move(executor),
             .vault = std::move(vault),
             .log = std::move(opened.log),
             .pool = std::make_unique<BatchPool>(identity.members().size()),
             .recovered = consensus::Recovered(),
             .left_over = {}};
  if (!out.vault)
    log::error(
        "cannot vote reason=VAULT_DAMAGED error=\"{}\": this node follows and executes, and votes again with a vault "
        "that is whole",
        *identity.vault_damage);

  GALEN_TRY(of_ledger(config, at_fault.ledger, load_ledger(identity, *out.store, out.recovered)));
  auto safety = recover_safety(identity, *out.store, replay);
  if (opened.verdict.kind == LogVerdict::Kind::amnesia || !safety) {
    log::error("the vote log is damaged and is begun anew: this node follows without voting until it has recovered reason=\"{}\"",
               opened.verdict.reason.empty() ? "records do not decode" : opened.verdict.reason);
    // The blocks that the ledger has of that log are not carried over.
    GALEN_ASSIGN([[maybe_unused]] auto durable, out.store->checkpoint());
    std::vector<Bytes> outbox;
    if (out.vault)
      for (const auto& record : out.vault->pending()) outbox.push_back(record.encode());
    safety = begin_log_anew(identity, bodies, *out.store, out.recovered, outbox, *out.log);
    if (!safety) return safety.error();
    if (out.vault) GALEN_TRY(out.vault->move_to_log(out.log->log_id(), out.log->stats().oldest_seq));
  } else {
    GALEN_TRY(begin_epoch(identity, replay, *safety, *out.log));
    if (kept) GALEN_TRY(carry_into(*out.log, *out.vault, *safety));
  }
  if (kept) GALEN_TRY(remove_kept_outbox(out.data_dir.path()));
  if (out.vault) out.vault->log_goes_on(out.log->stats().next_seq);
  out.recovered.safety = std::move(*safety);
  GALEN_TRY(load_pending(identity, bodies, *out.pool, out.recovered));
  GALEN_ASSIGN(out.left_over,
               of_ledger(config, at_fault.ledger, load_left_over(identity, bodies, *out.store, out.recovered)));
  return out;
}

}  // namespace

// Of the ledger the others have all. Of the vault nobody else has anything, and the node can follow without it.
Result<Opened> open_data_dir(const Config& config, Identity& identity) {
  const auto as_in_genesis = identity;
  auto vault_damage = known_vault_damage(config.data_dir);
  for (bool ledger_mended = false;;) {
    identity = as_in_genesis;
    identity.vault_damage = vault_damage;
    AtFault at_fault;
    auto failures = std::make_shared<FailureBell>();
    auto opened = open_parts(config, identity, failures, at_fault);
    if (opened) return opened;
    // Whoever came second knows only that the storage has failed.
    if (const auto first = failures->first(); first && first->code == ErrorCode::CORRUPT) {
      suspect_ledger(config.data_dir);
      suspect_vault(config.data_dir);
    }
    if (at_fault.ledger && !ledger_mended) {
      GALEN_TRY(check_copy(config, identity.genesis));
      const auto mended = mend_ledger(config.data_dir, identity.genesis);
      if (!mended) return of_genesis(config, mended.error());
      if (!*mended) return opened;
      ledger_mended = true;
    } else if (at_fault.vault) {
      vault_damage = opened.error().message;
    } else if (!at_fault.ledger && !vault_damage && opened.error().code == ErrorCode::CORRUPT) {
      auto found = find_vault_damage(config.data_dir);
      if (!found || !*found) return opened;
      vault_damage = std::move(*found);
    } else {
      return opened;
    }
  }
}

}  // namespace galen::node
