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

// Started again after a crash it never takes a ledger of its own making, or none at all, for the one to put aside.
Status repair_ledger(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  const auto present = lock.path() + "/ledger", aside = present + ".damaged", workshop = present + ".new";
  const auto made = workshop + "/ledger";
  std::error_code error;
  std::filesystem::remove_all(workshop, error);
  GALEN_TRY(to_status(error, "remove " + workshop));
  std::filesystem::create_directories(made, error);
  GALEN_TRY(to_status(error, "create " + made));
  GALEN_TRY(create_ledger(workshop, checked.genesis));
  if (std::filesystem::exists(present, error)) {
    std::filesystem::remove_all(aside, error);
    GALEN_TRY(to_status(error, "remove " + aside));
    std::filesystem::rename(present, aside, error);
    GALEN_TRY(to_status(error, "put " + present + " aside"));
  }
  std::filesystem::rename(made, present, error);
  GALEN_TRY(to_status(error, "put the new ledger in its place"));
  std::filesystem::remove(workshop, error);
  return to_status(error, "remove " + workshop);
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
