// What members and clients send of the ledger's own types. What decodes must be the only form of itself.
#include "fuzz/fuzz.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/types/batch.hpp"
#include "galen/types/block.hpp"
#include "galen/types/certificate.hpp"
#include "galen/types/genesis.hpp"
#include "galen/types/receipt.hpp"
#include "galen/types/transaction.hpp"
#include "galen/types/wire_scan.hpp"

namespace galen {
namespace {

const Genesis& golden_genesis() {
  static const Genesis genesis = *Genesis::parse(as_bytes(fuzz::read_source_file("tests/golden/genesis.json")));
  return genesis;
}

void expect_same(const Bytes& encoded, ByteSpan input) {
  GALEN_ASSERT(std::equal(encoded.begin(), encoded.end(), input.begin(), input.end()));
}

}  // namespace

GALEN_FUZZ_TARGET(transaction) {
  const auto& genesis = golden_genesis();
  auto transaction = Transaction::decode(crypto::Suite::p256_sha256, genesis.chain_id, input);
  if (transaction) {
    GALEN_ASSERT(scan_transaction(input).has_value());
    expect_same(transaction->bytes(), input);
    auto again = Transaction::encode({.chain_id = genesis.chain_id,
                                      .author = transaction->author(),
                                      .request_id = transaction->request_id(),
                                      .valid_until_ms = transaction->valid_until_ms(),
                                      .operations = transaction->operations()});
    expect_same(again, input);
  }
  scan_operation(input).ignore("either is fine");
  scan_envelope(input).ignore("either is fine");
}

GALEN_FUZZ_TARGET(receipt) {
  auto receipt = decode_receipt_file(input);
  if (!receipt) return;
  expect_same(encode_receipt_file(*receipt), input);
  verify_receipt(golden_genesis(), *receipt).has_value();
}

GALEN_FUZZ_TARGET(batch) {
  auto batch = Batch::decode(golden_genesis().context(), input);
  if (batch) expect_same(batch->bytes(), input);
}

GALEN_FUZZ_TARGET(block) {
  auto block = Block::decode(golden_genesis().context(), input);
  if (block) expect_same(block->encode(), input);
  auto skeleton = BlockSkeleton::decode(crypto::Suite::p256_sha256, input);
  if (skeleton) expect_same(skeleton->encode(), input);
}

GALEN_FUZZ_TARGET(certificate) {
  const auto& genesis = golden_genesis();
  if (auto quorum = QuorumCertificate::decode(input)) {
    expect_same(quorum->encode(), input);
    quorum->verify(genesis.context(), genesis.member_set).ignore("either is fine");
  }
  if (auto executed = ExecutedCertificate::decode(input)) {
    expect_same(executed->encode(), input);
    executed->verify(genesis.context(), genesis.member_set).ignore("either is fine");
  }
}

GALEN_FUZZ_TARGET(members) {
  if (auto members = MemberSet::decode(input)) expect_same(members->encode(), input);
  crypto::StateProof::decode(input).has_value();
}

GALEN_FUZZ_TARGET(genesis) {
  auto genesis = Genesis::parse(input);
  if (genesis) GALEN_ASSERT(Genesis::parse(as_bytes(Genesis::to_json(*genesis))).has_value());
}

}  // namespace galen
