// Certified headers, certified blocks, state rows and consistency (docs/spec/evidence.md 3).
#include "galen/types/proof_check.hpp"

#include "galen/crypto/merkle.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/types/state_key.hpp"
#include "types/proof_parts.hpp"

namespace galen {

Error proof_error(ErrorCode code, const std::string& part, const std::string& sentence) {
  return {code, part + ": " + sentence};
}

Error in_part(const std::string& part, const Error& error) { return {error.code, part + ": " + error.message}; }

std::string_view failed_part(std::string_view message) {
  auto first = message.find(": ");
  if (first == std::string_view::npos) return {};
  auto rest = message.substr(first + 2);
  auto second = rest.find(": ");
  return second == std::string_view::npos ? std::string_view{} : rest.substr(0, second);
}

Result<BlockHeader> check_header(const EpochChain& epochs, ByteSpan bytes, const std::string& part) {
  auto header = BlockHeader::decode(bytes);
  if (!header) return in_part(part, header.error());
  if (auto status = epochs.check(*header); !status) return in_part(part, status.error());
  if (header->history_size != header->height)
    return proof_error(ErrorCode::MALFORMED, part, "its history has another size than its height");
  return std::move(*header);
}

std::optional<Hash> history_root_of(crypto::Suite suite, const Hash& digest, Height height, const BlockHeader& later,
                                    const ProofPath& path) {
  return crypto::merkle_root_of_path(suite, crypto::merkle_leaf(suite, digest), height, later.history_size, path);
}

namespace {

/// A COMMIT-QC of this header; its signers.
Result<Signers> check_commit(const EpochChain& epochs, const Bytes& bytes, const BlockHeader& header,
                                              const Hash& digest, const std::string& part) {
  auto certificate = QuorumCertificate::decode(bytes);
  if (!certificate) return in_part(part, certificate.error());
  if (certificate->phase != VotePhase::commit) return proof_error(ErrorCode::BAD_CERTIFICATE, part, "it is no COMMIT");
  const auto& subject = certificate->subject;
  if (subject.height != header.height || subject.digest != digest || subject.view < header.view)
    return proof_error(ErrorCode::BAD_PROOF, part, "it is about another block");
  const auto epoch = header.epoch;
  if (auto status = certificate->verify(epochs.context_of(epoch), epochs.members_of(epoch)); !status)
    return in_part(part, status.error());
  return epochs.signers(epoch, certificate->signers);
}

Status check_executed(const EpochChain& epochs, const Bytes& bytes, const std::string& part, BlockVerdict& verdict) {
  auto certificate = ExecutedCertificate::decode(bytes);
  if (!certificate) return in_part(part, certificate.error());
  const auto& subject = certificate->subject;
  if (subject.height != verdict.header.height || subject.digest != verdict.digest)
    return proof_error(ErrorCode::BAD_PROOF, part, "it is about another block");
  const auto epoch = verdict.header.epoch;
  if (auto status = certificate->verify(epochs.context_of(epoch), epochs.members_of(epoch)); !status)
    return in_part(part, status.error());
  verdict.at_once = true;
  verdict.certified_height = subject.height;
  verdict.results_root = subject.results_root;
  verdict.state_root = subject.state_root;
  verdict.certified_by = epochs.signers(epoch, certificate->signers);
  return {};
}

Status check_history(const EpochChain& epochs, const CertifiedBlock::History& proof, const std::string& part,
                     BlockVerdict& verdict) {
  GALEN_ASSIGN(auto confirming, check_certified_header(epochs, proof.confirming, part + ".confirming"));
  const auto& later = confirming.header;
  auto height = verdict.header.height;
  if (later.exec_height < height || later.exec_height >= later.height)
    return proof_error(ErrorCode::BAD_PROOF, part + ".confirming.header", "it does not confirm this height");
  if (history_root_of(epochs.suite(), verdict.digest, height, later, proof.path) != later.history_root)
    return proof_error(ErrorCode::BAD_PROOF, part + ".path", "it does not lead to the confirming header's history");
  if (proof.later_outcome_roots.size() != later.exec_height - height)
    return proof_error(ErrorCode::BAD_PROOF, part + ".later_outcome_roots",
                       "there is not one for every height between");
  verdict.certified_height = confirming.certified_height;
  verdict.certified_by = std::move(confirming.certified_by);
  verdict.results_root = later.results_root;
  verdict.later_outcome_roots = proof.later_outcome_roots;
  if (proof.later_outcome_roots.empty()) verdict.state_root = later.state_root;
  return {};
}

}  // namespace

bool BlockVerdict::proves_results(crypto::Suite suite, const Hash& results_root_here) const {
  auto root = results_root_here;
  auto height = header.height;
  for (const auto& outcomes : later_outcome_roots) root = next_results_root(suite, root, ++height, outcomes);
  return root == results_root;
}

Result<HeaderVerdict> check_certified_header(const EpochChain& epochs, const CertifiedHeader& proof,
                                             const std::string& part) {
  HeaderVerdict out;
  GALEN_ASSIGN(out.header, check_header(epochs, proof.header, part + ".header"));
  out.digest = out.header.digest(epochs.suite());
  auto last = out.header;
  auto last_digest = out.digest;
  if (proof.later) {
    GALEN_ASSIGN(last, check_header(epochs, proof.later->header, part + ".later_header"));
    if (last.height <= out.header.height ||
        history_root_of(epochs.suite(), out.digest, out.header.height, last, proof.later->path) != last.history_root)
      return proof_error(ErrorCode::BAD_PROOF, part + ".later_path", "it does not lead to the later header's history");
    last_digest = last.digest(epochs.suite());
  }
  out.certified_height = last.height;
  GALEN_ASSIGN(out.certified_by,
               check_commit(epochs, proof.commit_certificate, last, last_digest, part + ".commit_certificate"));
  return out;
}

Result<BlockVerdict> check_certified_block(const EpochChain& epochs, const CertifiedBlock& proof,
                                           const std::string& part) {
  BlockVerdict out;
  GALEN_ASSIGN(out.header, check_header(epochs, proof.header, part + ".header"));
  out.digest = out.header.digest(epochs.suite());
  if (proof.history)
    GALEN_TRY(check_history(epochs, *proof.history, part, out));
  else
    GALEN_TRY(check_executed(epochs, proof.executed_certificate, part + ".executed_certificate", out));
  return out;
}

Result<StateVerdict> check_state_row_proof(const EpochChain& epochs, const BlockVerdict& block,
                                           const StateRowProof& proof, const std::string& part) {
  auto bad = [&](const char* field, const char* sentence) {
    return proof_error(ErrorCode::BAD_PROOF, part + field, sentence);
  };
  if (!block.state_root) return bad(".block", "the block's certificate proves no state of its height");
  if (state_key_bytes(proof.kind) != proof.key.size())
    return proof_error(ErrorCode::MALFORMED, part + ".key", "no row has such a kind and length");
  auto decoded = crypto::StateProof::decode(proof.proof);
  if (!decoded) return proof_error(ErrorCode::MALFORMED, part + ".proof", "its bytes do not decode");
  auto result =
      crypto::root_of_state_proof(epochs.suite(), crypto::state_path(epochs.suite(), proof.kind, proof.key), *decoded);
  if (!result) return bad(".proof", "its end does not fit the key");
  if (result->root != *block.state_root) return bad(".proof", "it does not lead to the certified state root");
  if (result->present != proof.value.has_value())
    return bad(".proof", result->present ? "the row is there" : "the row is absent");
  if (proof.value && crypto::hash(epochs.suite(), *proof.value) != decoded->terminal->value_hash)
    return bad(".value", "the row holds another one");
  return StateVerdict{block.header.height, static_cast<StateKind>(proof.kind), proof.key, proof.value};
}

Result<ConsistencyVerdict> check_consistency_proof(const EpochChain& epochs, const ConsistencyProof& proof,
                                                   const std::string& part) {
  ConsistencyVerdict out;
  GALEN_ASSIGN(out.from, check_header(epochs, proof.old_header, part + ".old_header"));
  out.from_digest = out.from.digest(epochs.suite());
  GALEN_ASSIGN(auto now, check_certified_header(epochs, proof.now, part + ".new"));
  if (out.from.height >= now.header.height ||
      !crypto::merkle_verify_consistency(epochs.suite(), out.from.history_size, now.header.history_size,
                                         out.from.history_root, now.header.history_root, proof.consistency_path))
    return proof_error(ErrorCode::BAD_PROOF, part + ".consistency_path",
                       "the old history is not the beginning of the new one");
  if (history_root_of(epochs.suite(), out.from_digest, out.from.height, now.header, proof.inclusion_path) !=
      now.header.history_root)
    return proof_error(ErrorCode::BAD_PROOF, part + ".path", "the old header does not lead to the new history");
  out.to = now.header;
  out.to_digest = now.digest;
  out.certified_height = now.certified_height;
  out.certified_by = std::move(now.certified_by);
  return out;
}

}  // namespace galen
