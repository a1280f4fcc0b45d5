// A small chain with fixed keys: four members, one block with three batches, its outcomes, certificates and receipts.
// Its signatures are stored in tests/golden, since ECDSA gives other bytes each time; GALEN_GOLDEN_WRITE=1 makes them
// anew.
#pragma once

#include <map>
#include <string>

#include "galen/types/genesis.hpp"
#include "galen/types/receipt.hpp"

namespace galen::test {

bool golden_write();  ///< GALEN_GOLDEN_WRITE is set
std::string golden_path(const std::string& name);
std::string read_text(const std::string& path);  ///< empty if it cannot be read
void write_text(const std::string& path, std::string_view text);

/// Compares with tests/golden/NAME, or writes it.
void expect_golden(const std::string& name, std::string_view text);
/// As hexadecimal, 64 bytes a line.
void expect_golden_hex(const std::string& name, ByteSpan bytes);

template <class Fixed>
Fixed sample_id(std::string_view name) {
  auto digest = crypto::hash(crypto::Suite::p256_sha256, as_bytes(name));
  Fixed out;
  std::memcpy(out.data.data(), digest.data.data(), Fixed::kSize);
  return out;
}
RequestId sample_request_id(std::string_view name);

/// What executing one item gave.
struct SampleOutcome {
  ErrorCode code = ErrorCode::OK;
  std::vector<Bytes> results;
};

struct SampleChain {
  SampleChain();

  Genesis genesis;
  ChainContext context;
  std::vector<crypto::PrivateKey> keys;
  crypto::PrivateKey patient_key;

  std::vector<BatchPtr> batches;
  BlockHeader header;
  BlockSkeleton skeleton;
  std::vector<SampleOutcome> outcomes;  ///< of all items in order
  Hash outcome_root, state_root, previous_results_root, results_root;
  ExecutedCertificate executed;
  QuorumCertificate commit;

  /// Of item `index` of the block, with the EXECUTED certificate.
  ledger::v1::Receipt receipt(std::size_t index) const;
  /// With a later header that confirms `later` heights beyond the block's.
  ledger::v1::Receipt confirmed_receipt(std::size_t index, std::size_t later) const;

  /// The stored signature of that name over the message; a new one if none is stored.
  Signature sign(const std::string& name, const crypto::PrivateKey& key, ByteSpan message) const;
  QuorumCertificate certify(const std::string& name, VotePhase phase, const VoteSubject& subject) const;

 private:
  void make_batches();
  void make_block();
  void execute();
};

/// Made once per process.
const SampleChain& sample_chain();

ledger::v1::Operation sample_anchor(std::string_view name);
Transaction make_transaction(const Genesis& genesis, std::string_view name, const PrincipalId& author,
                             std::vector<ledger::v1::Operation> operations);

}  // namespace galen::test
