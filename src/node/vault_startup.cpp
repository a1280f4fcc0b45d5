#include "node/vault_startup.hpp"

#include "galen/node/init.hpp"
#include "node/log_records.hpp"
#include "node/vault_position.hpp"

namespace galen::node {
namespace {

vault::RecordVault::Options vault_options(const Config& config, const DataDir& data_dir, crypto::Suite suite) {
  return {.keyring_directory = data_dir.keyring(),
          .vault_directory = data_dir.vault(),
          .master_key_file = config.keys.master,
          .suite = suite};
}

/// Only the master key's own file is looked for by its name.
Error of_master_key(const Config& config, Error why) {
  return why.code == ErrorCode::NOT_FOUND ? of_setting(config, "keys.master", config.keys.master, why) : why;
}

}  // namespace

Result<vault::RecordVault> open_vault(const Config& config, const DataDir& data_dir, crypto::Suite suite,
                                      std::shared_ptr<FailureBell> failures) {
  auto options = vault_options(config, data_dir, suite);
  options.failures = std::move(failures);
  auto vault = vault::RecordVault::open(options);
  if (!vault) return of_master_key(config, std::move(vault).error());
  return vault;
}

Status check_vault_keys(const Config& config, const DataDir& data_dir, crypto::Suite suite) {
  auto checked = vault::RecordVault::check_keys(vault_options(config, data_dir, suite));
  if (!checked) return of_master_key(config, std::move(checked).error());
  return {};
}

// A log that lost segments begins too late by itself, and says so.
Status keep_outbox(const std::string& data_dir, const Log::Opened& opened, const LogReplay& replay) {
  GALEN_ASSIGN(auto kept, load_kept_outbox(data_dir));
  const bool is_new = !kept.has_value();
  if (is_new) {
    kept.emplace();
    kept->reach = reach_of(*opened.log, replay.started_over);
    if (opened.verdict.kind == LogVerdict::Kind::amnesia) kept->reach.oldest_seq = 1;
  }
  const bool grew = kept->add(opened.log->log_id(), replay.outbox);
  if (!grew && !is_new && !kept->copy_damaged) return {};
  return save_kept_outbox(data_dir, *kept);
}

Status check_vault_follows(const vault::RecordVault& vault, const Log::Opened& opened, const LogReplay& replay,
                           const std::optional<KeptOutbox>& kept) {
  return check_vault_follows(vault.applied_position(), reach_of(*opened.log, replay.started_over),
                             opened.verdict.kind == LogVerdict::Kind::amnesia, kept ? &kept->reach : nullptr);
}

Status replay_outbox(vault::RecordVault& vault, const Log& log, const LogReplay& replay,
                     const std::optional<KeptOutbox>& kept) {
  const auto& log_id = log.log_id();
  const LogSeq end_of_kept = kept ? kept->end_of(log_id) : 0;
  if (kept)
    for (const auto& record : kept->records) GALEN_TRY(vault.replay(record.log_id, record.seq, record.bytes));
  for (const auto& record : replay.outbox)
    if (record.seq >= end_of_kept) GALEN_TRY(vault.replay(log_id, record.seq, record.bytes));
  return {};
}

Status carry_into(Log& log, vault::RecordVault& vault, const consensus::SafetyState& safety) {
  const auto first = log.stats().next_seq;
  log.set_snapshot_source([&safety] {  // for a segment that begins here; the store thread brings its own
    std::vector<OwnedLogRecord> head;
    for (auto& record : safety.records()) head.push_back({kLogConsensus, true, std::move(record.payload)});
    return head;
  });
  std::vector<OwnedLogRecord> turn;
  std::size_t bytes = 0;
  const auto append = [&]() -> Status {
    if (turn.empty()) return {};
    GALEN_ASSIGN([[maybe_unused]] auto appended, log.append_turn(std::span<const OwnedLogRecord>(turn)));
    turn.clear();
    bytes = 0;
    return {};
  };
  for (const auto& record : vault.pending()) {
    turn.push_back({kLogOutbox, true, record.encode()});
    const auto more = 2 * (turn.back().payload.size() + 128);  // with its frame, and its second copy
    if (bytes + more > log.turn_bytes_max()) {
      auto last = std::move(turn.back());
      turn.pop_back();
      GALEN_TRY(append());
      turn.push_back(std::move(last));
    }
    bytes += more;
  }
  GALEN_TRY(append());
  log.set_snapshot_source(nullptr);
  return vault.move_to_log(log.log_id(), first);
}

}  // namespace galen::node
