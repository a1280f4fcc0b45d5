#include "galen/node/repair.hpp"

#include <filesystem>

#include "galen/node/data_dir.hpp"
#include "galen/node/init.hpp"
#include "galen/node/log.hpp"
#include "node/ledger_mending.hpp"
#include "node/vault_damage.hpp"
#include "node/vault_startup.hpp"

namespace galen::node {
Status repair_ledger(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  GALEN_TRY(check_copy(config, checked.genesis));
  return make_ledger_anew(lock.path(), checked.genesis);
}

Status look_at_suspected(const Config& config) {
  GALEN_TRY(look_at_suspected_vault(config.data_dir));
  if (!is_ledger_suspect(config.data_dir)) return {};
  GALEN_ASSIGN(const auto genesis, load_genesis(config));
  GALEN_TRY(check_copy(config, genesis));
  if (auto mended = mend_ledger(config.data_dir, genesis); !mended) return of_genesis(config, mended.error());
  return {};
}

Status repair_log(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  std::error_code error;
  const auto wal = config.data_dir + "/wal";
  // Not the folder around it: a volume that is not mounted gets no log of its own.
  std::filesystem::create_directory(wal, error);
  if (error)
    return Error{ErrorCode::IO_ERROR,
                 "cannot create " + wal + ": " + error.message() + about_rights(wal, error.value())};
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  return create_log(lock.path(), config, checked.genesis);
}

Status accept_older_vault(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  GALEN_ASSIGN(auto vault, open_vault(config, lock, checked.genesis.suite));
  GALEN_ASSIGN(const auto damage, find_vault_damage(lock.path()));
  if (damage) return Error{ErrorCode::CORRUPT, *damage};
  GALEN_ASSIGN(auto opened, Log::open(lock.path(), [](const ReplayedRecord&) {}));
  auto reach = reach_of(*opened.log, false);
  // What was kept of the log while the vault was away is taken up by the start.
  GALEN_ASSIGN(const auto kept, load_kept_outbox(lock.path()));
  if (kept) reach = kept->reach;
  GALEN_ASSIGN([[maybe_unused]] const auto seq, vault.flush(reach.log_id, reach.oldest_seq));
  return {};
}

}  // namespace galen::node
