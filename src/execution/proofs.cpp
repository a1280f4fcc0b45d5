#include "galen/execution/proofs.hpp"

#include <algorithm>

#include "execution/receipt_source.hpp"
#include "galen/crypto/merkle.hpp"
#include "galen/ledger/store.hpp"
#include "galen/types/state_key.hpp"

namespace galen::execution {

namespace {

/// Heights looked at for a header that confirms or certifies: far more than exec_lag_max and the window together.
constexpr Height kSearchMax = 512;
const Height kStatesSearchedMax = ledger::StoreOptions().state_versions;

Error invalid(const char* sentence) { return make_error(ErrorCode::INVALID_ARGUMENT, sentence); }
Error not_yet() { return make_error(ErrorCode::UNAVAILABLE, "Nothing certifies that height yet."); }

Result<BlockHeader> header_at(const ledger::View& view, Height height) {
  GALEN_ASSIGN(auto header, view.header(height));
  if (!header) return make_error(ErrorCode::NOT_FOUND, "This node has no block of that height.");
  return std::move(*header);
}

/// By the header's own COMMIT-QC, or through the next header that has one; with `at`, through that one.
Result<CertifiedHeader> certify_header(const ledger::View& view, const BlockHeader& header, Height at) {
  CertifiedHeader out;
  out.header = header.encode();
  auto own = at == 0 || at == header.height;
  if (own) {
    GALEN_ASSIGN(auto certificate, view.commit_certificate(header.height));
    if (certificate) {
      out.commit_certificate = certificate->encode();
      return out;
    }
  }
  GALEN_ASSIGN(auto certificate, own ? view.commit_certificate_from(header.height) : view.commit_certificate(at));
  if (!certificate || certificate->subject.height > view.height()) return not_yet();
  const auto last = certificate->subject.height;
  if (last <= header.height) return invalid("A header hangs on the history of later ones only.");
  GALEN_ASSIGN(auto later, header_at(view, last));
  GALEN_ASSIGN(auto path, view.history_path(header.height, last));
  out.later = CertifiedHeader::Later{later.encode(), std::move(path)};
  out.commit_certificate = certificate->encode();
  return out;
}

/// The first later header that confirms the height; for a state it must confirm this very height.
Result<CertifiedBlock> certify_by_history(const ledger::View& view, const BlockHeader& header, Height at, bool exact) {
  const auto height = header.height;
  const auto last = std::min(view.height(), at == 0 ? height + kSearchMax : std::min(at, height + kSearchMax));
  for (auto candidate = height + 1; candidate <= last; ++candidate) {
    GALEN_ASSIGN(auto confirming, header_at(view, candidate));
    if (confirming.exec_height < height) continue;
    if (confirming.exec_height > height && exact)
      return make_error(ErrorCode::NOT_FOUND, "No header confirms the state of that height by itself.");
    CertifiedBlock out;
    out.header = header.encode();
    auto& proof = out.history.emplace();
    GALEN_ASSIGN(proof.confirming, certify_header(view, confirming, at));
    GALEN_ASSIGN(proof.path, view.history_path(height, candidate));
    for (auto between = height + 1; between <= confirming.exec_height; ++between) {
      GALEN_ASSIGN(auto info, view.info(between));
      if (!info) return make_error(ErrorCode::CORRUPT, "The ledger has no header for a block it applied.");
      proof.later_outcome_roots.push_back(info->outcome_root);
    }
    return out;
  }
  // All that there will ever be up to there has been looked at: whoever waited would wait in vain.
  if (at != 0 && at <= view.height()) return invalid("No header up to at_height confirms that height.");
  return not_yet();
}

Result<CertifiedBlock> certify_block(const ledger::View& view, Height height, const CertifyOptions& options,
                                     bool exact) {
  GALEN_ASSIGN(auto header, header_at(view, height));
  if (!options.by_history && options.at_height == 0) {
    GALEN_ASSIGN(auto executed, view.executed_certificate(height));
    if (executed) {
      CertifiedBlock out;
      out.header = header.encode();
      out.executed_certificate = executed->encode();
      return out;
    }
  }
  return certify_by_history(view, header, options.at_height, exact);
}

/// The links to the epoch of the newest header that a certificate is about.
Result<std::vector<EpochLink>> links_to(const ledger::View& view, const Bytes& newest_header) {
  GALEN_ASSIGN(auto header, BlockHeader::decode(newest_header));
  return view.epoch_links(header.epoch);
}
const Bytes& newest_header(const CertifiedHeader& proof) { return proof.later ? proof.later->header : proof.header; }
const Bytes& newest_header(const CertifiedBlock& proof) {
  return proof.history ? newest_header(proof.history->confirming) : proof.header;
}

/// The height of the newest header with a COMMIT-QC of its own.
Result<Height> newest_certified(const ledger::View& view) {
  const auto head = view.height();
  for (Height back = 0; back < kSearchMax && back < head; ++back) {
    GALEN_ASSIGN(auto certificate, view.commit_certificate(head - back));
    if (certificate) return head - back;
  }
  return not_yet();
}

/// The newest height whose outcome q members certified, among those whose state can be proved. The head itself is
/// seldom one while blocks come. Without EXECUTED signatures (a node that caught up may hold none): the head.
Result<Height> newest_executed(const ledger::View& view) {
  const auto head = view.height();
  for (Height back = 0; back < kStatesSearchedMax && back < head; ++back) {
    GALEN_ASSIGN(auto certificate, view.executed_certificate(head - back));
    if (certificate) return head - back;
  }
  return head;
}

Status show_operations(crypto::Suite suite, const Transaction& transaction, const ledger::ItemOutcome& outcome,
                       std::vector<std::uint32_t> wanted, TransactionProof& proof) {
  const auto parts = split_transaction(transaction);
  std::vector<Hash> operations, results;
  for (auto operation : parts.operations) operations.push_back(crypto::merkle_leaf(suite, operation));
  for (const auto& result : outcome.results) results.push_back(crypto::merkle_leaf(suite, result));
  if (wanted.empty())
    for (std::uint32_t i = 0; i < operations.size(); ++i) wanted.push_back(i);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  if (wanted.back() >= operations.size()) return invalid("The transaction has fewer operations.");
  proof.envelope = to_bytes(parts.envelope);
  proof.operations = static_cast<std::uint16_t>(operations.size());
  for (auto index : wanted) {
    ShownOperation one;
    one.index = static_cast<std::uint16_t>(index);
    one.operation = to_bytes(parts.operations[index]);
    one.path = crypto::merkle_path(suite, operations, index);
    if (outcome.code == 0) {
      one.result = outcome.results[index];
      one.result_path = crypto::merkle_path(suite, results, index);
    }
    proof.shown.push_back(std::move(one));
  }
  return {};
}

}  // namespace

Result<TransactionProofFile> build_transaction_proof(const ChainContext& context, const ledger::View& view,
                                                     const TransactionId& id, std::vector<std::uint32_t> operations,
                                                     const CertifyOptions& options) {
  GALEN_ASSIGN(auto source, load_receipt_source(view, id));
  const auto suite = context.suite;
  const auto& item = source.item();
  const auto& outcome = source.outcomes[source.outcome_index];
  TransactionProofFile out;
  out.chain_id = context.chain_id;
  auto& proof = out.proof;
  proof.scheme = static_cast<std::uint8_t>(item.authorization.scheme);
  proof.authorization = item.authorization.data;
  proof.code = static_cast<std::uint16_t>(outcome.code);
  GALEN_TRY(show_operations(suite, item.transaction, outcome, std::move(operations), proof));
  proof.item_index = source.entry.item;
  proof.item_path = crypto::merkle_path(suite, source.batch().item_leaves(suite), source.entry.item);
  proof.batch_header = source.batch().header().encode();
  proof.batch_index = source.entry.batch;
  proof.batch_path = crypto::merkle_path(suite, source.batch_leaves(suite), source.entry.batch);
  const auto leaves = ledger::outcome_leaves(suite, *source.block, source.outcomes);
  proof.outcome_index = static_cast<std::uint32_t>(source.outcome_index);
  proof.outcome_size = static_cast<std::uint32_t>(leaves.size());
  proof.outcome_path = crypto::merkle_path(suite, leaves, source.outcome_index);
  proof.previous_results_root = source.previous_results_root;
  GALEN_ASSIGN(out.block, certify_block(view, source.entry.height, options, false));
  GALEN_ASSIGN(out.epochs, links_to(view, newest_header(out.block)));
  return out;
}

Result<StateProofFile> build_state_proof(const ChainContext& context, const ledger::View& view, std::uint8_t kind,
                                         ByteSpan key, Height height, const CertifyOptions& options) {
  if (state_key_bytes(kind) != key.size()) return invalid("No row has such a kind and length of key.");
  const bool newest = height == 0 && options.at_height == 0;
  if (newest && !options.by_history) {
    GALEN_ASSIGN(height, newest_executed(view));
  } else if (height == 0) {
    GALEN_ASSIGN(auto certified, newest ? newest_certified(view) : Result<Height>(options.at_height));
    GALEN_ASSIGN(auto confirming, header_at(view, certified));
    height = confirming.exec_height;
  }
  if (height == 0 && !newest)
    return invalid("The block at that height certifies no executed state yet: ask for a later one.");
  if (height == 0) return not_yet();
  StateProofFile out;
  out.chain_id = context.chain_id;
  GALEN_ASSIGN(out.block, certify_block(view, height, options, true));
  GALEN_ASSIGN(auto value, view.state(kind, key));
  auto proved = view.prove_state(kind, key, height);
  if (!proved) return newest && proved.error().code == ErrorCode::NOT_FOUND ? not_yet() : proved.error();
  const auto& proof = *proved;
  const auto path = crypto::state_path(context.suite, kind, key);
  const auto present = proof.terminal && proof.terminal->path == path;
  if (present != value.has_value() || (value && crypto::hash(context.suite, *value) != proof.terminal->value_hash)) {
    if (newest) return not_yet();
    return make_error(ErrorCode::NOT_FOUND, "The row has changed since that height: ask for the newest one.");
  }
  out.proof = {kind, to_bytes(key), std::move(value), proof.encode()};
  GALEN_ASSIGN(out.epochs, links_to(view, newest_header(out.block)));
  return out;
}

Result<ConsistencyProofFile> build_consistency_proof(const ChainContext& context, const ledger::View& view, Height from,
                                                     Height to) {
  if (to == 0) {
    GALEN_ASSIGN(to, newest_certified(view));
  }
  if (from == 0 || from >= to) return invalid("The first height is at least 1, and below the second one.");
  GALEN_ASSIGN(auto old_header, header_at(view, from));
  GALEN_ASSIGN(auto new_header, header_at(view, to));
  ConsistencyProofFile out;
  out.chain_id = context.chain_id;
  out.proof.old_header = old_header.encode();
  GALEN_ASSIGN(out.proof.consistency_path, view.history_consistency_path(from, to));
  GALEN_ASSIGN(out.proof.inclusion_path, view.history_path(from, to));
  GALEN_ASSIGN(out.proof.now, certify_header(view, new_header, 0));
  GALEN_ASSIGN(out.epochs, links_to(view, newest_header(out.proof.now)));
  return out;
}

}  // namespace galen::execution
