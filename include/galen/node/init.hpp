// `galend init`: makes a data directory for a member, once. Nothing else ever makes one, so that a directory that is missing
// can never be mistaken for an empty one.
#pragma once

#include "galen/node/config.hpp"
#include "galen/types/genesis.hpp"

namespace galen::node {

/// Genesis, member, keys and certificates as the configuration names them, checked against each other.
/// CONFIG_INVALID, KEY_FILE_READABLE, with what to mend. Members change: who is one now, with which key, the ledger knows once
/// there is one.
struct Checked {
  Genesis genesis;
  PrincipalId member_id;
  /// keys.consensus, then keys.consensus_next if there is one: which of them counts is the epoch's to say.
  std::vector<crypto::PrivateKey> consensus_keys;
};
Result<Checked> check_config(const Config& config);

/// ALREADY_EXISTS if there is a log. Makes wal/, ledger/ with block 0, keyring/, vault/, the master key and a copy of
/// genesis.json beside them (for offline checks).
Status init_data_dir(const Config& config);

/// Makes ledger/ of a data directory with block 0, durable on return. Also what `galend repair --ledger` does.
Status create_ledger(const std::string& data_dir, const Genesis& genesis);

/// Makes wal/ with a log of the configured size; warns if batches of this chain may not fit it.
Status create_log(const std::string& data_dir, const Config& config, const Genesis& genesis);

/// Writes the data directory's copy of genesis.json anew unless it is equal to the configured file; true when it was written.
Result<bool> keep_genesis_copy(const Config& config);

/// The copy of genesis.json in a data directory, which `ledger verify` goes by.
std::string genesis_copy_path(const std::string& data_dir);

}  // namespace galen::node
