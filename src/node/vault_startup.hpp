// What a start does with the vault: it takes up what the log holds for it, or, where its index is damaged, that is kept
// until it is back (docs/adr/0018). One thread.
#pragma once

#include "galen/base/failure_bell.hpp"
#include "galen/consensus/safety.hpp"
#include "galen/node/config.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/vault/records.hpp"
#include "node/kept_outbox.hpp"

namespace galen::node {

/// CONFIG_INVALID where the master key's file is not there.
Result<vault::RecordVault> open_vault(const Config& config, const DataDir& data_dir, crypto::Suite suite,
                                      std::shared_ptr<FailureBell> failures = nullptr);
/// Of a vault that is not opened: what open_vault would say of master key and keyring.
Status check_vault_keys(const Config& config, const DataDir& data_dir, crypto::Suite suite);

/// Without the vault, before the log is given up behind its outbox records: they go to the kept ones.
Status keep_outbox(const std::string& data_dir, const Log::Opened& opened, const LogReplay& replay);
/// CORRUPT when the vault follows neither the log nor what was kept of it.
Status check_vault_follows(const vault::RecordVault& vault, const Log::Opened& opened, const LogReplay& replay,
                           const std::optional<KeptOutbox>& kept);
/// What the vault has to take up: what was kept, and of the log.
Status replay_outbox(vault::RecordVault& vault, const Log& log, const LogReplay& replay,
                     const std::optional<KeptOutbox>& kept);
/// After that: what is pending stands in the log, whatever was kept elsewhere. `safety`: the fold of the log.
Status carry_into(Log& log, vault::RecordVault& vault, const consensus::SafetyState& safety);

}  // namespace galen::node
