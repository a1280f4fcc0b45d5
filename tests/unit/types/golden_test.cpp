// Freezes the bytes that are hashed, signed and stored. A difference here is a change of format: chains, receipts and
// data directories of an earlier build would no longer be read. How to write them anew: tests/golden/README.md.
#include <gtest/gtest.h>

#include "galen/crypto/merkle.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/ledger/v1/state.pb.h"
#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::expect_golden;
using test::expect_golden_hex;
using test::sample_chain;
using test::sample_id;
const auto kSuite = galen::test::suite();

TEST(GoldenTest, Genesis) {
  const auto& genesis = sample_chain().genesis;
  expect_golden("genesis.json", Genesis::to_json(genesis));
  expect_golden_hex("members.hex", genesis.member_set.encode());
  expect_golden_hex("block_zero_header.hex", genesis.block_zero().encode());
}

TEST(GoldenTest, Transactions) {
  const auto& chain = sample_chain();
  expect_golden_hex("transaction_bulk.hex", chain.batches[0]->items()[0].transaction.bytes());
  expect_golden_hex("transaction_register.hex", chain.batches[0]->items()[1].transaction.bytes());
  expect_golden_hex("transaction_grant.hex", chain.batches[1]->items()[0].transaction.bytes());
  expect_golden_hex("authorization_grant.hex", chain.batches[1]->items()[0].authorization.data);
  expect_golden_hex("transaction_decide.hex", chain.batches[2]->items()[0].transaction.bytes());
  for (std::size_t i = 0; i < chain.batches.size(); ++i)
    EXPECT_TRUE(chain.batches[i]->verify_signatures(chain.context, chain.genesis.member_set)) << i;
}

TEST(GoldenTest, FixedLayouts) {
  const auto& chain = sample_chain();
  expect_golden_hex("batch_header.hex", chain.batches[0]->header().encode());
  expect_golden_hex("batch.hex", chain.batches[0]->bytes());
  expect_golden_hex("header.hex", chain.header.encode());
  expect_golden_hex("block_skeleton.hex", chain.skeleton.encode());
  expect_golden_hex("block.hex", Block{chain.skeleton, chain.batches}.encode());
  expect_golden_hex("commit_certificate.hex", chain.commit.encode());
  expect_golden_hex("executed_certificate.hex", chain.executed.encode());
  EXPECT_TRUE(chain.commit.verify(chain.context, chain.genesis.member_set));
  EXPECT_TRUE(chain.executed.verify(chain.context, chain.genesis.member_set));
}

TEST(GoldenTest, SignBytes) {
  const auto& chain = sample_chain();
  VoteSubject subject{6, 1, chain.header.digest(kSuite)};
  expect_golden_hex("sign_bytes_prepare.hex", vote_sign_bytes(chain.context, VotePhase::prepare, 2, subject));
  expect_golden_hex("sign_bytes_commit.hex", vote_sign_bytes(chain.context, VotePhase::commit, 2, subject));
  expect_golden_hex("sign_bytes_executed.hex", executed_sign_bytes(chain.context, 3, chain.executed.subject));
  auto hash = chain.batches[1]->items()[0].transaction.hash();
  expect_golden_hex("sign_bytes_transaction.hex", Transaction::sign_bytes(kSuite, chain.genesis.chain_id, hash));
}

TEST(GoldenTest, StateValues) {
  ledger::v1::PrincipalState principal;
  principal.set_format(1);
  principal.set_kind(ledger::v1::PRINCIPAL_KIND_PATIENT);
  principal.set_home_member(sample_id<PrincipalId>("member A").str());
  principal.set_key(sample_chain().patient_key.public_key().str());
  principal.set_key_version(1);
  principal.set_status(ledger::v1::PRINCIPAL_STATUS_ACTIVE);
  principal.set_registered_height(1);
  expect_golden_hex("state_principal.hex", as_bytes(principal.SerializeAsString()));

  ledger::v1::RecordState record;
  record.set_format(1);
  record.set_custodian(sample_id<PrincipalId>("member A").str());
  record.set_subject(sample_id<PrincipalId>("patient").str());
  record.set_commitment(sample_id<Hash>("commitment 1").str());
  record.set_canon(ledger::v1::CANON_METHOD_RAW);
  record.set_supersedes(sample_id<PointerId>("pointer 0").str());
  record.set_status(ledger::v1::RECORD_STATUS_SUPERSEDED);
  record.set_class_(ledger::v1::RECORD_CLASS_R);
  record.set_retention(ledger::v1::RETENTION_CLASS_HIPAA_6Y);
  record.set_superseded_by(sample_id<PointerId>("pointer 2").str());
  record.set_period(681);
  record.set_height(1);
  expect_golden_hex("state_record.hex", as_bytes(record.SerializeAsString()));

  ledger::v1::ConsentState consent;
  consent.set_format(1);
  consent.set_patient(sample_id<PrincipalId>("patient").str());
  consent.set_grantee(sample_id<PrincipalId>("member C").str());
  consent.set_purposes(std::uint64_t{1} << 58 | 2);
  consent.set_not_before_ms(1'767'225'600'000);
  consent.set_not_after_ms(1'767'312'000'000);
  consent.set_revoked(true);
  consent.set_granted_height(1);
  consent.set_revoked_height(2);
  expect_golden_hex("state_consent.hex", as_bytes(consent.SerializeAsString()));

  ledger::v1::GrantIndexState index;
  index.set_format(1);
  index.add_consent_ids(sample_id<ConsentId>("consent").str());
  index.add_consent_ids(sample_id<ConsentId>("consent 2").str());
  expect_golden_hex("state_grant_index.hex", as_bytes(index.SerializeAsString()));

  ledger::v1::AccessEntry entry;
  entry.set_format(1);
  entry.set_sequence(1);
  entry.set_height(1);
  entry.set_time_ms(1'767'225'601'000);
  entry.set_transaction_id(sample_id<Hash>("transaction").str());
  entry.set_operation(3);
  entry.set_patient(sample_id<PrincipalId>("patient").str());
  entry.set_requester(sample_id<PrincipalId>("member C").str());
  entry.set_author(sample_id<PrincipalId>("service of C").str());
  entry.set_purpose(59);
  entry.set_pointer_id(sample_id<PointerId>("pointer 1").str());
  entry.set_permit(true);
  entry.set_reason(ledger::v1::DECISION_REASON_CONSENT);
  entry.set_consent_id(sample_id<ConsentId>("consent").str());
  expect_golden_hex("access_entry.hex", as_bytes(entry.SerializeAsString()));

  ledger::v1::AccessHeadState head;
  head.set_format(1);
  head.set_count(1);
  head.set_running_hash(next_access_hash(kSuite, Hash{}, as_bytes(entry.SerializeAsString())).str());
  expect_golden_hex("state_access_head.hex", as_bytes(head.SerializeAsString()));

  ledger::v1::ParametersState parameters;
  parameters.set_format(1);
  parameters.set_rules_version(1);
  expect_golden_hex("state_parameters.hex", as_bytes(parameters.SerializeAsString()));
}

TEST(GoldenTest, Receipts) {
  const auto& chain = sample_chain();
  auto executed = chain.receipt(2), confirmed = chain.confirmed_receipt(0, 2);
  expect_golden("receipt_executed.galen", as_text(encode_receipt_file(executed)));
  expect_golden("receipt_confirmed.galen", as_text(encode_receipt_file(confirmed)));
  EXPECT_TRUE(verify_receipt(chain.genesis, executed));
  EXPECT_TRUE(verify_receipt(chain.genesis, confirmed));
}

/// Everything that is one hash, by name.
TEST(GoldenTest, Values) {
  const auto& chain = sample_chain();
  std::string out = "{";
  const char* comma = "\n";
  auto put = [&](const char* name, const Hash& value) {
    out += std::string(comma) + "  \"" + name + "\": \"" + value.hex() + "\"";
    comma = ",\n";
  };
  const auto& bulk = chain.batches[0]->items()[0].transaction;
  const auto& granted = chain.batches[1]->items()[0];
  put("chain_id", chain.genesis.chain_id);
  put("members_hash", chain.context.members_hash);
  put("block_zero_digest", chain.genesis.block_zero().digest(kSuite));
  put("transaction_bulk_hash", bulk.hash());
  put("transaction_bulk_id", bulk.id());
  put("transaction_grant_hash", granted.transaction.hash());
  put("item_leaf_grant",
      crypto::merkle_leaf(kSuite, item_leaf_data(kSuite, granted.transaction.hash(), granted.authorization)));
  put("batch_digest", chain.batches[0]->digest());
  put("items_root", chain.batches[0]->header().items_root);
  put("body_root", chain.header.body_root);
  put("header_digest", chain.header.digest(kSuite));
  put("outcome_root", chain.outcome_root);
  put("results_root", chain.results_root);
  put("history_root", chain.header.history_root);
  auto path =
      crypto::state_path(kSuite, static_cast<std::uint8_t>(StateKind::record), sample_id<PointerId>("pointer 1"));
  auto leaf = crypto::state_leaf(kSuite, path, as_bytes("value"));
  put("state_path_record", path);
  put("state_leaf_record", leaf);
  put("state_inner", crypto::state_inner(kSuite, leaf, Hash{}));
  put("access_hash_first", next_access_hash(kSuite, Hash{}, as_bytes("entry")));
  put("sm3_of_abc", crypto::hash(crypto::Suite::sm2_sm3, as_bytes("abc")));
  expect_golden("values.json", out + "\n}\n");
}

}  // namespace
}  // namespace galen
