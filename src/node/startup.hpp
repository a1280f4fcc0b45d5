// From a data directory to a state that may go on: the ledger as far as it is durable, then the log's committed blocks above it,
// then the safety state and what is still on its way (consensus.md 1.4). One thread; nothing is promised here.
#pragma once

#include "galen/base/failure_bell.hpp"
#include "galen/consensus/replica.hpp"
#include "galen/execution/executor.hpp"
#include "galen/ledger/store.hpp"
#include "galen/node/config.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/log.hpp"
#include "galen/vault/records.hpp"
#include "node/batch_pool.hpp"
#include "node/identity.hpp"

namespace galen::node {

/// Everything opened, in the order in which it must be closed again from the back.
struct Opened {
  DataDir data_dir;
  std::shared_ptr<FailureBell> failures;  ///< rung by the databases' own threads
  std::unique_ptr<ledger::Store> store;
  std::unique_ptr<execution::Executor> executor;
  std::unique_ptr<vault::RecordVault> vault;  ///< nothing where its index is damaged
  std::unique_ptr<Log> log;
  std::unique_ptr<BatchPool> pool;
  consensus::Recovered recovered;
  /// Of own batches of an earlier epoch that no block of the chain holds: they go into batches of this one.
  std::vector<BatchItem> left_over;
};

/// As genesis has it: what the ledger says of later epochs comes with open_data_dir.
Result<Identity> load_identity(const Config& config);
/// `identity` becomes that of the epoch that the ledger leads to. With a damaged index of the vault the node is opened
/// without it, and `identity` says so (docs/adr/0018).
Result<Opened> open_data_dir(const Config& config, Identity& identity);

}  // namespace galen::node
