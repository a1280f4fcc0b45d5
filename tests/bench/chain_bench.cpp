// A long chain without a network: executor and ledger at full speed, then what the ledger costs on disk and what proofs
// of old records take. tests/bench/long_chain.py drives it and adds what needs real nodes; figures belong into
// docs/performance.md. Prints JSON objects, one a line.
//   bench_chain fill CONSORTIUM RECORDS [PER BLOCK [PER TRANSACTION]]   node-1 of a stopped `galenctl dev` consortium;
//       a line after each tenth, made durable; it then waits for a line, or the end, of standard input
//   bench_chain disk CONSORTIUM     compacts that ledger and measures it by column family
//   bench_chain prove CONSORTIUM PROOFS
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <thread>

#include "bench/chain_maker.hpp"
#include "galen/execution/proofs.hpp"
#include "galen/execution/receipts.hpp"
#include "ledger/database.hpp"

namespace galen::bench {
namespace {

constexpr std::size_t kCheckpointBytes = 64u << 20;  // as a node does (node.cpp)
constexpr std::size_t kRecordsPerPatient = 100;
constexpr std::size_t kPatientsEach = 5000;  // of every member, a block

/// Of this thread: on a busy machine the figure to compare.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double seconds() { return static_cast<double>(system_clock().monotonic_us()) / 1e6; }

/// "VmRSS" now, "VmHWM" at most.
long status_mib(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name)) return std::strtol(line.c_str() + name.size() + 1, nullptr, 10) >> 10;
  return 0;
}

ledger::StoreOptions store_options(const std::string& consortium, const Genesis& genesis) {
  ledger::StoreOptions options;
  options.directory = consortium + "/node-1/data";
  options.context = genesis.context();
  return options;
}

/// Applies what the maker makes, and flushes beside it as the node's checkpoint thread does.
class Filler {
 public:
  Filler(const std::string& consortium, const Genesis& genesis, ledger::Store& store)
      : store_(store), executor_(genesis, store), maker_(consortium, genesis, *take(store.snapshot())) {
    take(executor_.start());
  }
  ~Filler() {
    if (checkpoint_.joinable()) checkpoint_.join();
  }

  ChainMaker& maker() { return maker_; }
  double apply_s() const { return apply_s_; }
  double apply_cpu_s() const { return apply_cpu_s_; }

  void apply(const BlockPtr& block) {
    auto certificate = maker_.commit_certificate();
    auto began = seconds(), cpu_began = cpu_seconds();
    auto done = take(executor_.apply(block));
    take(store_.put_certificate(certificate));
    apply_s_ += seconds() - began;
    apply_cpu_s_ += cpu_seconds() - cpu_began;
    for (const auto& item : done.items)
      if (item.code != ErrorCode::OK) stop(make_error(item.code, "a transaction of the bench was refused"));
    maker_.executed(done);
    take(store_.put_certificate(maker_.executed_certificate()));
    if (checkpointing_ || store_.unflushed_bytes() <= kCheckpointBytes) return;
    if (checkpoint_.joinable()) checkpoint_.join();
    checkpointing_ = true;
    checkpoint_ = std::thread([this] {
      take(store_.checkpoint());
      checkpointing_ = false;
    });
  }

 private:
  ledger::Store& store_;
  execution::Executor executor_;
  ChainMaker maker_;
  double apply_s_ = 0, apply_cpu_s_ = 0;
  std::atomic<bool> checkpointing_ = false;
  std::thread checkpoint_;
};

struct FillOptions {
  std::size_t records = 1'000'000, per_block = 1000, per_transaction = 1;
};

/// Whoever drives measures what is on disk now: nothing goes on before a line comes, or there is nobody.
void wait_for_line() {
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
  }
}

void fill(const std::string& consortium, const Genesis& genesis, const FillOptions& wanted) {
  auto store = take(ledger::Store::open(store_options(consortium, genesis)));
  Filler filler(consortium, genesis, *store);
  filler.apply(filler.maker().services());
  for (std::size_t each = 0, all = wanted.records / kRecordsPerPatient / 4 + 1; each < all; each += kPatientsEach)
    filler.apply(filler.maker().patients(std::min(all - each, kPatientsEach)));
  auto began = seconds(), applied = filler.apply_s(), cpu = filler.apply_cpu_s();
  const auto part = std::max<std::size_t>(wanted.records / 10, 1);
  for (std::size_t done = 0, told = 0; done < wanted.records;) {
    const auto count = std::min(wanted.per_block, wanted.records - done);
    filler.apply(filler.maker().anchors(count, wanted.per_transaction));
    done += count;
    if (done - told < part && done < wanted.records) continue;
    const auto records = static_cast<double>(done - told);
    const auto rss = status_mib("VmRSS");
    const auto rate = records / (seconds() - began), apply_rate = records / (filler.apply_s() - applied);
    const auto apply_cpu_us = (filler.apply_cpu_s() - cpu) * 1e6 / records;
    take(store->checkpoint());
    fmt::print(
        "{{\"records\":{},\"height\":{},\"rate\":{:.0f},\"apply_rate\":{:.0f},\"apply_cpu_us\":{:.2f},\"rss_mib\":{},"
        "\"rss_mib_max\":{}}}\n",
        done, *store->applied_height(), rate, apply_rate, apply_cpu_us, rss, status_mib("VmHWM"));
    std::fflush(stdout);
    wait_for_line();
    began = seconds(), applied = filler.apply_s(), cpu = filler.apply_cpu_s(), told = done;
  }
}

void disk(const std::string& consortium, const Genesis& genesis) {
  auto database = take(ledger::Database::open(store_options(consortium, genesis), ledger::Database::Mode::open));
  auto& db = database->db();
  fmt::print("{{\"families\":{{");
  for (std::size_t i = 0; i < ledger::kFamilyCount; ++i) {
    auto* family = database->family(static_cast<ledger::Family>(i));
    rocksdb::CompactRangeOptions whole;
    whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    auto status = db.CompactRange(whole, family, nullptr, nullptr);
    if (!status.ok()) stop(ledger::Database::to_error(status, "compacting"));
    std::uint64_t bytes = 0;
    db.GetIntProperty(family, rocksdb::DB::Properties::kLiveSstFilesSize, &bytes);
    fmt::print("{}\"{}\":{}", i == 0 ? "" : ",", ledger::kFamilyNames[i], bytes);
  }
  // Rows of `blocks` by part: bodies are what members signed, the others are derived and are there for proofs.
  std::uint64_t parts[3] = {};
  std::unique_ptr<rocksdb::Iterator> it(db.NewIterator({}, database->family(ledger::Family::blocks)));
  for (it->SeekToFirst(); it->Valid(); it->Next())
    parts[static_cast<std::size_t>(it->key()[it->key().size() - 1])] += it->key().size() + it->value().size();
  fmt::print("}},\"blocks\":{{\"info\":{},\"body\":{},\"outcomes\":{}}}}}\n", parts[0], parts[1], parts[2]);
}

/// Milliseconds: the middle and the slowest hundredth.
std::string quantiles(std::vector<double>& ms) {
  std::sort(ms.begin(), ms.end());
  return fmt::format("[{:.3f},{:.3f}]", ms[ms.size() / 2], ms[ms.size() * 99 / 100]);
}

void prove(const std::string& consortium, const Genesis& genesis, std::size_t count) {
  const auto opening = seconds();
  auto store = take(ledger::Store::open(store_options(consortium, genesis)));
  const auto open_s = seconds() - opening;
  auto view = take(store->snapshot());
  auto context = genesis.context();
  Rng rng(1);
  std::vector<double> receipts, history, states, checks;
  std::size_t bytes = 0;
  auto timed = [](std::vector<double>& into, auto&& work) {
    auto began = seconds();
    auto out = work();
    into.push_back((seconds() - began) * 1e3);
    return out;
  };
  for (std::size_t i = 0; i < count; ++i) {
    auto block = take(view->block(1 + rng.below(view->height() - 1)));
    if (block->batches.empty()) continue;
    const auto& item = block->batches[0]->items()[rng.below(block->batches[0]->items().size())];
    const auto& id = item.transaction.id();
    timed(receipts, [&] { return take(execution::build_receipt(context, *view, id)); });
    auto proof = timed(history, [&] {
      return take(execution::build_transaction_proof(context, *view, id, {},
                                                     {.by_history = true, .at_height = view->height()}));
    });
    bytes += proof.encode().size();
    timed(checks, [&] { return take(verify_transaction_file(genesis, proof)); });
    const auto& operation = item.transaction.operations()[0];
    const auto key =
        operation.has_anchor_record() ? operation.anchor_record().pointer_id() : operation.register_principal().id();
    const std::uint8_t kind = operation.has_anchor_record() ? 2 : 1;
    timed(states, [&] { return take(view->prove_state(kind, as_bytes(key), view->height())); });
  }
  if (receipts.empty()) stop(make_error(ErrorCode::NOT_FOUND, "no transaction to prove"));
  fmt::print(
      "{{\"open_s\":{:.3f},\"proofs\":{},\"receipt_ms\":{},\"history_proof_ms\":{},\"history_proof_bytes\":{},"
      "\"check_ms\":{},\"state_proof_ms\":{}}}\n",
      open_s, receipts.size(), quantiles(receipts), quantiles(history), bytes / receipts.size(), quantiles(checks),
      quantiles(states));
}

}  // namespace
}  // namespace galen::bench

int main(int argc, char** argv) {
  using namespace galen;
  std::string verb = argc > 2 ? argv[1] : "";
  auto number = [&](int at, std::size_t otherwise) {
    return argc > at ? static_cast<std::size_t>(std::strtoull(argv[at], nullptr, 10)) : otherwise;
  };
  if (verb != "fill" && verb != "disk" && verb != "prove") {
    fmt::print(stderr, "usage: bench_chain fill|disk|prove CONSORTIUM [NUMBER...]\n");
    return 2;
  }
  auto genesis = bench::take(Genesis::load(std::string(argv[2]) + "/genesis.json"));
  if (verb == "fill") bench::fill(argv[2], genesis, {number(3, 1'000'000), number(4, 1000), number(5, 1)});
  if (verb == "disk") bench::disk(argv[2], genesis);
  if (verb == "prove") bench::prove(argv[2], genesis, number(3, 1000));
}
