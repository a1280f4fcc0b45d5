// Checking a transaction proof (docs/spec/evidence.md 1.4 and 3): from the shown operations and the envelope to the
// transaction hash, to the block, and from the results to the certified results root.
#include "galen/crypto/merkle.hpp"
#include "galen/types/batch.hpp"
#include "galen/types/proof_check.hpp"
#include "galen/types/wire_scan.hpp"
#include "types/operation_text.hpp"

namespace galen {

namespace {

class TransactionCheck {
 public:
  TransactionCheck(const EpochChain& epochs, const BlockVerdict& block, const TransactionProof& proof,
                   const std::string& part)
      : epochs_(epochs), suite_(epochs.suite()), block_(block), proof_(proof), part_(part) {}

  Result<TransactionVerdict> run() {
    auto envelope = EnvelopeFields::decode(epochs_.chain_id(), proof_.envelope);
    if (!envelope) return in_part(part_ + ".envelope", envelope.error());
    verdict_.height = block_.header.height;
    verdict_.author = envelope->author;
    verdict_.id = transaction_id(suite_, envelope->author, envelope->request_id);
    verdict_.code = static_cast<ErrorCode>(proof_.code);
    verdict_.operations = proof_.operations;
    GALEN_ASSIGN(auto operations_root, check_operations());
    hash_ = transaction_hash(suite_, proof_.envelope, proof_.operations, operations_root);
    GALEN_TRY(check_inclusion());
    GALEN_TRY(check_outcome());
    if (proof_.code == 0) GALEN_TRY(check_decisions());
    return std::move(verdict_);
  }

 private:
  std::string name(const ShownOperation& shown) const {
    return part_ + ".operations[" + std::to_string(shown.index) + "]";
  }
  Error bad(const std::string& part, const char* sentence) const {
    return proof_error(ErrorCode::BAD_PROOF, part, sentence);
  }
  std::optional<Hash> lead(ByteSpan data, std::uint64_t index, std::uint64_t size, const ProofPath& path) const {
    return crypto::merkle_root_of_path(suite_, crypto::merkle_leaf(suite_, data), index, size, path);
  }

  Result<Hash> check_operations() {
    std::optional<Hash> common;
    for (const auto& shown : proof_.shown) {
      if (auto status = scan_operation(shown.operation); !status) return in_part(name(shown), status.error());
      ledger::v1::Operation operation;
      if (!operation.ParseFromArray(shown.operation.data(), static_cast<int>(shown.operation.size())))
        return proof_error(ErrorCode::MALFORMED, name(shown), "does not parse");
      auto root = lead(shown.operation, shown.index, proof_.operations, shown.path);
      if (!root || (common && *root != *common))
        return bad(name(shown) + ".path", "it does not lead to the operations root");
      common = root;
      verdict_.shown.push_back({shown.index, operation_text(operation), std::nullopt});
      operations_.push_back(std::move(operation));
    }
    return *common;  // framing lets no proof through that shows nothing
  }

  /// Authorization, then transaction -> item -> items root -> batch header -> body root.
  Status check_inclusion() {
    Authorization authorization{static_cast<crypto::Scheme>(proof_.scheme), proof_.authorization};
    auto part = part_ + ".authorization";
    if (auto status = check_authorization(suite_, epochs_.chain_id(), hash_, authorization); !status)
      return in_part(part, status.error());
    verdict_.author_signed = authorization.scheme != crypto::Scheme::none;

    part = part_ + ".batch_header";
    auto batch = BatchHeader::decode(proof_.batch_header);
    if (!batch) return in_part(part, batch.error());
    if (batch->chain_id != epochs_.chain_id()) return proof_error(ErrorCode::WRONG_CHAIN, part, "another chain");
    if (batch->epoch != block_.header.epoch) return proof_error(ErrorCode::MALFORMED, part, "another epoch");
    const auto& members = epochs_.members_of(batch->epoch);
    if (batch->origin >= members.size()) return proof_error(ErrorCode::MALFORMED, part, "its origin is no member");
    verdict_.origin = members[batch->origin].id;

    auto item = item_leaf_data(suite_, hash_, authorization);
    if (lead(item, proof_.item_index, batch->item_count, proof_.item_path) != batch->items_root)
      return bad(part_ + ".item_path", "the transaction and its authorization do not lead to the items root");
    auto body = lead(batch->digest(suite_), proof_.batch_index, block_.header.batch_count, proof_.batch_path);
    if (body != block_.header.body_root)
      return bad(part_ + ".batch_path", "the batch header does not lead to the body root");
    return {};
  }

  Result<Hash> results_root() const {
    if (proof_.code != 0) return crypto::merkle_root(suite_, {});
    std::optional<Hash> common;
    for (const auto& shown : proof_.shown) {
      auto root = lead(shown.result, shown.index, proof_.operations, shown.result_path);
      if (!root || (common && *root != *common))
        return bad(name(shown) + ".result_path", "it does not lead to the root over the results");
      common = root;
    }
    return *common;
  }

  /// Code and results -> outcome leaf -> outcome root -> results root.
  Status check_outcome() {
    GALEN_ASSIGN(auto results, results_root());
    auto part = part_ + ".outcome_path";
    // Every batch before this one holds at least one item.
    std::uint64_t index_min = std::uint64_t{proof_.item_index} + proof_.batch_index;
    if (proof_.outcome_index < index_min || (proof_.batch_index == 0 && proof_.outcome_index != index_min))
      return bad(part, "its index is not the item's place in the block");
    auto leaf = outcome_leaf_data_of_root(proof_.outcome_index, hash_, verdict_.id, proof_.code, results);
    auto outcome_root = lead(leaf, proof_.outcome_index, proof_.outcome_size, proof_.outcome_path);
    if (!outcome_root) return bad(part, "its length does not fit index and size");
    auto here = next_results_root(suite_, proof_.previous_results_root, block_.header.height, *outcome_root);
    if (!block_.proves_results(suite_, here))
      return bad(part, "code and results do not lead to the certified results root");
    return {};
  }

  Status check_decisions() {
    for (std::size_t i = 0; i < proof_.shown.size(); ++i) {
      if (!operations_[i].has_decide()) continue;
      const auto& shown = proof_.shown[i];
      auto entry = decision_of(operations_[i], shown.index, block_.header, verdict_.id, verdict_.author, shown.result);
      if (!entry)
        return proof_error(ErrorCode::MALFORMED, name(shown) + ".result", "it is no audit entry of this question");
      verdict_.shown[i].decision = std::move(entry);
    }
    return {};
  }

  const EpochChain& epochs_;
  const crypto::Suite suite_;
  const BlockVerdict& block_;
  const TransactionProof& proof_;
  const std::string part_;
  TransactionVerdict verdict_;
  Hash hash_;
  std::vector<ledger::v1::Operation> operations_;
};

}  // namespace

Result<TransactionVerdict> check_transaction_proof(const EpochChain& epochs, const BlockVerdict& block,
                                                   const TransactionProof& proof, const std::string& part) {
  return TransactionCheck(epochs, block, proof, part).run();
}

std::optional<ledger::v1::AccessEntry> decision_of(const ledger::v1::Operation& operation, std::uint32_t index,
                                                   const BlockHeader& header, const TransactionId& id,
                                                   const PrincipalId& author, ByteSpan result) {
  ledger::v1::AccessEntry entry;
  if (!operation.has_decide() || !entry.ParseFromArray(result.data(), static_cast<int>(result.size())))
    return std::nullopt;
  entry.DiscardUnknownFields();
  const auto& asked = operation.decide();
  bool same = entry.SerializeAsString() == as_text(result) && entry.format() == 1 && entry.height() == header.height &&
              entry.time_ms() == header.time_ms && entry.transaction_id() == as_text(id) &&
              entry.operation() == index && entry.patient() == asked.patient() &&
              entry.requester() == asked.requester() && entry.author() == as_text(author) &&
              entry.purpose() == asked.purpose() && entry.pointer_id() == asked.pointer_id();
  auto reason = entry.reason();
  if (!same || reason < 1 || reason > 7 || entry.permit() != (reason <= 2)) return std::nullopt;
  return entry;
}

}  // namespace galen
