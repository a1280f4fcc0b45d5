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
/// genesis.json as the configuration names it. CONFIG_INVALID, also where it is not there.
Result<Genesis> load_genesis(const Config& config);

/// Of a file that a setting names: one that is not there is CONFIG_INVALID, and each message says which setting it is.
Error of_setting(const Config& config, std::string_view setting, const std::string& path, const Error& error);
/// Of the ledger: one of another genesis says which file has to be put back.
Error of_genesis(const Config& config, Error error);
/// Before a ledger is made anew, which does not say of which chain the one before it was: WRONG_CHAIN if the data
/// directory's copy of genesis.json is a sound one of another chain.
Status check_copy(const Config& config, const Genesis& genesis);

/// Makes ledger/ with block 0, the master key, keyring/, vault/, a copy of genesis.json (for offline checks) and wal/,
/// in this order. Where an earlier call failed the whole parts it made are kept. ALREADY_EXISTS if there is a log, or
/// parts that no init leaves so: whoever has them had a node before.
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
