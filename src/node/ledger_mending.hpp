// A ledger that is damaged is had from the other members again, all of it: `galend repair --ledger` by hand, or by the
// start that finds it so (docs/adr/0017). The vote log stays, so nothing is promised twice, and the node votes once it
// is level.
#pragma once

#include <string>

#include "galen/base/result.hpp"
#include "galen/types/genesis.hpp"

namespace galen::node {

/// DIR/ledger.damaged: the ledger that was put aside, and the log as it was then, for people.
std::string damaged_ledger_path(const std::string& data_dir);

/// Puts DIR/ledger aside, in place of an earlier one, with a copy of the log, and makes an empty ledger. The caller
/// holds the lock of the directory. After a crash it may be started again.
Status make_ledger_anew(const std::string& data_dir, const Genesis& genesis);
/// Finishes it where a crash came after the old one had gone aside: DIR/ledger is there again.
Status finish_ledger_made_anew(const std::string& data_dir);

/// Whether opening or reading DIR/ledger failed for its bytes. One that is not there at all is no damage: its volume
/// may not be mounted.
bool is_ledger_damage(const std::string& data_dir, const Error& error);

/// Leaves word that something read here was damaged: the next start of the process looks at the ledger first. Of
/// whoever is about to end, so as well as it can be done.
void suspect_ledger(const std::string& data_dir);
bool is_ledger_suspect(const std::string& data_dir);

/// Looks at the whole ledger; makes it anew where it is damaged: true. Then nothing is suspected any more. The
/// directory is locked meanwhile, and must not be. ALREADY_EXISTS: it is damaged, and one lies aside already: two in a
/// row tell of a disk that somebody should look at, and no third copy is to fill it. IO_ERROR: it cannot be read, or
/// there is no room; it stays where it is.
Result<bool> mend_ledger(const std::string& data_dir, const Genesis& genesis);

}  // namespace galen::node
