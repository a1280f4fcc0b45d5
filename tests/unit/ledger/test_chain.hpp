// A small real chain for the ledger's tests: four members with keys, signed batches, headers that follow each other,
// and an executor that writes a record, an index row and a patient-list row per item, so that a block can be executed
// again. Any block may end its epoch.
#pragma once

#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "galen/ledger/history_tree.hpp"
#include "galen/ledger/store.hpp"
#include "galen/ledger/verify.hpp"
#include "unit/epoch_parts.hpp"
#include "unit/suite.hpp"

namespace galen::ledger::test {

using galen::test::KeyedMembers;
using galen::test::random_id;
inline const auto kSuite = galen::test::suite();

#define ASSERT_OK(result)                                          \
  do {                                                             \
    auto& checked_ = (result);                                     \
    ASSERT_TRUE(checked_.has_value()) << checked_.error().message; \
  } while (0)

/// A directory of its own, gone at the end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-ledger-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline constexpr std::uint8_t kRecordKind = 2;
inline constexpr std::uint8_t kHeadKind = 5;
inline constexpr std::uint8_t kPatientList = 1;

class TestChain : public BlockExecutor {
 public:
  explicit TestChain(std::uint64_t seed = 1) : rng_(seed) {
    sets_.push_back(galen::test::make_members(kSuite, 4, rng_));
    for (const auto& member : sets_[0].members)
      genesis_.members.push_back({"member " + std::to_string(genesis_.members.size()), member.id, member.consensus_key,
                                  random_id<PrincipalId>(rng_), ""});
    genesis_.member_set = sets_[0].set();
    genesis_.suite = kSuite;
    genesis_.chain_id = random_id<Hash>(rng_);
    for (int i = 0; i < 3; ++i) patients_.push_back(random_id<PrincipalId>(rng_));
  }

  const Genesis& genesis() const { return genesis_; }
  ChainContext context() const { return genesis_.context(); }
  /// Of an epoch that has begun.
  const KeyedMembers& members(Epoch epoch) const { return sets_.at(epoch - 1); }
  ChainContext context(Epoch epoch) const { return members(epoch).context(genesis_.chain_id, epoch); }
  Epoch epoch() const { return sets_.size(); }
  Rng& rng() { return rng_; }
  StoreOptions options(const TempDir& dir) const {
    StoreOptions options;
    options.directory = dir.path();
    options.context = context();
    options.state_versions = 8;
    options.block_cache_bytes = 1 << 20;
    return options;
  }

  /// The next block; `items` anchors in one batch (none: an empty block). Block 0 first. With `next` it ends its epoch.
  BlockPtr next_block(std::size_t items, const KeyedMembers* next = nullptr) {
    auto block = std::make_shared<Block>();
    auto height = static_cast<Height>(blocks_.size());
    if (height == 0) {
      block->skeleton.header = genesis_.block_zero();
    } else {
      std::vector<BatchPtr> batches;
      if (items > 0) batches.push_back(std::make_shared<const Batch>(make_batch(items)));
      const auto& parent = blocks_.back()->skeleton.header;
      block = galen::test::next_block(context(), parent, std::move(batches), history_);
      auto& header = block->skeleton.header;
      header.time_ms = parent.time_ms + 100;
      header.exec_height = height - 1;
      header.state_root = infos_.at(height - 1).state_root;
      header.results_root = infos_.at(height - 1).results_root;
      header.epoch = epoch();
      if (next != nullptr) {
        header.flags = kEpochEnd;
        header.next_members_hash = next->hash();
        sets_.push_back(*next);
      }
    }
    blocks_.push_back(block);
    history_.append(block->skeleton.header.digest(kSuite));
    return block;
  }

  /// Two state rows for genesis; for each item a record, an index row, and one list row per (block, patient).
  Result<BlockUpdate> execute(const View* view, const BlockPtr& block) override {
    BlockUpdate update(block);
    if (block->skeleton.header.epoch_end())
      update.set_next_members(members(block->skeleton.header.epoch + 1).set());
    auto height = block->skeleton.header.height;
    if (height == 0) {
      update.put_state(1, as_bytes("parameters"), as_bytes("first"));
      update.put_state(1, as_bytes("members"), as_bytes("four of them"));
      return update;
    }
    std::map<PrincipalId, Bytes> lists;
    std::uint32_t index = 0, batch_index = 0;
    for (const auto& batch : block->batches) {
      std::uint32_t item_index = 0;
      for (const auto& item : batch->items()) {
        const auto& id = item.transaction.id();
        auto subject = patients_[id.data[0] % patients_.size()];
        TransactionEntry entry{height, batch_index, item_index, 0, item.transaction.valid_until_ms()};
        GALEN_ASSIGN(auto known, view->transaction(id));
        update.put_transaction(id, known ? TransactionRow(known->first, entry) : TransactionRow(entry));
        update.put_state(kRecordKind, id, item.transaction.bytes());
        auto& list = lists[subject];
        list.insert(list.end(), id.data.begin(), id.data.end());
        update.add_outcome(0, {Bytes{1, static_cast<std::uint8_t>(index)}});
        ++item_index;
        ++index;
      }
      ++batch_index;
    }
    for (const auto& [patient, value] : lists) update.put_list(kPatientList, patient, height, value);
    return update;
  }

  /// Makes the next block, executes and applies it with its COMMIT-QC.
  Result<Applied> advance(Store& store, std::size_t items, bool certificate = true,
                          const KeyedMembers* next = nullptr) {
    auto block = next_block(items, next);
    auto height = block->skeleton.header.height;
    GALEN_ASSIGN(auto update, execute(height == 0 ? nullptr : &store.latest(), block));
    if (certificate && height > 0) update.set_certificate(commit_certificate(height));
    GALEN_ASSIGN(auto applied, store.apply(update));
    infos_[height] = applied.info;
    return applied;
  }
  /// The same with a block that ends its epoch.
  Result<Applied> end_epoch(Store& store, const KeyedMembers& next, bool certificate = true) {
    return advance(store, 2, certificate, &next);
  }
  /// Applies a block again that a store has lost, as the node does from its log.
  Result<Applied> replay(Store& store, Height height) {
    GALEN_ASSIGN(auto update, execute(height == 0 ? nullptr : &store.latest(), blocks_.at(height)));
    return store.apply(update);
  }

  QuorumCertificate commit_certificate(Height height) const { return certify(blocks_.at(height)->skeleton.header); }
  /// A COMMIT-QC of any header.
  QuorumCertificate certify(const BlockHeader& header) const {
    const auto& by = members(header.epoch);
    return galen::test::commit_certificate(context(header.epoch), by.keys, signers(by, {0, 1, 3}), header);
  }
  ExecutedCertificate executed_certificate(Height height) const {
    const auto& info = infos_.at(height);
    const auto epoch = info.header.epoch;
    const auto& by = members(epoch);
    return galen::test::executed_certificate(context(epoch), by.keys, signers(by, {1, 2, 3}),
                                             {height, info.digest, info.state_root, info.results_root});
  }

  /// Remembers what a store made of a block that was executed and applied by hand.
  void note(const BlockInfo& info) { infos_[info.header.height] = info; }
  const BlockPtr& block(Height height) const { return blocks_.at(height); }
  const BlockInfo& info(Height height) const { return infos_.at(height); }
  const std::vector<PrincipalId>& patients() const { return patients_; }
  std::vector<TransactionId> transaction_ids(Height height) const {
    std::vector<TransactionId> ids;
    for (const auto& batch : blocks_.at(height)->batches)
      for (const auto& item : batch->items()) ids.push_back(item.transaction.id());
    return ids;
  }
  /// merkle_leaf'ed digests of all blocks.
  std::vector<Hash> history_leaves() const {
    std::vector<Hash> leaves;
    for (const auto& block : blocks_)
      leaves.push_back(crypto::merkle_leaf(kSuite, block->skeleton.header.digest(kSuite)));
    return leaves;
  }

 private:
  /// Three of four; of more the first q.
  static std::vector<MemberIndex> signers(const KeyedMembers& by, std::vector<MemberIndex> of_four) {
    return by.members.size() == 4 ? of_four : by.signers();
  }

  Batch make_batch(std::size_t items) {
    Batch::Draft draft;
    auto chain = context(epoch());
    for (std::size_t i = 0; i < items; ++i) {
      Transaction::Draft transaction;
      transaction.chain_id = genesis_.chain_id;
      transaction.author = genesis_.members[0].admin;
      transaction.request_id = galen::test::random_request_id(rng_);
      transaction.valid_until_ms = 1'000'000;
      ledger::v1::Operation operation;
      auto* anchor = operation.mutable_anchor_record();
      anchor->set_pointer_id(random_id<PointerId>(rng_).str());
      anchor->set_custodian(genesis_.members[0].id.str());
      anchor->set_commitment(random_id<Hash>(rng_).str());
      anchor->set_canon(ledger::v1::CANON_METHOD_RAW);
      anchor->set_status(ledger::v1::RECORD_STATUS_CURRENT);
      anchor->set_class_(ledger::v1::RECORD_CLASS_N);
      anchor->set_retention(ledger::v1::RETENTION_CLASS_NONE);
      transaction.operations.push_back(operation);
      auto decoded = Transaction::decode(kSuite, genesis_.chain_id, Transaction::encode(transaction));
      EXPECT_TRUE(decoded.has_value()) << decoded.error().message;
      draft.items.push_back({Authorization{}, std::move(*decoded)});
    }
    return Batch::make(chain, std::move(draft), sets_.back().keys[0]);
  }

  Rng rng_;
  Genesis genesis_;
  std::vector<KeyedMembers> sets_;  ///< [0]: of epoch 1
  std::vector<PrincipalId> patients_;
  std::vector<BlockPtr> blocks_;
  std::map<Height, BlockInfo> infos_;
  HistoryTree history_{kSuite};
};

}  // namespace galen::ledger::test
