// A patient's list is believed only if nothing is missing, added, swapped or taken from another patient or chain.
#include "galenctl/access_list.hpp"

#include <gtest/gtest.h>

#include "galen/crypto/random.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/ledger/v1/state.pb.h"
#include "galenctl/dev_make.hpp"
#include "galenctl/files.hpp"
#include "temp_dir.hpp"
#include "unit/epoch_parts.hpp"
#include "unit/suite.hpp"

namespace galen::galenctl {
namespace {

const auto kSuite = galen::test::suite();

class AccessListTest : public testing::Test {
 protected:
  void SetUp() override {
    auto layout = make_consortium(dir_.path() + "/d", 4, {}, kSuite);
    ASSERT_TRUE(layout) << layout.error().message;
    auto genesis = Genesis::load(layout->genesis_path());
    ASSERT_TRUE(genesis) << genesis.error().message;
    genesis_ = *genesis;
    for (const auto& node : layout->nodes) {
      auto key = crypto::PrivateKey::load(kSuite, layout->node_dir(node) + "/keys/consensus.pem");
      ASSERT_TRUE(key);
      keys_.push_back(*key);
    }
    for (std::uint64_t i = 1; i <= 3; ++i) {
      ledger::v1::AccessEntry entry;
      entry.set_sequence(i);
      entry.set_patient(patient_.str());
      entries_.push_back(entry.SerializeAsString());
    }
    head_ = make_head(entries_, 3);
  }

  /// A state with this one row, certified by the first `signers` members.
  v1::StateProof make_head(const std::vector<std::string>& entries, std::size_t signers) {
    return make_head(entries, signers, keys_, genesis_.context());
  }
  v1::StateProof make_head(const std::vector<std::string>& entries, std::size_t signers,
                           const std::vector<crypto::PrivateKey>& keys, const ChainContext& context) {
    ledger::v1::AccessHeadState state;
    Hash running;
    for (const auto& entry : entries) running = next_access_hash(kSuite, running, as_bytes(entry));
    state.set_count(entries.size());
    state.set_running_hash(running.str());
    ByteWriter key;
    key.raw(patient_).u32(0);
    v1::StateProof out;
    out.set_kind(5);
    out.set_key(to_string(key.bytes()));
    out.set_present(true);
    out.set_value(state.SerializeAsString());
    auto path = crypto::state_path(kSuite, 5, key.bytes());
    auto value_hash = crypto::hash(kSuite, as_bytes(out.value()));
    crypto::StateProof proof;
    proof.terminal = crypto::StateProof::Terminal{path, value_hash};
    out.set_proof(to_string(proof.encode()));
    ExecutedCertificate certificate;
    certificate.subject = {7, crypto::random_fixed<Hash>(), crypto::state_leaf_of_hash(kSuite, path, value_hash),
                           Hash{}};
    certificate.signers.member_count = 4;
    for (MemberIndex i = 0; i < signers; ++i) {
      certificate.signers.signers.push_back(i);
      certificate.signatures.push_back(keys[i].sign(executed_sign_bytes(context, i, certificate.subject)));
    }
    out.set_executed_certificate(to_string(certificate.encode()));
    return out;
  }

  TempDir dir_;
  Genesis genesis_;
  std::vector<crypto::PrivateKey> keys_;
  PrincipalId patient_ = crypto::random_fixed<PrincipalId>();
  std::vector<std::string> entries_;
  v1::StateProof head_;
};

TEST_F(AccessListTest, AWholeListIsProven) {
  auto proof = verify_access_list(genesis_, patient_, entries_, head_);
  ASSERT_TRUE(proof) << proof.error().message;
  EXPECT_EQ(proof->count, 3u);
  EXPECT_EQ(proof->height, 7u);
  EXPECT_EQ(proof->certified_by, 3u);
}

TEST_F(AccessListTest, AHeadOfALaterEpochIsProvenOverItsLink) {
  const test::KeyedMembers first{kSuite, genesis_.member_set.all(), keys_};
  const auto second = first.rotate(1);
  BlockHeader end;
  end.flags = kEpochEnd;
  end.chain_id = genesis_.chain_id;
  end.height = 3;
  end.next_members_hash = second.hash();
  ByteWriter link;
  test::make_link(end, second, test::commit_by(first, genesis_.chain_id, 1, end)).append_to(link);
  auto head = make_head(entries_, 3, second.keys, second.context(genesis_.chain_id, 2));
  EXPECT_EQ(verify_access_list(genesis_, patient_, entries_, head).error().code, ErrorCode::BAD_CERTIFICATE);
  head.add_epochs(to_string(link.bytes()));
  auto proof = verify_access_list(genesis_, patient_, entries_, head);
  ASSERT_TRUE(proof) << proof.error().message;
  EXPECT_EQ(proof->certified_by, 3u);
  // What the first members sign above their end counts for nothing.
  auto old = head_;
  *old.mutable_epochs() = head.epochs();
  EXPECT_EQ(verify_access_list(genesis_, patient_, entries_, old).error().code, ErrorCode::BAD_CERTIFICATE);
  head.mutable_epochs(0)->push_back('\0');
  EXPECT_EQ(verify_access_list(genesis_, patient_, entries_, head).error().code, ErrorCode::MALFORMED);
}

TEST_F(AccessListTest, WhatIsTamperedWithFails) {
  auto missing_last = entries_;
  missing_last.pop_back();
  EXPECT_FALSE(verify_access_list(genesis_, patient_, missing_last, head_));
  auto missing_first = entries_;
  missing_first.erase(missing_first.begin());
  EXPECT_FALSE(verify_access_list(genesis_, patient_, missing_first, head_));
  auto changed = entries_;
  changed[1].back() ^= 1;
  EXPECT_FALSE(verify_access_list(genesis_, patient_, changed, head_));
  auto swapped = entries_;
  std::swap(swapped[0], swapped[1]);
  EXPECT_FALSE(verify_access_list(genesis_, patient_, swapped, head_));
  EXPECT_FALSE(verify_access_list(genesis_, crypto::random_fixed<PrincipalId>(), entries_, head_));
}

TEST_F(AccessListTest, TooFewSignaturesOrAForeignHeadFail) {
  auto two = verify_access_list(genesis_, patient_, entries_, make_head(entries_, 2));
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().code, ErrorCode::BAD_CERTIFICATE);
  auto shorter = head_;
  shorter.set_value(make_head({entries_[0]}, 3).value());
  EXPECT_FALSE(verify_access_list(genesis_, patient_, entries_, shorter)) << "a value that the root does not hold";
  auto absent = head_;
  absent.set_present(false);
  EXPECT_FALSE(verify_access_list(genesis_, patient_, {}, absent)) << "absence must be proven too";
}

TEST_F(AccessListTest, NewerEntriesThanTheProofAreIgnored) {
  auto more = entries_;
  ledger::v1::AccessEntry entry;
  entry.set_sequence(4);
  entry.set_patient(patient_.str());
  more.push_back(entry.SerializeAsString());
  auto proof = verify_access_list(genesis_, patient_, more, head_);
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->count, 3u);
}

}  // namespace
}  // namespace galen::galenctl
