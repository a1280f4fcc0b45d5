// A member's data directory as `galend init` makes it, with lives of a node before the start that a test looks at.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "galen/crypto/x509.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/init.hpp"
#include "galen/node/repair.hpp"
#include "node/log_records.hpp"
#include "node/startup.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node::test {

using execution::test::kSuite;
using execution::test::random_id;
using execution::test::take;

class DataDirTest : public testing::Test {
 protected:
  DataDirTest() {
    Genesis draft;
    draft.suite = kSuite;
    draft.name = "consortium";
    draft.created_ms = 1'000'000;
    for (int i = 0; i < 4; ++i) {
      keys.push_back(crypto::PrivateKey::generate(kSuite));
      const auto ca_key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
      const auto name = "member " + std::to_string(i);
      draft.members.push_back({name, random_id<PrincipalId>(rng), keys.back().public_key(), random_id<PrincipalId>(rng),
                               crypto::make_ca_certificate(ca_key, {.common_name = name, .is_ca = true})});
      config.peers.addresses[name] = "localhost:1";
    }
    write("genesis.json", Genesis::to_json(draft));
    write("key.pem", keys[0].to_pem());
    config.member = "member 0";
    config.genesis = dir.path() + "/genesis.json";
    config.data_dir = dir.path() + "/data";
    config.keys.consensus = dir.path() + "/key.pem";
    config.keys.master = dir.path() + "/master.key";
    genesis.emplace(take(Genesis::load(config.genesis)));
    EXPECT_TRUE(DataDir::create(config.data_dir));
    EXPECT_TRUE(create_ledger(config.data_dir, *genesis));
    EXPECT_TRUE(vault::RecordVault::create(vault_options()));
    EXPECT_TRUE(Log::create(config.data_dir, {.segment_bytes = 64 * 1024}));
  }

  void write(const std::string& name, const std::string& text) const {
    const auto path = dir.path() + "/" + name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  vault::RecordVault::Options vault_options() const {
    return {.keyring_directory = config.data_dir + "/keyring",
            .vault_directory = config.data_dir + "/vault",
            .master_key_file = config.keys.master,
            .suite = kSuite};
  }
  BatchPtr batch(MemberIndex origin) {
    const Transaction::Draft draft{genesis->chain_id,
                                   genesis->members[origin].id,
                                   galen::test::random_request_id(rng),
                                   genesis->created_ms + 60'000,
                                   {anchor(random_id<PointerId>(rng), random_id<Hash>(rng))}};
    std::vector<BatchItem> items{
        {{}, take(Transaction::decode(kSuite, genesis->chain_id, Transaction::encode(draft)))}};
    return std::make_shared<const Batch>(Batch::make(genesis->context(), {origin, std::move(items)}, keys[origin]));
  }
  ledger::v1::Operation anchor(const PointerId& pointer, const Hash& commitment) const {
    ledger::v1::Operation operation;
    auto* body = operation.mutable_anchor_record();
    body->set_pointer_id(pointer.str());
    body->set_custodian(genesis->members[0].id.str());
    body->set_commitment(commitment.str());
    body->set_canon(ledger::v1::CANON_METHOD_RAW);
    body->set_status(ledger::v1::RECORD_STATUS_CURRENT);
    body->set_class_(ledger::v1::RECORD_CLASS_N);
    body->set_retention(ledger::v1::RETENTION_CLASS_NONE);
    return operation;
  }
  /// One document more on its way: the bytes of its outbox record.
  Bytes outbox_record(vault::RecordVault& vault) {
    const auto group = ++groups;
    const auto id = std::to_string(group);
    const auto plan =
        take(vault.plan_anchor(group, {"urn:ehr", "Observation", id}, {}, as_bytes(std::string_view(id))));
    const auto& entry = std::get<vault::AnchorPlan>(plan).entry;
    const Transaction::Draft draft{genesis->chain_id,
                                   genesis->members[0].id,
                                   galen::test::random_request_id(rng),
                                   genesis->created_ms + 60'000,
                                   {anchor(entry.pointer_id, entry.commitment)}};
    const auto transaction = take(Transaction::decode(kSuite, genesis->chain_id, Transaction::encode(draft)));
    return take(vault.bind(group, transaction));
  }
  /// A life of the node before: outbox records and bodies in a log that has gone on and been given up behind them.
  void live(int documents, const std::vector<BatchPtr>& batches) {
    auto vault = take(vault::RecordVault::open(vault_options()));
    auto log = std::move(take(Log::open(config.data_dir, [](const ReplayedRecord&) {})).log);
    for (const auto& one : batches) append(*log, {kLogBatch, false, one->bytes()});
    for (int i = 0; i < documents; ++i) append(*log, {kLogOutbox, true, outbox_record(vault)});
  }
  static void append(Log& log, const OwnedLogRecord& record) {
    ASSERT_TRUE(log.append_turn(std::vector{record}).has_value());
  }
  /// One bit of a byte of a file.
  static void flip(const std::string& path, std::streamoff offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const auto byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(offset);
    file.put(byte);
    ASSERT_TRUE(file.good()) << path;
  }
  void lose_manifest() const { std::filesystem::remove(config.data_dir + "/wal/manifest"); }
  Result<Opened> open() {
    if (auto looked = look_at_suspected(config); !looked) return looked.error();
    return open_again();
  }
  /// As at the end of an epoch, in the same process.
  Result<Opened> open_again() {
    identity.emplace(take(load_identity(config)));
    return open_data_dir(config, *identity);
  }
  /// As after kill -9: what the index has not flushed is gone.
  Result<Opened> kill_and_open(Opened& opened) {
    const auto vault = config.data_dir + "/vault", copy = dir.path() + "/copy";
    std::filesystem::copy(vault, copy, std::filesystem::copy_options::recursive);
    { const auto closed = std::move(opened); }
    std::filesystem::remove_all(vault);
    std::filesystem::rename(copy, vault);
    return open();
  }

  Rng rng{7};
  execution::test::TempDir dir;
  std::vector<crypto::PrivateKey> keys;
  Config config;
  std::optional<Genesis> genesis;
  std::optional<Identity> identity;
  vault::PlanGroup groups = 0;
};

}  // namespace galen::node::test
