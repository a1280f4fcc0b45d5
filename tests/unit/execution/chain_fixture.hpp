// A chain of four members for the tests of execution: real keys, real signed batches, real stores. Blocks are made here
// and applied to as many nodes as a test wants.
#pragma once

#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "galen/execution/executor.hpp"
#include "galen/ledger/history_tree.hpp"
#include "galen/types/purpose.hpp"
#include "unit/chain_parts.hpp"
#include "unit/suite.hpp"

namespace galen::execution::test {

namespace pb = ledger::v1;
using galen::test::random_id;
inline const auto kSuite = galen::test::suite();

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-execution-XXXXXX").string();
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

template <class Value>
Value take(Result<Value> result) {
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message);
  if (!result) std::abort();
  return std::move(*result);
}

/// The consortium: who there is, and how blocks are made.
class TestChain {
 public:
  explicit TestChain(std::uint64_t seed = 1) : rng(seed) {
    std::vector<Member> members;
    for (int i = 0; i < 4; ++i) {
      keys.push_back(crypto::PrivateKey::generate(kSuite));
      members.push_back({random_id<PrincipalId>(rng), keys.back().public_key(), random_id<Hash>(rng)});
      genesis.members.push_back({"member " + std::to_string(i), members.back().id, members.back().consensus_key,
                                 random_id<PrincipalId>(rng), ""});
    }
    genesis.member_set = MemberSet(members);
    genesis.suite = kSuite;
    genesis.chain_id = random_id<Hash>(rng);
    genesis.created_ms = 1'000'000;
    time_ms = genesis.created_ms;
    parent = genesis.block_zero();
    history.append(parent.digest(kSuite));
  }

  PrincipalId member(MemberIndex i) const { return genesis.members[i].id; }
  PrincipalId admin(MemberIndex i) const { return genesis.members[i].admin; }

  RequestId request_id() { return galen::test::random_request_id(rng); }
  Transaction::Draft draft(const PrincipalId& author, std::vector<pb::Operation> operations) {
    return {genesis.chain_id, author, request_id(), time_ms + 60'000, std::move(operations)};
  }
  BatchItem item(const Transaction::Draft& draft, const crypto::PrivateKey* key = nullptr) const {
    auto transaction = take(Transaction::decode(kSuite, genesis.chain_id, Transaction::encode(draft)));
    if (key == nullptr) return {Authorization{}, std::move(transaction)};
    auto signature = key->sign(Transaction::sign_bytes(kSuite, genesis.chain_id, transaction.hash()));
    return {Authorization::keyed(kSuite, key->public_key(), signature), std::move(transaction)};
  }
  BatchItem item(const PrincipalId& author, std::vector<pb::Operation> operations,
                 const crypto::PrivateKey* key = nullptr) {
    return item(draft(author, std::move(operations)), key);
  }
  BatchPtr batch(MemberIndex origin, std::vector<BatchItem> items) const {
    return std::make_shared<const Batch>(Batch::make(genesis.context(), {origin, std::move(items)}, keys[origin]));
  }

  /// The next block; it names no executed height yet unless `executed` is given.
  BlockPtr block(std::vector<BatchPtr> batches, const ExecutedBlock* executed = nullptr) {
    auto block = galen::test::next_block(genesis.context(), parent, std::move(batches), history);
    auto& header = block->skeleton.header;
    time_ms += 100;
    header.time_ms = time_ms;
    header.state_root = state_root_zero();
    if (executed != nullptr) {
      header.exec_height = executed->height;
      header.state_root = executed->state_root;
      header.results_root = executed->results_root;
    }
    parent = header;
    history.append(parent.digest(kSuite));
    blocks.push_back(block);
    return block;
  }

  /// The newest block with another header: the chain goes on from this one.
  void replace_last(const BlockPtr& block) {
    blocks.back() = block;
    parent = block->skeleton.header;
    history = ledger::HistoryTree(kSuite);
    history.append(genesis.block_zero().digest(kSuite));
    for (const auto& one : blocks) history.append(one->skeleton.header.digest(kSuite));
  }

  QuorumCertificate commit_certificate(const BlockHeader& header) const {
    return galen::test::commit_certificate(genesis.context(), keys, {0, 1, 3}, header);
  }
  ExecutedCertificate executed_certificate(const ExecutedBlock& block) const {
    return galen::test::executed_certificate(genesis.context(), keys, {1, 2, 3}, block.subject());
  }

  /// What a header carries as long as nothing is executed: the root of block 0's state (docs/spec/formats.md 5.3).
  const Hash& state_root_zero() {
    if (!state_root_zero_) {
      TempDir dir;
      ledger::StoreOptions options;
      options.directory = dir.path();
      options.context = genesis.context();
      options.block_cache_bytes = 1 << 20;
      auto store = take(ledger::Store::create(options));
      Executor executor(genesis, *store);
      take(executor.start());
      state_root_zero_ = store->latest().head().state_root;
    }
    return *state_root_zero_;
  }

  Rng rng;
  Genesis genesis;
  std::vector<crypto::PrivateKey> keys;
  TimestampMs time_ms;
  BlockHeader parent;
  ledger::HistoryTree history{kSuite};
  std::vector<BlockPtr> blocks;

 private:
  std::optional<Hash> state_root_zero_;
};

/// A store with an executor.
class TestNode {
 public:
  explicit TestNode(const TestChain& chain) : chain_(chain) {
    store_ = take(ledger::Store::create(options()));
    start();
  }
  /// As after a stop without a checkpoint's help: what was durable, then nothing.
  void reopen() {
    stop();
    store_ = take(ledger::Store::open(options()));
    start();
  }
  void stop() {
    executor_.reset();
    store_.reset();
  }
  std::size_t block_cache_bytes = 1 << 20;  ///< from the next reopen() on
  const std::string& directory() const { return dir_.path(); }
  ledger::Store& store() { return *store_; }
  Executor& executor() { return *executor_; }
  const ledger::View& view() const { return store_->latest(); }
  ExecutedBlock apply(const BlockPtr& block) { return take(executor_->apply(block)); }

  template <class Value>
  std::optional<Value> state(StateKind kind, ByteSpan key) const {
    auto bytes = take(view().state(static_cast<std::uint8_t>(kind), key));
    if (!bytes) return std::nullopt;
    Value value;
    EXPECT_TRUE(value.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())));
    return value;
  }
  std::vector<ledger::ListEntry> list(contracts::ListKind kind, ByteSpan key) const {
    return take(view().list(static_cast<std::uint8_t>(kind), key, {.items_max = 10'000})).entries;
  }

 private:
  ledger::StoreOptions options() const {
    ledger::StoreOptions options;
    options.directory = dir_.path();
    options.context = chain_.genesis.context();
    options.block_cache_bytes = block_cache_bytes;
    return options;
  }
  void start() {
    executor_ = std::make_unique<Executor>(chain_.genesis, *store_);
    take(executor_->start());
  }

  const TestChain& chain_;
  TempDir dir_;
  std::unique_ptr<ledger::Store> store_;
  std::unique_ptr<Executor> executor_;
};

/// One chain, one node, a service at members 0 and 1, and a patient of member 0 who holds a key.
class ExecutionTest : public testing::Test {
 protected:
  ExecutionTest() : node(chain), patient_key(crypto::PrivateKey::generate(kSuite)) {
    service_a = random_id<PrincipalId>(chain.rng);
    service_b = random_id<PrincipalId>(chain.rng);
    patient = random_id<PrincipalId>(chain.rng);
    auto done =
        run({chain.batch(0, {chain.item(chain.admin(0), {registration(service_a, pb::PRINCIPAL_KIND_SERVICE),
                                                         registration(patient, pb::PRINCIPAL_KIND_PATIENT,
                                                                      patient_key.public_key().str())})}),
             chain.batch(1, {chain.item(chain.admin(1), {registration(service_b, pb::PRINCIPAL_KIND_SERVICE)})})});
    EXPECT_EQ(codes(done), (std::vector{ErrorCode::OK, ErrorCode::OK}));
  }

  ExecutedBlock run(std::vector<BatchPtr> batches) { return node.apply(chain.block(std::move(batches))); }
  ExecutedBlock run(MemberIndex origin, std::vector<BatchItem> items) {
    return run({chain.batch(origin, std::move(items))});
  }
  ErrorCode run_one(MemberIndex origin, BatchItem item) { return run(origin, {std::move(item)}).items.at(0).code; }
  static std::vector<ErrorCode> codes(const ExecutedBlock& block) {
    std::vector<ErrorCode> out;
    for (const auto& item : block.items) out.push_back(item.code);
    return out;
  }

  static pb::Operation registration(const PrincipalId& id, pb::PrincipalKind kind, const std::string& key = {}) {
    pb::Operation operation;
    auto* body = operation.mutable_register_principal();
    body->set_id(id.str());
    body->set_kind(kind);
    body->set_key(key);
    return operation;
  }
  pb::Operation anchor(const PointerId& pointer, MemberIndex custodian = 0) {
    pb::Operation operation;
    auto* body = operation.mutable_anchor_record();
    body->set_pointer_id(pointer.str());
    body->set_custodian(chain.member(custodian).str());
    body->set_subject(patient.str());
    body->set_commitment(random_id<Hash>(chain.rng).str());
    body->set_canon(pb::CANON_METHOD_RAW);
    body->set_status(pb::RECORD_STATUS_CURRENT);
    body->set_class_(pb::RECORD_CLASS_N);
    body->set_retention(pb::RETENTION_CLASS_NONE);
    return operation;
  }
  pb::Operation anchor() { return anchor(random_id<PointerId>(chain.rng)); }
  pb::Operation grant(const ConsentId& id) {
    pb::Operation operation;
    auto* body = operation.mutable_grant_consent();
    body->set_consent_id(id.str());
    body->set_patient(patient.str());
    body->set_grantee(chain.member(1).str());
    body->set_purposes(purpose_bit(*purpose_from_code("TREAT")));
    return operation;
  }
  static pb::Operation revoke(const ConsentId& id) {
    pb::Operation operation;
    operation.mutable_revoke_consent()->set_consent_id(id.str());
    return operation;
  }
  pb::Operation ask() {
    pb::Operation operation;
    auto* body = operation.mutable_decide();
    body->set_patient(patient.str());
    body->set_requester(chain.member(1).str());
    body->set_purpose(*purpose_from_code("TREAT"));
    return operation;
  }
  static pb::AccessEntry entry_of(const Bytes& result) {
    pb::AccessEntry entry;
    EXPECT_TRUE(entry.ParseFromArray(result.data(), static_cast<int>(result.size())));
    return entry;
  }

  TestChain chain;
  TestNode node;
  crypto::PrivateKey patient_key;
  PrincipalId service_a, service_b, patient;
};

}  // namespace galen::execution::test
