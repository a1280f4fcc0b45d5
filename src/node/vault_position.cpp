#include "node/vault_position.hpp"

#include <fmt/format.h>

namespace galen::node {

LogReach reach_of(const Log& log, bool started_over) { return {log.log_id(), log.stats().oldest_seq, started_over}; }

Status check_vault_follows(const vault::AppliedPosition& applied, const LogReach& log) {
  const bool same_log = applied.log_id == log.log_id;
  if (log.oldest_seq <= 1 || (same_log && applied.seq >= log.oldest_seq) || (!same_log && log.started_over)) return {};
  return Error{ErrorCode::CORRUPT,
               fmt::format("the vault's index is an older copy: it ends at record {} of the log, which begins at {}. "
                           "Stop the node and put back vault/ from the newest backup; without one, galend repair "
                           "--older-vault gives up the keys of what was anchored in between",
                           same_log ? applied.seq : 0, log.oldest_seq)};
}

Status check_vault_follows(const vault::AppliedPosition& applied, const LogReach& log, bool lost,
                           const LogReach* kept) {
  if (kept != nullptr) {
    auto follows = check_vault_follows(applied, *kept);
    if (follows || lost || applied.log_id != log.log_id) return follows;
  }
  if (lost) return {};
  return check_vault_follows(applied, log);
}

}  // namespace galen::node
