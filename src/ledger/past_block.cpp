#include "galen/ledger/past_block.hpp"

#include "galen/crypto/merkle.hpp"

namespace galen::ledger {
namespace {

Error malformed(const char* what) { return make_error(ErrorCode::MALFORMED, std::string("past block: ") + what); }
Error bad_proof(const char* what) { return make_error(ErrorCode::BAD_PROOF, std::string("past block: ") + what); }
Error bad_certificate(const char* what) {
  return make_error(ErrorCode::BAD_CERTIFICATE, std::string("past block: ") + what);
}

std::size_t count_items(const Block& block) {
  std::size_t items = 0;
  for (const auto& batch : block.batches) items += batch->items().size();
  return items;
}

Status check_certificates(const EpochChain& epochs, const PastWanted& wanted, ByteSpan commit, ByteSpan executed,
                          PastBlock& past) {
  const auto epoch = past.block->skeleton.header.epoch;
  const auto& context = epochs.context_of(epoch);
  const auto& members = epochs.members_of(epoch);
  if (!commit.empty()) {
    GALEN_ASSIGN(auto certificate, QuorumCertificate::decode(commit));
    if (certificate.phase != VotePhase::commit || certificate.subject.height != wanted.height ||
        certificate.subject.digest != wanted.digest)
      return bad_certificate("the COMMIT-QC is of another block");
    GALEN_TRY(certificate.verify(context, members));
    past.commit = std::move(certificate);
  }
  if (!executed.empty()) {
    GALEN_ASSIGN(auto certificate, ExecutedCertificate::decode(executed));
    const auto& subject = certificate.subject;
    if (subject.height != wanted.height || subject.digest != wanted.digest ||
        subject.results_root != wanted.results_root)
      return bad_certificate("the EXECUTED certificate is of another block or outcome");
    GALEN_TRY(certificate.verify(context, members));
    past.executed = std::move(certificate);
  }
  return {};
}

}  // namespace

Result<std::optional<Bytes>> encode_past_block(const View& view, Height height) {
  std::optional<Bytes> none;
  if (height == 0 || height > view.height()) return none;
  GALEN_ASSIGN(auto block, view.block_bytes(height));
  GALEN_ASSIGN(auto outcomes, view.outcomes(height));
  GALEN_ASSIGN(auto below, view.info(height - 1));
  if (!block || !outcomes || !below) return none;
  GALEN_ASSIGN(auto commit, view.commit_certificate(height));
  GALEN_ASSIGN(auto executed, view.executed_certificate(height));
  ByteWriter out(block->size() + 4096);
  out.sized(*block).sized(encode_outcomes(*outcomes)).raw(below->results_root);
  out.sized(commit ? commit->encode() : Bytes{}).sized(executed ? executed->encode() : Bytes{});
  return std::optional<Bytes>(std::move(out).take());
}

Result<PastBlockParts> split_past_block(ByteSpan bytes) {
  ByteReader in(bytes);
  PastBlockParts out;
  out.block = in.sized(limits::kFrameBytesMax);
  out.outcomes = in.sized(kPastOutcomesBytesMax);
  out.results_root_below = in.fixed<Hash>();
  out.commit = in.sized(limits::kCertificateBytesMax);
  out.executed = in.sized(limits::kCertificateBytesMax);
  if (!in.done()) return malformed("a wrong length");
  return out;
}

Result<PastBlock> check_past_block(const EpochChain& epochs, const PastWanted& wanted, ByteSpan bytes) {
  const auto suite = epochs.suite();
  GALEN_ASSIGN(const auto parts, split_past_block(bytes));
  PastBlock past;
  past.results_root_below = parts.results_root_below;
  GALEN_ASSIGN(auto block, Block::decode(epochs.context_of(1), parts.block));
  const auto& header = block.skeleton.header;
  if (header.height != wanted.height || header.digest(suite) != wanted.digest)
    return bad_proof("it is another block");
  if (!epochs.check(header)) return bad_proof("its epoch is not one of the chain's at that height");
  const auto& context = epochs.context_of(header.epoch);
  const auto& members = epochs.members_of(header.epoch);
  for (const auto& batch : block.batches) GALEN_TRY(batch->verify_signatures(context, members));

  auto outcomes = decode_outcomes(parts.outcomes);
  if (!outcomes) return malformed("its outcomes");
  if (outcomes->size() != count_items(block)) return bad_proof("its outcomes are not one for each item");
  past.outcomes = std::move(*outcomes);
  past.outcome_root = crypto::merkle_root(suite, outcome_leaves(suite, block, past.outcomes));
  if (wanted.height == 1 && !past.results_root_below.is_zero()) return bad_proof("the results root below block 1");
  if (next_results_root(suite, past.results_root_below, wanted.height, past.outcome_root) !=
      wanted.results_root)
    return bad_proof("its outcomes do not lead to the certified results root");
  past.block = std::make_shared<const Block>(std::move(block));
  GALEN_TRY(check_certificates(epochs, wanted, parts.commit, parts.executed, past));
  return past;
}

}  // namespace galen::ledger
