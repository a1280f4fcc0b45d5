#include "galen/execution/receipts.hpp"

#include "execution/receipt_source.hpp"
#include "galen/crypto/merkle.hpp"
#include "galen/types/receipt.hpp"

namespace galen::execution {

namespace {

namespace pb = ledger::v1;

/// Heights looked at for a later header that confirms a block: far more than exec_lag_max and the window together.
constexpr Height kConfirmationSearchMax = 512;

Error missing(const char* what) {
  return make_error(ErrorCode::CORRUPT, std::string("The ledger has no ") + what + " for a block it applied.");
}

void set_path(pb::MerklePath& out, std::span<const Hash> siblings, std::uint64_t index, std::uint64_t size) {
  out.set_index(index);
  out.set_size(size);
  for (const auto& sibling : siblings) out.add_siblings(sibling.str());
}

void set_path(pb::MerklePath& out, crypto::Suite suite, std::span<const Hash> leaves, std::uint64_t index) {
  set_path(out, crypto::merkle_path(suite, leaves, index), index, leaves.size());
}

/// Shows that the block is of the confirming header's chain: by its own COMMIT-QC, or through the history tree. A block
/// that was committed as an ancestor (R6) has no COMMIT-QC, and a node that was down then never gets it.
Status show_in_chain(const ledger::View& view, Height height, const BlockHeader& later,
                     pb::HeaderConfirmation& confirmation) {
  GALEN_ASSIGN(auto own, view.commit_certificate(height));
  if (own) {
    confirmation.set_block_commit_certificate(to_string(own->encode()));
    return {};
  }
  GALEN_ASSIGN(auto path, view.history_path(height, later.history_size));
  set_path(*confirmation.mutable_history_path(), path, height, later.history_size);
  return {};
}

/// Adds the first later header whose COMMIT-QC vouches for the results of `height`; false if there is none yet.
Result<bool> add_confirmation(const ledger::View& view, Height height, pb::Receipt& receipt) {
  const auto last = std::min(view.height(), height + kConfirmationSearchMax);
  for (auto later = height + 1; later <= last; ++later) {
    GALEN_ASSIGN(auto header, view.header(later));
    if (!header) return missing("header");
    if (header->exec_height < height) continue;
    GALEN_ASSIGN(auto certificate, view.commit_certificate(later));
    if (!certificate) continue;
    GALEN_ASSIGN(auto epochs, view.epoch_links(header->epoch));
    set_epoch_links(receipt, epochs);
    auto* confirmation = receipt.mutable_confirmation();
    confirmation->set_header(to_string(header->encode()));
    confirmation->set_commit_certificate(to_string(certificate->encode()));
    GALEN_TRY(show_in_chain(view, height, *header, *confirmation));
    for (auto between = height + 1; between <= header->exec_height; ++between) {
      GALEN_ASSIGN(auto info, view.info(between));
      if (!info) return missing("header");
      confirmation->add_later_outcome_roots(info->outcome_root.str());
    }
    if (header->exec_height != height) receipt.clear_state_root();  // that header proves a later state only
    return true;
  }
  return false;
}

}  // namespace

std::vector<Hash> ReceiptSource::batch_leaves(crypto::Suite suite) const {
  std::vector<Hash> leaves;
  leaves.reserve(block->skeleton.batch_digests.size());
  for (const auto& digest : block->skeleton.batch_digests) leaves.push_back(crypto::merkle_leaf(suite, digest));
  return leaves;
}

Result<ReceiptSource> load_receipt_source(const ledger::View& view, const TransactionId& id) {
  GALEN_ASSIGN(auto row, view.transaction(id));
  if (!row) return make_error(ErrorCode::NOT_FOUND, "No block up to this height answers a transaction of this id.");
  ReceiptSource source;
  source.entry = row->first;
  const auto height = source.entry.height;
  GALEN_ASSIGN(source.block, view.block(height));
  if (!source.block) return missing("body");
  GALEN_ASSIGN(auto info, view.info(height));
  if (!info) return missing("header");
  source.info = std::move(*info);
  GALEN_ASSIGN(auto outcomes, view.outcomes(height));
  if (!outcomes) return missing("outcomes");
  source.outcomes = std::move(*outcomes);
  GALEN_ASSIGN(auto previous, view.info(height - 1));
  if (!previous) return missing("predecessor");
  source.previous_results_root = previous->results_root;
  const auto& batches = source.block->batches;
  if (source.entry.batch >= batches.size() || source.entry.item >= batches[source.entry.batch]->items().size())
    return make_error(ErrorCode::CORRUPT, "A transaction's index row points outside of its block.");
  source.outcome_index = source.entry.item;
  for (std::uint32_t b = 0; b < source.entry.batch; ++b) source.outcome_index += batches[b]->items().size();
  if (source.outcome_index >= source.outcomes.size())
    return make_error(ErrorCode::CORRUPT, "A block has fewer outcomes than items.");
  return source;
}

Result<pb::Receipt> build_uncertified_receipt(const ChainContext& context, const ledger::View& view,
                                              const TransactionId& id) {
  GALEN_ASSIGN(auto source, load_receipt_source(view, id));
  const auto& entry = source.entry;
  const auto& item = source.item();
  const auto index = source.outcome_index;
  const auto leaves = ledger::outcome_leaves(context.suite, *source.block, source.outcomes);

  pb::Receipt receipt;
  receipt.set_format(1);
  receipt.set_chain_id(context.chain_id.str());
  GALEN_ASSIGN(auto epochs, view.epoch_links(source.info.header.epoch));
  set_epoch_links(receipt, epochs);
  receipt.set_header(to_string(source.block->skeleton.header.encode()));
  receipt.set_transaction(to_string(item.transaction.bytes()));
  receipt.set_scheme(static_cast<std::uint32_t>(item.authorization.scheme));
  receipt.set_authorization(to_string(item.authorization.data));
  set_path(*receipt.mutable_item_path(), context.suite, source.batch().item_leaves(context.suite), entry.item);
  receipt.set_batch_header(to_string(source.batch().header().encode()));
  set_path(*receipt.mutable_batch_path(), context.suite, source.batch_leaves(context.suite), entry.batch);
  receipt.set_code(source.outcomes[index].code);
  for (const auto& result : source.outcomes[index].results) receipt.add_results(to_string(result));
  set_path(*receipt.mutable_outcome_path(), context.suite, leaves, index);
  receipt.set_previous_results_root(source.previous_results_root.str());
  receipt.set_state_root(source.info.state_root.str());
  return receipt;
}

Result<pb::Receipt> build_receipt(const ChainContext& context, const ledger::View& view, const TransactionId& id) {
  GALEN_ASSIGN(auto receipt, build_uncertified_receipt(context, view, id));
  GALEN_ASSIGN(auto row, view.transaction(id));
  const auto height = row->first.height;
  GALEN_ASSIGN(auto executed, view.executed_certificate(height));
  if (executed) {
    receipt.set_executed_certificate(to_string(executed->encode()));
    return receipt;
  }
  GALEN_ASSIGN(auto confirmed, add_confirmation(view, height, receipt));
  if (!confirmed) return make_error(ErrorCode::UNAVAILABLE, "The outcome is not certified yet.");
  return receipt;
}

}  // namespace galen::execution
