#include "node/vault_position.hpp"

#include <fmt/format.h>

namespace galen::node {

Status check_vault_follows(const vault::AppliedPosition& applied, const Log& log, bool started_over) {
  const auto oldest = log.stats().oldest_seq;
  const bool same_log = applied.log_id == log.log_id();
  if (oldest <= 1 || (same_log && applied.seq >= oldest) || (!same_log && started_over)) return {};
  return Error{
      ErrorCode::CORRUPT,
      fmt::format("the vault's index is an older copy: it ends at record {} of the log, which begins at {}. "
                  "Put back vault/ from the newest backup; without one, galend repair --older-vault gives up the "
                  "keys of what was anchored in between",
                  same_log ? applied.seq : 0, oldest)};
}

}  // namespace galen::node
