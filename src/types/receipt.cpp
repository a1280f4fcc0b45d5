// The checks of a receipt in the order of docs/spec/formats.md 8: what the bytes are, that the transaction stands in
// the block, that its outcome stands in the results, that q members certify both. Nothing is taken from anywhere but
// genesis, not even the members of later epochs: each link is checked with those before.
#include "galen/types/receipt.hpp"

#include "galen/crypto/merkle.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/types/limits.hpp"
#include "galen/types/proof_check.hpp"
#include "types/operation_text.hpp"

namespace galen {

namespace {

constexpr std::uint32_t kReceiptFormat = 1;
constexpr std::uint16_t kReceiptFileVersion = 1;
constexpr std::string_view kReceiptMagic = "GALENRCP";
constexpr std::size_t kPathSiblingsMax = 64;

Error bad(ErrorCode code, const std::string& part) { return {code, "receipt: " + part}; }

/// Keeps the code, and says which part of the receipt it was.
Error in_field(const char* part, const Error& error) {
  return {error.code, "receipt: " + std::string(part) + ": " + error.message};
}

Result<Hash> read_hash(const std::string& bytes, const char* part) {
  auto hash = Hash::from(bytes);
  if (!hash) return bad(ErrorCode::MALFORMED, std::string(part) + ": not 32 bytes");
  return *hash;
}

Result<Hash> root_of(crypto::Suite suite, const Hash& leaf, const ledger::v1::MerklePath& path, const char* part) {
  if (path.siblings_size() > static_cast<int>(kPathSiblingsMax))
    return bad(ErrorCode::MALFORMED, std::string(part) + ": too long");
  std::vector<Hash> siblings;
  for (const auto& bytes : path.siblings()) {
    GALEN_ASSIGN(auto sibling, read_hash(bytes, part));
    siblings.push_back(sibling);
  }
  auto root = crypto::merkle_root_of_path(suite, leaf, path.index(), path.size(), siblings);
  if (!root) return bad(ErrorCode::BAD_PROOF, std::string(part) + ": impossible index, size or length");
  return *root;
}

Result<BlockHeader> read_header(const EpochChain& epochs, const std::string& bytes, const char* part) {
  auto header = BlockHeader::decode(as_bytes(bytes));
  if (!header) return in_field(part, header.error());
  if (auto status = epochs.check(*header); !status) return in_field(part, status.error());
  return std::move(*header);
}

/// What the checks have established so far.
struct Checked {
  BlockHeader header;
  Hash header_digest;
  BatchHeader batch;
  Hash results_root;
};

Status check_frame(const Genesis& genesis, const ledger::v1::Receipt& receipt) {
  if (receipt.format() != kReceiptFormat) return bad(ErrorCode::UNSUPPORTED_VERSION, "format: unknown");
  GALEN_ASSIGN(auto chain_id, read_hash(receipt.chain_id(), "chain_id"));
  if (chain_id != genesis.chain_id)
    return bad(ErrorCode::WRONG_CHAIN, "chain_id: it is not the one of this genesis.json");
  if (receipt.executed_certificate().empty() != receipt.has_confirmation())
    return bad(ErrorCode::MALFORMED, "certificate: exactly one of executed_certificate and confirmation must be there");
  return {};
}

Result<EpochChain> check_epochs(const Genesis& genesis, const ledger::v1::Receipt& receipt) {
  auto epochs = EpochChain::follow(genesis, epoch_links_of(receipt));
  if (!epochs) return bad(epochs.error().code, epochs.error().message);
  return epochs;
}

/// Transaction -> item -> items root -> batch header -> body root -> header.
Status check_inclusion(const EpochChain& epochs, const ledger::v1::Receipt& receipt, const Transaction& transaction,
                       const Authorization& authorization, Checked& checked) {
  auto suite = epochs.suite();
  auto batch = BatchHeader::decode(as_bytes(receipt.batch_header()));
  if (!batch) return in_field("batch_header", batch.error());
  if (batch->chain_id != epochs.chain_id()) return bad(ErrorCode::WRONG_CHAIN, "batch_header: another chain");
  if (batch->epoch != checked.header.epoch) return bad(ErrorCode::MALFORMED, "batch_header: another epoch");
  if (batch->origin >= epochs.members_of(batch->epoch).size())
    return bad(ErrorCode::MALFORMED, "batch_header: its origin is no member");
  checked.batch = std::move(*batch);

  auto item = crypto::merkle_leaf(suite, item_leaf_data(suite, transaction.hash(), authorization));
  GALEN_ASSIGN(auto items_root, root_of(suite, item, receipt.item_path(), "item_path"));
  if (receipt.item_path().size() != checked.batch.item_count)
    return bad(ErrorCode::BAD_PROOF, "item_path: its size is not the batch's item count");
  if (items_root != checked.batch.items_root)
    return bad(ErrorCode::BAD_PROOF, "item_path: the transaction and its authorization do not lead to the items root");

  auto leaf = crypto::merkle_leaf(suite, checked.batch.digest(suite));
  GALEN_ASSIGN(auto body, root_of(suite, leaf, receipt.batch_path(), "batch_path"));
  if (receipt.batch_path().size() != checked.header.batch_count)
    return bad(ErrorCode::BAD_PROOF, "batch_path: its size is not the block's batch count");
  if (body != checked.header.body_root)
    return bad(ErrorCode::BAD_PROOF, "batch_path: the batch header does not lead to the body root");
  return {};
}

/// Code and results -> outcome leaf -> outcome root -> results root.
Status check_outcome(const EpochChain& epochs, const ledger::v1::Receipt& receipt, const Transaction& transaction,
                     Checked& checked) {
  auto suite = epochs.suite();
  const auto& path = receipt.outcome_path();
  if (receipt.code() > 0xffff) return bad(ErrorCode::MALFORMED, "code: out of range");
  auto results_expected = receipt.code() == 0 ? transaction.operations().size() : 0;
  if (static_cast<std::size_t>(receipt.results_size()) != results_expected)
    return bad(ErrorCode::MALFORMED, "results: one for every operation when the code is 0, else none");
  // Every batch before this one holds at least one item.
  auto index_min = receipt.batch_path().index() + receipt.item_path().index();
  bool fits = receipt.batch_path().index() == 0 ? path.index() == index_min : path.index() >= index_min;
  if (!fits || path.index() > 0xffffffff)
    return bad(ErrorCode::BAD_PROOF, "outcome_path: its index is not the item's place in the block");
  std::vector<Bytes> results;
  for (const auto& result : receipt.results()) results.push_back(to_bytes(std::string_view(result)));
  auto leaf =
      crypto::merkle_leaf(suite, outcome_leaf_data(suite, static_cast<std::uint32_t>(path.index()), transaction.hash(),
                                                   transaction.id(), receipt.code(), results));
  GALEN_ASSIGN(auto outcome_root, root_of(suite, leaf, path, "outcome_path"));
  GALEN_ASSIGN(auto previous, read_hash(receipt.previous_results_root(), "previous_results_root"));
  checked.results_root = next_results_root(suite, previous, checked.header.height, outcome_root);
  return {};
}

Result<Signers> check_executed(const EpochChain& epochs, const ledger::v1::Receipt& receipt,
                                                const Checked& checked) {
  auto certificate = ExecutedCertificate::decode(as_bytes(receipt.executed_certificate()));
  if (!certificate) return in_field("executed_certificate", certificate.error());
  GALEN_ASSIGN(auto state_root, read_hash(receipt.state_root(), "state_root"));
  const auto& subject = certificate->subject;
  if (subject.height != checked.header.height || subject.digest != checked.header_digest)
    return bad(ErrorCode::BAD_PROOF, "executed_certificate: it is about another block");
  if (subject.results_root != checked.results_root)
    return bad(ErrorCode::BAD_PROOF, "outcome_path: code and results do not lead to the certified results root");
  if (subject.state_root != state_root) return bad(ErrorCode::BAD_PROOF, "state_root: it is not the certified one");
  const auto epoch = checked.header.epoch;
  if (auto status = certificate->verify(epochs.context_of(epoch), epochs.members_of(epoch)); !status)
    return in_field("executed_certificate", status.error());
  return epochs.signers(epoch, certificate->signers);
}

/// A COMMIT-QC of this header.
Result<Signers> check_commit(const EpochChain& epochs, const std::string& bytes,
                                              const BlockHeader& header, const char* part) {
  auto certificate = QuorumCertificate::decode(as_bytes(bytes));
  if (!certificate) return in_field(part, certificate.error());
  if (certificate->phase != VotePhase::commit)
    return bad(ErrorCode::BAD_CERTIFICATE, std::string(part) + ": not a COMMIT");
  const auto& subject = certificate->subject;
  if (subject.height != header.height || subject.digest != header.digest(epochs.suite()) || subject.view < header.view)
    return bad(ErrorCode::BAD_PROOF, std::string(part) + ": it is about another block");
  const auto epoch = header.epoch;
  if (auto status = certificate->verify(epochs.context_of(epoch), epochs.members_of(epoch)); !status)
    return in_field(part, status.error());
  return epochs.signers(epoch, certificate->signers);
}

/// The block stands in the history of the confirming header.
Status check_history(const EpochChain& epochs, const ledger::v1::HeaderConfirmation& confirmation,
                     const BlockHeader& later, const Checked& checked) {
  constexpr auto kPart = "confirmation.history_path";
  if (!confirmation.block_commit_certificate().empty())
    return bad(ErrorCode::MALFORMED,
               std::string(kPart) + ": exactly one of block_commit_certificate and history_path must be there");
  const auto& path = confirmation.history_path();
  auto leaf = crypto::merkle_leaf(epochs.suite(), checked.header_digest);
  GALEN_ASSIGN(auto root, root_of(epochs.suite(), leaf, path, kPart));
  if (path.index() != checked.header.height || path.size() != later.history_size)
    return bad(ErrorCode::BAD_PROOF, std::string(kPart) + ": it is of another height, or of a tree of another size");
  if (root != later.history_root)
    return bad(ErrorCode::BAD_PROOF,
               std::string(kPart) + ": the block does not lead to the confirming header's history");
  return {};
}

Result<Signers> check_confirmation(const EpochChain& epochs, const ledger::v1::Receipt& receipt,
                                                    const Checked& checked) {
  const auto& confirmation = receipt.confirmation();
  GALEN_ASSIGN(auto later, read_header(epochs, confirmation.header(), "confirmation.header"));
  auto height = checked.header.height;
  if (later.exec_height < height || later.exec_height >= later.height)
    return bad(ErrorCode::BAD_PROOF, "confirmation.header: it does not confirm this height");
  auto roots_expected = later.exec_height - height;
  if (static_cast<std::uint64_t>(confirmation.later_outcome_roots_size()) != roots_expected)
    return bad(ErrorCode::BAD_PROOF, "confirmation.later_outcome_roots: not one for every height between");
  auto results_root = checked.results_root;
  for (const auto& bytes : confirmation.later_outcome_roots()) {
    GALEN_ASSIGN(auto root, read_hash(bytes, "confirmation.later_outcome_roots"));
    results_root = next_results_root(epochs.suite(), results_root, ++height, root);
  }
  if (results_root != later.results_root)
    return bad(ErrorCode::BAD_PROOF, "outcome_path: code and results do not lead to the confirmed results root");
  // A later header proves a later state, so it can vouch for this block's state root only when it confirms this height.
  if (roots_expected > 0 && !receipt.state_root().empty())
    return bad(ErrorCode::BAD_PROOF, "state_root: the confirmation does not prove it, so it must be empty");
  if (roots_expected == 0 && as_text(later.state_root) != receipt.state_root())
    return bad(ErrorCode::BAD_PROOF, "state_root: it is not the confirmed one");
  if (confirmation.has_history_path())
    GALEN_TRY(check_history(epochs, confirmation, later, checked));
  else
    GALEN_TRY(check_commit(epochs, confirmation.block_commit_certificate(), checked.header,
                           "confirmation.block_commit_certificate"));
  return check_commit(epochs, confirmation.commit_certificate(), later, "confirmation.commit_certificate");
}

}  // namespace

Result<ReceiptVerdict> verify_receipt(const Genesis& genesis, const ledger::v1::Receipt& receipt) {
  GALEN_TRY(check_frame(genesis, receipt));
  GALEN_ASSIGN(const auto epochs, check_epochs(genesis, receipt));
  Checked checked;
  GALEN_ASSIGN(checked.header, read_header(epochs, receipt.header(), "header"));
  checked.header_digest = checked.header.digest(genesis.suite);

  auto transaction = Transaction::decode(genesis.suite, genesis.chain_id, as_bytes(receipt.transaction()));
  if (!transaction) return in_field("transaction", transaction.error());
  if (receipt.scheme() > static_cast<std::uint32_t>(crypto::Scheme::sm2))
    return bad(ErrorCode::MALFORMED, "scheme: unknown");
  if (receipt.authorization().size() > limits::kAuthorizationBytesMax)
    return bad(ErrorCode::MALFORMED, "authorization: longer than its limit");
  Authorization authorization{static_cast<crypto::Scheme>(receipt.scheme()),
                              to_bytes(std::string_view(receipt.authorization()))};
  if (auto status = check_authorization(genesis.suite, genesis.chain_id, transaction->hash(), authorization); !status)
    return in_field("authorization", status.error());

  GALEN_TRY(check_inclusion(epochs, receipt, *transaction, authorization, checked));
  GALEN_TRY(check_outcome(epochs, receipt, *transaction, checked));
  auto certified_by = receipt.has_confirmation() ? check_confirmation(epochs, receipt, checked)
                                                 : check_executed(epochs, receipt, checked);
  if (!certified_by) return std::move(certified_by).error();

  ReceiptVerdict verdict;
  verdict.height = checked.header.height;
  verdict.time_ms = checked.header.time_ms;
  verdict.transaction_id = transaction->id();
  verdict.author = transaction->author();
  verdict.author_signed = authorization.scheme != crypto::Scheme::none;
  verdict.origin = epochs.members_of(checked.batch.epoch)[checked.batch.origin].id;
  verdict.code = static_cast<ErrorCode>(receipt.code());
  for (const auto& operation : transaction->operations()) verdict.operations.push_back(operation_text(operation));
  for (int i = 0; i < receipt.results_size(); ++i) {
    auto entry = decision_of(transaction->operations()[static_cast<std::size_t>(i)], static_cast<std::uint32_t>(i),
                             checked.header, transaction->id(), transaction->author(), as_bytes(receipt.results(i)));
    if (entry) verdict.decisions.push_back(std::move(*entry));
  }
  verdict.certified_by = std::move(*certified_by);
  return verdict;
}

std::vector<EpochLink> epoch_links_of(const ledger::v1::Receipt& receipt) {
  std::vector<EpochLink> out;
  for (const auto& link : receipt.epochs())
    out.push_back({to_bytes(std::string_view(link.header())), to_bytes(std::string_view(link.next_members())),
                   to_bytes(std::string_view(link.commit_certificate()))});
  return out;
}

void set_epoch_links(ledger::v1::Receipt& receipt, std::span<const EpochLink> links) {
  receipt.clear_epochs();
  for (const auto& link : links) {
    auto* out = receipt.add_epochs();
    out->set_header(to_string(link.header));
    out->set_next_members(to_string(link.next_members));
    out->set_commit_certificate(to_string(link.commit_certificate));
  }
}

Result<ledger::v1::Receipt> decode_receipt_file(ByteSpan bytes) {
  ByteReader in(bytes);
  auto magic = in.raw(kReceiptMagic.size());
  auto version = in.u16();
  if (!in.ok() || as_text(magic) != kReceiptMagic)
    return bad(ErrorCode::MALFORMED, "file: it does not begin with GALENRCP");
  if (version != kReceiptFileVersion) return bad(ErrorCode::UNSUPPORTED_VERSION, "file: its version is unknown");
  if (in.remaining() > limits::kReceiptBytesMax) return bad(ErrorCode::TOO_LARGE, "file: it is longer than its limit");
  auto body = in.raw(in.remaining());
  ledger::v1::Receipt receipt;
  if (!receipt.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return bad(ErrorCode::MALFORMED, "file: it is cut short or damaged");
  // Evidence says one thing in one way: nothing rides along that a reader would not see.
  receipt.DiscardUnknownFields();
  if (receipt.SerializeAsString() != as_text(body))
    return bad(ErrorCode::MALFORMED, "file: it is not in canonical form");
  return receipt;
}

Bytes encode_receipt_file(const ledger::v1::Receipt& receipt) {
  auto body = receipt.SerializeAsString();
  return ByteWriter(10 + body.size()).raw(kReceiptMagic).u16(kReceiptFileVersion).raw(body).bytes();
}

Status verify_state_proof(crypto::Suite suite, const Hash& state_root, std::uint8_t kind, ByteSpan key,
                          const std::optional<Bytes>& value, ByteSpan encoded_proof) {
  auto proof = crypto::StateProof::decode(encoded_proof);
  if (!proof) return {ErrorCode::MALFORMED, "state proof: its bytes"};
  auto result = crypto::root_of_state_proof(suite, crypto::state_path(suite, kind, key), *proof);
  if (!result) return {ErrorCode::BAD_PROOF, "state proof: its end does not fit the key"};
  if (result->root != state_root) return {ErrorCode::BAD_PROOF, "state proof: it does not lead to the state root"};
  if (result->present != value.has_value())
    return {ErrorCode::BAD_PROOF, result->present ? "state proof: the row is there" : "state proof: the row is absent"};
  if (value && crypto::hash(suite, *value) != proof->terminal->value_hash)
    return {ErrorCode::BAD_PROOF, "state proof: the value is another one"};
  return {};
}

Hash next_access_hash(crypto::Suite suite, const Hash& previous, ByteSpan entry) {
  return crypto::hash_tagged(suite, "galen/1 access", {previous, entry});
}

}  // namespace galen
