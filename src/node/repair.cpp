#include "galen/node/repair.hpp"

#include <filesystem>

#include "galen/execution/executor.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/init.hpp"
#include "galen/node/log.hpp"
#include "galen/vault/records.hpp"

namespace galen::node {
namespace {

Status to_status(const std::error_code& error, const std::string& doing) {
  if (!error) return {};
  return Error{ErrorCode::IO_ERROR, "cannot " + doing + ": " + error.message()};
}

}  // namespace

Status repair_ledger(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  const auto present = lock.path() + "/ledger", aside = present + ".damaged";
  std::error_code error;
  std::filesystem::remove_all(aside, error);
  GALEN_TRY(to_status(error, "remove " + aside));
  if (std::filesystem::exists(present, error)) {
    std::filesystem::rename(present, aside, error);
    GALEN_TRY(to_status(error, "put " + present + " aside"));
  }
  std::filesystem::create_directory(present, error);
  GALEN_TRY(to_status(error, "create " + present));
  return create_ledger(lock.path(), checked.genesis);
}

Status repair_log(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  std::error_code error;
  std::filesystem::create_directories(config.data_dir + "/wal", error);
  GALEN_TRY(to_status(error, "create " + config.data_dir + "/wal"));
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
