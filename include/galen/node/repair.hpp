// `galend repair`: what an operator may do with a stopped node whose files are lost or damaged beyond what a start
// mends by itself. Each is safe for the consortium: a ledger made anew is fetched again from the others block by block,
// a log made anew does not vote before it has recovered (consensus.md 1.9). What only this member has, its keys, no
// command can bring back.
#pragma once

#include "galen/base/result.hpp"
#include "galen/node/config.hpp"

namespace galen::node {

/// Puts DIR/ledger aside as DIR/ledger.damaged (replacing an earlier one), with a copy of the log, and makes an empty
/// ledger. After a crash it may be started again.
Status repair_ledger(const Config& config);
/// What a start of the process does first (not one that opens again because an epoch ended, which all nodes do at
/// once): ledger and vault are looked at where the last life met damage. A ledger that has some is made anew; of a vault
/// it is noted, and the node opens without it. Nothing to do: nothing is read.
Status look_at_suspected(const Config& config);
/// Makes a new log where there is none; what a present one holds is never touched (ALREADY_EXISTS).
Status repair_log(const Config& config);
/// Accepts a vault index that is older than the log: the keys of what was anchored in between are given up.
Status accept_older_vault(const Config& config);

}  // namespace galen::node
