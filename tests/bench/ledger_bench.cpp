// What the ledger costs by itself: anchors applied in blocks, checkpoints, memory, opening, making the tree anew,
// proofs. bench_ledger [blocks] [items per block]; figures belong into docs/performance.md with the machine's name.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

#include <malloc.h>

#include "galen/base/clock.hpp"
#include "ledger/store_state.hpp"
#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {
namespace {

double cpu_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double wall_s() { return static_cast<double>(system_clock().monotonic_us()) / 1e6; }

long resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::strtol(line.c_str() + 6, nullptr, 10);
  return 0;
}

std::size_t heap_bytes() {
  auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct Timer {
  double wall = wall_s(), cpu = cpu_s();
  double wall_ms() const { return (wall_s() - wall) * 1e3; }
  double cpu_us() const { return (cpu_s() - cpu) * 1e6; }
};

/// The tree alone: random leaves in updates of `items`.
void bench_tree(std::size_t leaves, std::size_t items) {
  Rng rng(1);
  auto before = heap_bytes();
  StateTree::Options options;
  options.leaves_max = leaves + 1;
  StateTree tree(options);
  Timer timer;
  for (std::size_t done = 0; done < leaves; done += items) {
    std::vector<LeafChange> changes;
    for (std::size_t i = 0; i < items; ++i) changes.push_back({random_id<Hash>(rng), random_id<Hash>(rng)});
    if (!tree.update(done / items, std::move(changes))) std::abort();
  }
  std::printf("tree: %zu leaves in updates of %zu: %.2f us CPU/leaf, %.0f bytes/leaf with the kept versions\n", leaves,
              items, timer.cpu_us() / static_cast<double>(leaves),
              static_cast<double>(heap_bytes() - before) / static_cast<double>(leaves));
  for (Height height = leaves / items; height < leaves / items + 64; ++height)
    if (!tree.update(height, {})) std::abort();
  std::printf("tree: %.0f bytes/leaf with one version\n",
              static_cast<double>(heap_bytes() - before) / static_cast<double>(leaves));
  Timer proofs;
  for (int i = 0; i < 1000; ++i)
    if (!tree.prove(random_id<Hash>(rng), leaves / items + 63)) std::abort();
  std::printf("tree: %.2f us CPU/proof\n", proofs.cpu_us() / 1000);
}

void bench_store(std::size_t blocks, std::size_t items) {
  TempDir dir;
  TestChain chain;
  auto options = chain.options(dir);
  options.state_versions = 64;
  auto store = Store::create(options);
  if (!store || !chain.advance(**store, 0)) std::abort();
  double apply_cpu_us = 0, apply_wall_ms = 0;
  std::size_t rows = 0, bytes = 0;
  for (std::size_t i = 0; i < blocks; ++i) {
    auto block = chain.next_block(items);
    auto update = chain.execute(&(*store)->latest(), block);
    if (!update) std::abort();
    Timer timer;
    auto applied = (*store)->apply(*update);
    apply_cpu_us += timer.cpu_us();
    apply_wall_ms += timer.wall_ms();
    if (!applied) std::abort();
    chain.note(applied->info);
    rows += applied->rows.total();
    bytes += applied->bytes;
    if ((*store)->unflushed_bytes() > 64u << 20) {
      auto dirty = (*store)->unflushed_bytes();
      Timer checkpoint;
      if (!(*store)->checkpoint()) std::abort();
      std::printf("checkpoint at %zu of %zu MiB: %.0f ms\n", i, dirty >> 20, checkpoint.wall_ms());
    }
  }
  auto anchors = static_cast<double>(blocks * items);
  std::printf(
      "apply: %zu blocks of %zu: %.2f us CPU/anchor, %.0f anchors/s, %.2f rows and %.0f bytes/anchor, RSS %ld MiB\n",
      blocks, items, apply_cpu_us / anchors, anchors / apply_wall_ms * 1e3, static_cast<double>(rows) / anchors,
      static_cast<double>(bytes) / anchors, resident_kib() >> 10);
  Timer checkpoint;
  if (!(*store)->checkpoint()) std::abort();
  std::printf("last checkpoint: %.0f ms\n", checkpoint.wall_ms());
  store->reset();
  Timer open;
  store = Store::open(options);
  if (!store) std::abort();
  std::printf("open from pages: %.1f ms\n", open.wall_ms());
  store->reset();
  {
    auto database = Database::open(options, Database::Mode::open);
    auto batch = make_batch();
    batch.Delete((*database)->family(Family::meta), kPagesKey);
    if (!(*database)->write(batch) || !(*database)->flush()) std::abort();
  }
  Timer rebuild;
  store = Store::open(options);
  if (!store || !(*store)->tree_rebuilt()) std::abort();
  std::printf("open making the tree anew: %.1f ms, %.2f us/row\n", rebuild.wall_ms(),
              rebuild.wall_ms() * 1e3 / anchors);
}

}  // namespace
}  // namespace galen::ledger::test

int main(int argc, char** argv) {
  std::size_t blocks = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200;
  std::size_t items = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1000;
  galen::ledger::test::bench_tree(blocks * items, items);
  galen::ledger::test::bench_store(blocks, items);
}
