// A ledger that began with a snapshot of another, made without a network: for the tests of what a node does while older
// blocks are on their way.
#pragma once

#include "galen/execution/past_rows.hpp"
#include "galen/ledger/installer.hpp"
#include "galen/ledger/snapshot_files.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node::test {

using execution::test::take;

class JoinedLedger {
 public:
  /// With the blocks of `source` that a ttl of `ttl_max_ms` needs, or as few as may be. The chain grows by one block.
  JoinedLedger(execution::test::TestChain& chain, execution::test::TestNode& source, std::uint64_t ttl_max_ms)
      : genesis_(chain.genesis), source_(source) {
    auto frozen = take(source.store().snapshot());
    const auto& head = frozen->head();
    execution::ExecutedBlock executed;
    executed.height = head.header.height;
    executed.state_root = head.state_root;
    executed.results_root = head.results_root;
    auto certifying = chain.block({}, &executed);
    source.apply(certifying);
    ledger::SnapshotFiles::Source made;
    made.view = frozen.get();
    made.headers = {head.header, certifying->skeleton.header};
    made.certificate = chain.commit_certificate(certifying->skeleton.header);
    made.context = genesis_.context();
    made.pace = [] { return true; };
    ledger::SnapshotFiles files(source.directory());
    EXPECT_TRUE(files.make(made).has_value());
    auto manifest =
        take(ledger::SnapshotManifest::decode(execution::test::kSuite, take(files.manifest(executed.height))));
    install(files, manifest, ttl_max_ms);
    store_ = take(ledger::Store::open(options()));
    take(execution::Executor(genesis_, *store_).apply(certifying));
  }

  ledger::Store& store() { return *store_; }
  const std::string& directory() const { return dir_.path(); }
  void backfill() {
    const auto state = [this](std::uint8_t kind, ByteSpan key) { return store_->latest().state(kind, key); };
    while (store_->backfill_floor() > 1) {
      auto block = past(store_->past_wanted());
      EXPECT_TRUE(store_->add_past(block, take(execution::past_rows(genesis_, block, state))).has_value());
    }
    EXPECT_TRUE(store_->finish_past(execution::BlockRunner(genesis_).run_genesis().update).has_value());
  }

 private:
  ledger::StoreOptions options() const {
    ledger::StoreOptions out;
    out.directory = dir_.path();
    out.context = genesis_.context();
    return out;
  }
  ledger::PastBlock past(const ledger::PastWanted& wanted) const {
    auto bytes = take(ledger::encode_past_block(source_.view(), wanted.height));
    return take(ledger::check_past_block(EpochChain(genesis_), wanted, *bytes));
  }
  void install(const ledger::SnapshotFiles& files, const ledger::SnapshotManifest& manifest, std::uint64_t ttl_max_ms) {
    auto installer = take(ledger::Installer::begin(options(), manifest));
    const auto state = [&](std::uint8_t kind, ByteSpan key) { return installer->state(kind, key); };
    for (auto index : installer->missing_parts()) {
      auto rows = take(ledger::check_snapshot_part(execution::test::kSuite, {manifest.height(), manifest.depth, index},
                                                   manifest.nodes[index], take(files.part(manifest.height(), index))));
      EXPECT_TRUE(installer->add_part(index, rows).has_value());
    }
    while (auto wanted = take(installer->past_wanted(ttl_max_ms))) {
      auto block = past(*wanted);
      EXPECT_TRUE(installer->add_past(block, take(execution::past_rows(genesis_, block, state))).has_value());
    }
    EXPECT_TRUE(installer->finish().has_value());
    EXPECT_TRUE(take(ledger::install_joined(dir_.path())));
  }

  const Genesis genesis_;
  execution::test::TestNode& source_;
  execution::test::TempDir dir_;
  std::unique_ptr<ledger::Store> store_;
};

}  // namespace galen::node::test
