#include "galen/node/repair.hpp"

#include <filesystem>

#include "galen/node/data_dir.hpp"
#include "galen/node/init.hpp"
#include "galen/node/log.hpp"
#include "galen/vault/records.hpp"
#include "node/ledger_mending.hpp"

namespace galen::node {
Status repair_ledger(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  return make_ledger_anew(lock.path(), checked.genesis);
}

Status mend_suspected_ledger(const Config& config) {
  if (!is_ledger_suspect(config.data_dir)) return {};
  GALEN_ASSIGN(const auto genesis, Genesis::load(config.genesis));
  GALEN_ASSIGN([[maybe_unused]] const bool mended, mend_ledger(config.data_dir, genesis));
  return {};
}

Status repair_log(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  std::error_code error;
  const auto wal = config.data_dir + "/wal";
  std::filesystem::create_directories(wal, error);
  if (error) return Error{ErrorCode::IO_ERROR, "cannot create " + wal + ": " + error.message()};
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  return create_log(lock.path(), config, checked.genesis);
}

Status accept_older_vault(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  GALEN_ASSIGN(auto vault, vault::RecordVault::open({.keyring_directory = lock.keyring(),
                                                     .vault_directory = lock.vault(),
                                                     .master_key_file = config.keys.master,
                                                     .suite = checked.genesis.suite}));
  GALEN_ASSIGN(auto opened, Log::open(lock.path(), [](const ReplayedRecord&) {}));
  GALEN_ASSIGN(auto seq, vault.flush(opened.log->log_id(), opened.log->stats().oldest_seq));
  (void)seq;
  return {};
}

}  // namespace galen::node
