#include "galen/types/receipt.hpp"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <functional>

#include "galen/crypto/sparse_merkle.hpp"
#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using ledger::v1::Receipt;
using test::sample_chain;
const auto kSuite = galen::test::suite();

Result<ReceiptVerdict> verify(const Receipt& receipt) { return verify_receipt(sample_chain().genesis, receipt); }

TEST(ReceiptTest, EveryItemVerifiesBothWays) {
  const auto& chain = sample_chain();
  for (std::size_t i = 0; i < chain.outcomes.size(); ++i)
    for (int way = 0; way < 4; ++way) {
      auto receipt = way == 0 ? chain.receipt(i) : chain.confirmed_receipt(i, static_cast<std::size_t>(way - 1));
      auto verdict = verify(receipt);
      ASSERT_TRUE(verdict) << i << "/" << way << ": " << verdict.error().message;
      EXPECT_EQ(verdict->height, 1u);
      EXPECT_EQ(verdict->time_ms, chain.header.time_ms);
      EXPECT_EQ(verdict->code, chain.outcomes[i].code);
      EXPECT_EQ(verdict->author_signed, i == 2);
      const auto& members = chain.genesis.member_set;
      EXPECT_EQ(verdict->origin, members[i < 2 ? 0 : 2].id);
      EXPECT_EQ(verdict->certified_by, (Signers{1, 4, {members[0].id, members[way == 0 ? 1 : 2].id, members[3].id}}));
    }
  auto verdict = verify(chain.receipt(0));
  EXPECT_EQ(verdict->operations.size(), 3u);
  EXPECT_EQ(verdict->operations[0].substr(0, 22), "anchor_record pointer ");
  EXPECT_NE(verify(chain.receipt(2))->operations[0].find("purposes TREAT"), std::string::npos);
}

using Visit = std::function<void(google::protobuf::Message&, const google::protobuf::FieldDescriptor*, int)>;

/// Every scalar of a message, nested ones and repeated elements too, in a fixed order.
void for_each_scalar(google::protobuf::Message& message, const Visit& visit) {
  const auto* reflection = message.GetReflection();
  const auto* descriptor = message.GetDescriptor();
  for (int f = 0; f < descriptor->field_count(); ++f) {
    const auto* field = descriptor->field(f);
    int count = field->is_repeated() ? reflection->FieldSize(message, field)
                                     : (field->has_presence() && !reflection->HasField(message, field) ? 0 : 1);
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE)
        visit(message, field, field->is_repeated() ? i : -1);
      else
        for_each_scalar(field->is_repeated() ? *reflection->MutableRepeatedMessage(&message, field, i)
                                             : *reflection->MutableMessage(&message, field),
                        visit);
    }
  }
}

/// All receipts that differ from `good` in one byte of one field, or in one number by one.
void expect_every_change_fails(const Receipt& good) {
  Receipt receipt = good;
  std::size_t tried = 0;
  for_each_scalar(receipt, [&](auto& message, const auto* field, int index) {
    const auto* reflection = message.GetReflection();
    if (field->type() == google::protobuf::FieldDescriptor::TYPE_BYTES) {
      auto original =
          index < 0 ? reflection->GetString(message, field) : reflection->GetRepeatedString(message, field, index);
      auto set = [&](const std::string& value) {
        if (index < 0)
          reflection->SetString(&message, field, value);
        else
          reflection->SetRepeatedString(&message, field, index, value);
      };
      for (std::size_t i = 0; i <= original.size(); ++i) {
        auto changed = original;
        if (i < original.size())
          changed[i] = static_cast<char>(changed[i] ^ 1);
        else
          changed.push_back('\0');
        set(changed);
        ++tried;
        EXPECT_FALSE(verify(receipt)) << field->full_name() << " byte " << i;
      }
      if (!original.empty()) {
        set("");
        EXPECT_FALSE(verify(receipt)) << field->full_name() << " emptied";
      }
      set(original);
    } else {
      // The size of the outcome tree only shapes its path: several sizes give a path the same shape.
      bool outcome_size = field->name() == "size" && &message == &receipt.outcome_path();
      auto change = [&](std::int64_t by) {
        if (field->type() == google::protobuf::FieldDescriptor::TYPE_UINT32)
          reflection->SetUInt32(&message, field,
                                static_cast<std::uint32_t>(reflection->GetUInt32(message, field) + by));
        else
          reflection->SetUInt64(
              &message, field,
              static_cast<std::uint64_t>(reflection->GetUInt64(message, field)) + static_cast<std::uint64_t>(by));
      };
      for (std::int64_t by : {1, -1}) {
        change(by);
        ++tried;
        bool verifies = verify(receipt).has_value();
        EXPECT_TRUE(!verifies || outcome_size) << field->full_name() << " by " << by;
        change(-by);
      }
    }
  });
  EXPECT_GT(tried, 1'000u);
  ASSERT_TRUE(verify(receipt));
}

TEST(ReceiptTest, EveryChangedFieldIsFound) {
  expect_every_change_fails(sample_chain().receipt(2));
  expect_every_change_fails(sample_chain().receipt(3));
}

TEST(ReceiptTest, EveryChangedFieldOfAConfirmationIsFound) {
  expect_every_change_fails(sample_chain().confirmed_receipt(1, 0));
  expect_every_change_fails(sample_chain().confirmed_receipt(4, 2));
}

/// One of the published vectors of the suite under test, which are of the sample chain's genesis.
Receipt published_receipt(const std::string& name) {
  const std::string folder = kSuite == crypto::Suite::p256_sha256 ? "" : "sm2-sm3/";
  auto file = test::read_text(std::string(GALEN_SOURCE_DIR) + "/tests/golden/vectors/" + folder + "good/" + name);
  auto receipt = decode_receipt_file(as_bytes(file));
  EXPECT_TRUE(receipt) << name;
  return receipt ? *receipt : Receipt{};
}

TEST(ReceiptTest, EveryChangedFieldOfAConfirmationThroughTheHistoryIsFound) {
  auto receipt = published_receipt("receipt-history-later.galen");
  ASSERT_TRUE(receipt.confirmation().has_history_path());
  ASSERT_GT(receipt.confirmation().history_path().siblings_size(), 1);
  expect_every_change_fails(receipt);
}

TEST(ReceiptTest, AConfirmationShowsItsBlockInExactlyOneWay) {
  auto expect = [](const Receipt& receipt, const char* part) {
    auto verdict = verify(receipt);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, ErrorCode::MALFORMED);
    EXPECT_EQ(verdict.error().message.find(std::string("receipt: ") + part + ": "), 0u) << verdict.error().message;
  };
  auto both = published_receipt("receipt-history.galen");
  ASSERT_TRUE(verify(both)) << verify(both).error().message;
  auto own = published_receipt("receipt-confirmed.galen").confirmation().block_commit_certificate();
  both.mutable_confirmation()->set_block_commit_certificate(own);
  expect(both, "confirmation.history_path");
  both.mutable_confirmation()->clear_history_path();
  EXPECT_TRUE(verify(both)) << verify(both).error().message;
  both.mutable_confirmation()->clear_block_commit_certificate();
  expect(both, "confirmation.block_commit_certificate");
}

TEST(ReceiptTest, PartsOfOtherReceiptsDoNotFit) {
  const auto& chain = sample_chain();
  auto good = chain.receipt(1), other = chain.receipt(0);
  auto expect_bad = [&](const char* part, auto change) {
    auto receipt = good;
    change(receipt);
    auto verdict = verify(receipt);
    ASSERT_FALSE(verdict) << part;
    EXPECT_NE(verdict.error().message.find(part), std::string::npos) << verdict.error().message;
  };
  expect_bad("item_path", [&](auto& r) { r.set_transaction(other.transaction()); });
  expect_bad("outcome_path", [&](auto& r) { *r.mutable_outcome_path() = other.outcome_path(); });
  expect_bad("item_path", [&](auto& r) { r.set_batch_header(chain.receipt(3).batch_header()); });
  expect_bad("results", [&](auto& r) { r.clear_results(); });
  expect_bad("results", [&](auto& r) { r.add_results("more"); });
  expect_bad("epochs", [&](auto& r) { r.add_epochs()->set_header("x"); });
  expect_bad("exactly one", [&](auto& r) { r.clear_executed_certificate(); });
  expect_bad("exactly one", [&](auto& r) { *r.mutable_confirmation() = chain.confirmed_receipt(1, 0).confirmation(); });
  expect_bad("executed_certificate", [&](auto& r) { r.set_executed_certificate(to_string(chain.commit.encode())); });
  // The second copy of the bulk transaction was refused: its outcome must not stand in for the first one's.
  auto first = chain.receipt(0), second = chain.receipt(4);
  first.set_code(second.code());
  first.clear_results();
  *first.mutable_outcome_path() = second.outcome_path();
  EXPECT_FALSE(verify(first));
}

/// Receipts over real links are among the vectors (tests/golden/vectors) and in execution/epochs_test.cpp.
TEST(ReceiptTest, ALinkThatLeadsNowhere) {
  auto receipt = sample_chain().receipt(0);
  receipt.add_epochs();
  EXPECT_EQ(verify(receipt).error().code, ErrorCode::MALFORMED);
  EXPECT_NE(verify(receipt).error().message.find("epochs[0].header: "), std::string::npos);
  for (std::size_t i = 0; i < limits::kEpochLinksMax; ++i) receipt.add_epochs();
  EXPECT_EQ(verify(receipt).error().code, ErrorCode::TOO_LARGE);
  EXPECT_NE(verify(receipt).error().message.find("epochs: "), std::string::npos);
}

TEST(ReceiptTest, AnotherChain) {
  auto genesis = Genesis::parse(as_bytes(Genesis::to_json(sample_chain().genesis) + "\n"));
  ASSERT_TRUE(genesis);
  EXPECT_EQ(verify_receipt(*genesis, sample_chain().receipt(0)).error().code, ErrorCode::WRONG_CHAIN);
}

TEST(ReceiptTest, ConfirmationNeedsCommitsNotPrepares) {
  const auto& chain = sample_chain();
  auto receipt = chain.confirmed_receipt(0, 0);
  auto commit = *QuorumCertificate::decode(as_bytes(receipt.confirmation().block_commit_certificate()));
  auto prepare = chain.certify("prepare-1", VotePhase::prepare, commit.subject);
  receipt.mutable_confirmation()->set_block_commit_certificate(to_string(prepare.encode()));
  EXPECT_EQ(verify(receipt).error().code, ErrorCode::BAD_CERTIFICATE);
}

TEST(ReceiptTest, EmptyAndGarbage) {
  EXPECT_FALSE(verify(Receipt{}));
  auto bytes = encode_receipt_file(sample_chain().receipt(0));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    auto receipt = decode_receipt_file(ByteSpan(bytes).first(size));
    EXPECT_FALSE(receipt && verify(*receipt)) << size;
  }
}

TEST(ReceiptFileTest, RoundTripsAndRefusesOtherFiles) {
  auto bytes = encode_receipt_file(sample_chain().receipt(1));
  EXPECT_EQ(as_text(ByteSpan(bytes).first(8)), "GALENRCP");
  auto receipt = decode_receipt_file(bytes);
  ASSERT_TRUE(receipt);
  EXPECT_TRUE(verify(*receipt));
  auto other = bytes;
  other[0] ^= 1;
  EXPECT_EQ(decode_receipt_file(other).error().code, ErrorCode::MALFORMED);
  other = bytes;
  other[9] = 2;
  EXPECT_EQ(decode_receipt_file(other).error().code, ErrorCode::UNSUPPORTED_VERSION);
  other = bytes;
  other.insert(other.end(), {0xa0, 0x06, 0x01});  // field 100
  EXPECT_EQ(decode_receipt_file(other).error().code, ErrorCode::MALFORMED) << "unknown field";
  other = bytes;
  other.resize(9 * 1024 * 1024);
  EXPECT_EQ(decode_receipt_file(other).error().code, ErrorCode::TOO_LARGE);
}

TEST(StateProofTest, PresentAbsentAndWrong) {
  auto path = crypto::state_path(kSuite, 2, as_bytes("key"));
  auto value = to_bytes(std::string_view("value"));
  auto root = crypto::state_leaf(kSuite, path, value);
  crypto::StateProof proof;
  proof.terminal = crypto::StateProof::Terminal{path, crypto::hash(kSuite, value)};
  auto bytes = proof.encode();
  EXPECT_TRUE(verify_state_proof(kSuite, root, 2, as_bytes("key"), value, bytes));
  EXPECT_FALSE(verify_state_proof(kSuite, root, 2, as_bytes("key"), std::nullopt, bytes));
  EXPECT_FALSE(verify_state_proof(kSuite, root, 2, as_bytes("key"), to_bytes(std::string_view("other")), bytes));
  EXPECT_FALSE(verify_state_proof(kSuite, root, 3, as_bytes("key"), value, bytes));
  EXPECT_FALSE(verify_state_proof(kSuite, Hash{}, 2, as_bytes("key"), value, bytes));
  EXPECT_TRUE(verify_state_proof(kSuite, root, 2, as_bytes("absent"), std::nullopt, bytes));
  EXPECT_FALSE(verify_state_proof(kSuite, root, 2, as_bytes("absent"), value, bytes));
  EXPECT_EQ(verify_state_proof(kSuite, root, 2, as_bytes("key"), value, {}).error().code, ErrorCode::MALFORMED);
}

}  // namespace
}  // namespace galen
