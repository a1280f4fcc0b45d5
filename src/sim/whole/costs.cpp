#include "sim/whole/costs.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include <unistd.h>

#include "galen/execution/executor.hpp"
#include "galen/ledger/history_tree.hpp"
#include "galen/node/file_access.hpp"
#include "sim/whole/ledger_files.hpp"
#include "sim/whole/world.hpp"

namespace galen::sim {

namespace {

constexpr std::size_t kSignatures = 500;
constexpr std::size_t kSyncs = 60;
constexpr std::size_t kTransactions = 200;

template <class Work>
double microseconds(Work work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

/// The middle one of many: a machine that does something else meanwhile does not show.
Result<double> sync_us(const std::string& directory) {
  auto path = directory + "/galen-sim-wan." + std::to_string(::getpid());
  auto& files = node::posix_file_access();
  GALEN_TRY(files.create_zero_filled(path, 1 << 20));
  GALEN_ASSIGN(auto file, files.open(path));
  std::vector<double> all;
  Status status;
  const Bytes block(4096, 1);
  for (std::size_t i = 0; i < kSyncs && status; ++i)
    all.push_back(microseconds([&] {
      status = file->write_at(i * block.size(), block);
      if (status) status = file->sync_data();
    }));
  GALEN_TRY(files.remove(path));
  GALEN_TRY(std::move(status));
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

/// Through the shipped executor into a ledger in memory.
Result<double> execute_us() {
  World world(4, 0, 1);
  const auto origin = world.node_identity(0);
  const auto& context = origin.context;
  LedgerFiles files(1);
  GALEN_ASSIGN(auto store, ledger::Store::create({.directory = "/node",
                                                  .context = context,
                                                  .block_cache_bytes = 1 << 20,
                                                  .environment = &files.environment()}));
  execution::Executor executor(world.genesis(), *store);
  GALEN_ASSIGN(auto height, executor.start());
  (void)height;
  std::vector<BatchItem> items;
  for (std::size_t i = 0; i < kTransactions; ++i) items.push_back(world.new_request(0, 1'700'000'060'000ULL));
  auto block = std::make_shared<Block>();
  block->batches = {std::make_shared<const Batch>(Batch::make(context, {origin.self, std::move(items)}, origin.consensus_key))};
  block->skeleton.batch_digests = {block->batches[0]->digest()};
  auto suite = context.suite;
  auto zero = world.genesis().block_zero();
  ledger::HistoryTree history(suite);
  history.append(zero.digest(suite));
  auto& header = block->skeleton.header;
  header.chain_id = context.chain_id;
  header.height = 1;
  header.parent = zero.digest(suite);
  header.time_ms = 1'700'000'000'000ULL;
  header.state_root = store->latest().head().state_root;
  header.body_root = body_root(suite, block->skeleton.batch_digests);
  header.batch_count = 1;
  header.history_size = history.size();
  header.history_root = history.root();
  Status status;
  auto took = microseconds([&] {
    auto executed = executor.apply(block);
    if (!executed) status = executed.error();
  });
  GALEN_TRY(std::move(status));
  return took / kTransactions;
}

}  // namespace

Result<WanCosts> measure_costs(const std::string& directory) {
  WanCosts out;
  RealKeyring keys;
  const Bytes message(200, 7);
  auto signature = keys.key(0).sign(message);
  out.sign_us = microseconds([&] {
                  for (std::size_t i = 0; i < kSignatures; ++i) signature = keys.key(0).sign(message);
                }) / kSignatures;
  auto verifier = crypto::Verifier::make(crypto::Suite::p256_sha256, keys.key(0).public_key());
  bool sound = true;
  out.verify_us = microseconds([&] {
                    for (std::size_t i = 0; i < kSignatures; ++i) sound = sound && verifier->verify(message, signature);
                  }) / kSignatures;
  if (!sound) return Error{ErrorCode::BAD_SIGNATURE, "a signature just made does not verify"};
  GALEN_ASSIGN(out.sync_us, sync_us(directory));
  GALEN_ASSIGN(out.execute_us, execute_us());
  WanResult result;
  auto took = microseconds([&] { result = run_wan({.costs = out}); });
  out.core_us = took / static_cast<double>(std::max<std::uint64_t>(result.events, 1));
  return out;
}

}  // namespace galen::sim
