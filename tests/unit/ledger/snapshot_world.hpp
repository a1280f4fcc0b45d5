// A chain with a snapshot of it, for the tests of making, checking and installing one.
#pragma once

#include <set>

#include "galen/ledger/installer.hpp"
#include "galen/ledger/snapshot_files.hpp"
#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {

/// What the executor of TestChain wrote beside the state.
inline PastRows past_rows_of(const TestChain& chain, const PastBlock& past) {
  PastRows rows;
  std::map<PrincipalId, Bytes> lists;
  std::uint32_t b = 0;
  for (const auto& batch : past.block->batches) {
    std::uint32_t i = 0;
    for (const auto& item : batch->items()) {
      const auto& id = item.transaction.id();
      rows.answers.insert_or_assign(id, TransactionEntry{past.height(), b, i++, 0, item.transaction.valid_until_ms()});
      auto& list = lists[chain.patients()[id.data[0] % chain.patients().size()]];
      list.insert(list.end(), id.data.begin(), id.data.end());
    }
    ++b;
  }
  for (const auto& [patient, ids] : lists) rows.lists[list_row_key(kPatientList, patient, past.height())] = ids;
  return rows;
}

class SnapshotTest : public testing::Test {
 protected:
  static constexpr Height kSnapshot = 13;
  static constexpr Height kTip = 17;

  void SetUp() override {
    auto made = Store::create(chain.options(source_dir));
    ASSERT_OK(made);
    source = std::move(*made);
    for (Height height = 0; height <= kSnapshot; ++height)
      ASSERT_TRUE(advance(height, height % 3 * 40).has_value());
    auto frozen = source->snapshot();
    ASSERT_OK(frozen);
    for (Height height = kSnapshot + 1; height <= kTip; ++height) ASSERT_TRUE(advance(height, 5).has_value());
    ASSERT_TRUE(source->put_certificate(chain.executed_certificate(kSnapshot)).has_value());
    auto status = files.make(source_of(**frozen));
    ASSERT_OK(status);
    auto bytes = files.manifest(kSnapshot);
    ASSERT_OK(bytes);
    auto decoded = SnapshotManifest::decode(kSuite, *bytes);
    ASSERT_OK(decoded);
    manifest = std::move(*decoded);
  }

  /// The next block; where `ends` says so it ends its epoch, and a member joins.
  Result<Applied> advance(Height height, std::size_t items) {
    if (!ends.contains(height)) return chain.advance(*source, items);
    return chain.end_epoch(*source, chain.members(chain.epoch()).add(chain.rng()));
  }

  SnapshotFiles::Source source_of(const View& frozen) const {
    SnapshotFiles::Source out;
    out.view = &frozen;
    for (Height height = kSnapshot; height <= kTip; ++height)
      out.headers.push_back(chain.block(height)->skeleton.header);
    out.certificate = chain.commit_certificate(kTip);
    out.epochs = source->latest().epoch_links(out.headers.back().epoch).value();
    out.context = chain.context();
    out.pace = [] { return true; };
    return out;
  }

  SnapshotPartPlace place(std::uint32_t index) const { return {kSnapshot, manifest.depth, index}; }
  std::vector<StateRow> rows_of(std::uint32_t index) const {
    auto bytes = files.part(kSnapshot, index);
    EXPECT_TRUE(bytes.has_value());
    auto rows = check_snapshot_part(kSuite, place(index), manifest.nodes[index], *bytes);
    EXPECT_TRUE(rows.has_value()) << rows.error().message;
    return std::move(*rows);
  }
  PastBlock past(const PastWanted& wanted) const {
    auto view = source->snapshot();
    auto bytes = encode_past_block(**view, wanted.height);
    EXPECT_TRUE(bytes.has_value() && bytes->has_value());
    auto checked = check_past_block(*(*view)->epochs(chain.genesis()), wanted, **bytes);
    EXPECT_TRUE(checked.has_value()) << checked.error().message;
    return std::move(*checked);
  }
  /// Everything of step 4: blocks as far down as `ttl_max_ms` asks.
  void add_past(Installer& installer, std::uint64_t ttl_max_ms) const {
    for (;;) {
      auto wanted = installer.past_wanted(ttl_max_ms);
      ASSERT_OK(wanted);
      if (!*wanted) return;
      auto block = past(**wanted);
      ASSERT_TRUE(installer.add_past(block, past_rows_of(chain, block)).has_value());
    }
  }

  std::set<Height> ends;  ///< set before SetUp
  TestChain chain;
  TempDir source_dir, joiner_dir;
  std::unique_ptr<Store> source;
  SnapshotFiles files{source_dir.path()};
  SnapshotManifest manifest;
};

}  // namespace galen::ledger::test
