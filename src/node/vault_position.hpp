// Whether the vault's index and the log fit each other: the log keeps outbox records until the index has them.
#pragma once

#include "galen/node/log.hpp"
#include "galen/vault/record_index.hpp"

namespace galen::node {

/// From where on nothing is missing of what a log held.
struct LogReach {
  RequestId log_id;
  LogSeq oldest_seq = 0;
  bool started_over = false;  ///< it was begun anew in place of one that was damaged, and took over what the vault owed
};
LogReach reach_of(const Log& log, bool started_over);

/// An index that ends before the log begins is an older copy: what was anchored in between would be unknown to it, and
/// anchored again. CORRUPT, with what can be done.
Status check_vault_follows(const vault::AppliedPosition& applied, const LogReach& log);
/// `lost`: the log is damaged, and where it began nobody knows. `kept`: what was kept of a log while the vault was away
/// tells then, and before a log that was begun since; nullptr: nothing was.
Status check_vault_follows(const vault::AppliedPosition& applied, const LogReach& log, bool lost, const LogReach* kept);

}  // namespace galen::node
