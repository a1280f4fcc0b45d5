#include "galen/types/transaction.hpp"

#include <gtest/gtest.h>

#include <set>

#include "galen/crypto/merkle.hpp"
#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::make_transaction;
using test::sample_anchor;
using test::sample_chain;
using test::sample_id;
using test::sample_request_id;
const auto kSuite = galen::test::suite();

Transaction::Draft draft() {
  return {sample_chain().genesis.chain_id,
          sample_id<PrincipalId>("author"),
          sample_request_id("r"),
          77,
          {sample_anchor("1"), sample_anchor("2")}};
}
Result<Transaction> decode(ByteSpan bytes) {
  return Transaction::decode(kSuite, sample_chain().genesis.chain_id, bytes);
}

TEST(TransactionTest, KeepsBytesAndFields) {
  auto bytes = Transaction::encode(draft());
  auto transaction = decode(bytes);
  ASSERT_TRUE(transaction) << transaction.error().message;
  EXPECT_EQ(transaction->bytes(), bytes);
  EXPECT_EQ(transaction->author(), draft().author);
  EXPECT_EQ(transaction->request_id(), draft().request_id);
  EXPECT_EQ(transaction->valid_until_ms(), 77u);
  ASSERT_EQ(transaction->operations().size(), 2u);
  EXPECT_EQ(transaction->operations()[1].anchor_record().pointer_id(), sample_anchor("2").anchor_record().pointer_id());
  EXPECT_EQ(transaction->id(), transaction_id(kSuite, draft().author, draft().request_id));
}

TEST(TransactionTest, HashIsEnvelopeCountAndRootOverOperations) {
  auto transaction = *decode(Transaction::encode(draft()));
  ledger::v1::Transaction parsed;
  ASSERT_TRUE(parsed.ParseFromString(to_string(transaction.bytes())));
  std::vector<Hash> leaves;
  for (const auto& operation : parsed.operations()) leaves.push_back(crypto::merkle_leaf(kSuite, as_bytes(operation)));
  auto count = *from_hex("00000002");
  EXPECT_EQ(transaction.hash(), crypto::hash_tagged(kSuite, "galen/1 transaction",
                                                    {crypto::hash(kSuite, as_bytes(parsed.envelope())), count,
                                                     crypto::merkle_root(kSuite, leaves)}));
}

TEST(TransactionTest, HashCoversEveryByte) {
  auto good = *decode(Transaction::encode(draft()));
  std::set<Hash> hashes{good.hash()};
  std::size_t decoded = 0;
  for (std::size_t i = 0; i < good.bytes().size(); ++i) {
    auto bytes = good.bytes();
    bytes[i] ^= 1;
    auto other = decode(bytes);
    if (!other) continue;
    ++decoded;
    EXPECT_TRUE(hashes.insert(other->hash()).second) << "byte " << i;
  }
  EXPECT_GT(decoded, 200u);
}

TEST(TransactionTest, RefusalsHaveTheirCodes) {
  auto with = [](auto change) {
    auto d = draft();
    change(d);
    auto transaction = decode(Transaction::encode(d));
    return transaction ? ErrorCode::OK : transaction.error().code;
  };
  EXPECT_EQ(with([](auto&) {}), ErrorCode::OK);
  EXPECT_EQ(with([](auto& d) { d.chain_id.data[3] ^= 1; }), ErrorCode::WRONG_CHAIN);
  EXPECT_EQ(with([](auto& d) { d.request_id.data[6] = 0x10; }), ErrorCode::BAD_REQUEST_ID);
  EXPECT_EQ(with([](auto& d) { d.request_id.data[8] = 0x00; }), ErrorCode::BAD_REQUEST_ID);
  EXPECT_EQ(with([](auto& d) { d.operations.clear(); }), ErrorCode::MALFORMED);
  EXPECT_EQ(with([](auto& d) { d.valid_until_ms = 0; }), ErrorCode::MALFORMED);
  EXPECT_EQ(with([](auto& d) { d.operations.resize(1001, sample_anchor("1")); }), ErrorCode::TOO_LARGE);
  EXPECT_EQ(with([](auto& d) { d.operations[0].Clear(); }), ErrorCode::MALFORMED);

  auto envelope_with = [](auto change) {
    ledger::v1::Transaction outer;
    ledger::v1::Envelope envelope;
    outer.ParseFromString(to_string(Transaction::encode(draft())));
    envelope.ParseFromString(outer.envelope());
    change(envelope);
    outer.set_envelope(envelope.SerializeAsString());
    auto transaction = decode(as_bytes(outer.SerializeAsString()));
    return transaction ? ErrorCode::OK : transaction.error().code;
  };
  EXPECT_EQ(envelope_with([](auto& e) { e.set_format(2); }), ErrorCode::UNSUPPORTED_VERSION);
  EXPECT_EQ(envelope_with([](auto& e) { e.clear_request_id(); }), ErrorCode::BAD_REQUEST_ID);
  EXPECT_EQ(envelope_with([](auto& e) { e.set_request_id("short"); }), ErrorCode::BAD_REQUEST_ID);
}

TEST(AuthorizationTest, NodeCarriesNothing) {
  auto transaction = *decode(Transaction::encode(draft()));
  auto chain_id = sample_chain().genesis.chain_id;
  EXPECT_TRUE(check_authorization(kSuite, chain_id, transaction.hash(), {}));
  EXPECT_FALSE(check_authorization(kSuite, chain_id, transaction.hash(), {crypto::Scheme::none, {1}}));
  EXPECT_FALSE(Authorization{}.key());
}

TEST(AuthorizationTest, Es256CoversTransactionChainAndKey) {
  auto transaction = *decode(Transaction::encode(draft()));
  auto chain_id = sample_chain().genesis.chain_id;
  const auto& key = sample_chain().patient_key;
  auto signature = key.sign(Transaction::sign_bytes(kSuite, chain_id, transaction.hash()));
  auto good = Authorization::keyed(kSuite, key.public_key(), signature);
  EXPECT_EQ(good.key(), key.public_key());
  EXPECT_TRUE(check_authorization(kSuite, chain_id, transaction.hash(), good));
  for (std::size_t i = 0; i < good.data.size(); ++i) {
    auto bad = good;
    bad.data[i] ^= 1;
    auto status = check_authorization(kSuite, chain_id, transaction.hash(), bad);
    ASSERT_FALSE(status) << i;
    EXPECT_EQ(status.error().code, ErrorCode::BAD_SIGNATURE);
  }
  auto other = transaction.hash();
  other.data[0] ^= 1;
  EXPECT_FALSE(check_authorization(kSuite, chain_id, other, good));
  EXPECT_FALSE(check_authorization(kSuite, other, transaction.hash(), good)) << "replayed on another chain";
}

TEST(AuthorizationTest, OtherSchemesAndLengthsAreMalformed) {
  auto chain_id = sample_chain().genesis.chain_id;
  for (auto scheme : {crypto::Scheme::webauthn_es256,
                      crypto::key_scheme(kSuite) == crypto::Scheme::sm2 ? crypto::Scheme::es256 : crypto::Scheme::sm2,
                      static_cast<crypto::Scheme>(9)})
    EXPECT_EQ(check_authorization(kSuite, chain_id, {}, {scheme, Bytes(129)}).error().code, ErrorCode::MALFORMED);
  for (std::size_t size : {0u, 65u, 128u, 130u})
    EXPECT_EQ(check_authorization(kSuite, chain_id, {}, {crypto::key_scheme(kSuite), Bytes(size)}).error().code,
              ErrorCode::MALFORMED);
}

}  // namespace
}  // namespace galen
