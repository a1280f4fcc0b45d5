// The walk over blocks: header chain, body, outcomes, history, index rows and certificates of one height after another.
#include <algorithm>

#include "ledger/verification.hpp"

namespace galen::ledger {
namespace {

/// An item refused before its operations ran answers no id (docs/spec/formats.md 5.6): it has no row, and its id may be
/// answered later. DUPLICATE is not among them, since an earlier answer must be there.
bool may_lack_row(std::uint32_t code) {
  switch (static_cast<ErrorCode>(code)) {
    case ErrorCode::UNKNOWN_PRINCIPAL:
    case ErrorCode::PRINCIPAL_INACTIVE:
    case ErrorCode::NOT_YOUR_MEMBER:
    case ErrorCode::PATIENT_HAS_NO_KEY:
    case ErrorCode::WRONG_KEY:
    case ErrorCode::BAD_SIGNATURE:
    case ErrorCode::EXPIRED:
    case ErrorCode::VALID_UNTIL_TOO_FAR:
      return true;
    default:
      return false;
  }
}

std::tuple<Height, std::uint32_t, std::uint32_t> position(const TransactionEntry& entry) {
  return {entry.height, entry.batch, entry.item};
}

}  // namespace

void Verification::check_block(Height height) {
  auto info = check_info(height);
  if (!info) {
    // The next block is checked by itself; what it says about its past cannot be compared any more.
    previous_.reset();
    history_.reset();
    blocks_whole_ = false;
    if (replay_) replay_->stop();
    return;
  }
  check_header(*info);
  check_history(*info);
  auto block = check_body(*info);
  if (block) {
    check_outcomes(*info, *block);
    if (replay_ && replay_->running()) replay_->check(block, *info, *database_, finder());
  } else {
    blocks_whole_ = false;
    if (replay_) replay_->stop();
  }
  check_certificates(*info);
  ++report_.blocks;
  previous_ = std::move(*info);
}

std::optional<BlockInfo> Verification::check_info(Height height) {
  auto row = database_->get(Family::blocks, block_key(height, BlockPart::info));
  if (!row || !*row) {
    found(height, "header", row ? "The block's info row is missing." : row.error().message);
    return std::nullopt;
  }
  auto info = BlockInfo::decode(**row);
  if (!info) {
    found(height, "header", info.error().message);
    return std::nullopt;
  }
  if (info->header.height != height) {
    found(height, "header", "The header names another height.");
    return std::nullopt;
  }
  return std::move(*info);
}

void Verification::check_header(const BlockInfo& info) {
  const auto& header = info.header;
  auto height = header.height;
  if (header.digest(context_.suite) != info.digest) found(height, "header", "The digest is not that of the header.");
  if (header.chain_id != context_.chain_id) found(height, "header", "The header belongs to another chain.");
  if (header.height == 0) {
    if (header != options_.genesis->block_zero()) found(0, "header", "Block 0 is not the one of genesis.");
    return;
  }
  check_epoch(header);
  if (previous_) {
    if (header.epoch != epoch_above(previous_->header))
      found(height, "header", "The epoch does not follow from the block below.");
    if (header.parent != previous_->digest) found(height, "header", "The parent is not the block below.");
    if (header.time_ms <= previous_->header.time_ms) found(height, "header", "The time is not after the parent's.");
    if (header.exec_height < previous_->header.exec_height) found(height, "header", "exec_height went back.");
  }
  check_executed_roots(info);
}

/// The epoch is one whose members the links show, and a block that ends it is the one its link was made of.
void Verification::check_epoch(const BlockHeader& header) {
  const auto height = header.height;
  if (header.chain_id != context_.chain_id) return;  // that has a finding of its own
  if (auto status = epochs_.check(header); !status)
    return found(height, "header", "Of its epoch: " + status.error().message);
  const bool linked = epochs_.end_height(header.epoch) == height;
  if (linked != header.epoch_end())
    return found(height, "epochs", linked ? "The next epoch's link is not of a block that ends an epoch."
                                          : "The block ends its epoch, and no link that holds leads to the next one.");
  if (!linked) return;
  auto link = load_epoch_link(*database_, header.epoch + 1);
  if (!link || !*link || (*link)->header != header.encode())
    found(height, "epochs", "The next epoch's link is of another block.");
}

/// The roots that a header certifies are those stored for its exec_height.
void Verification::check_executed_roots(const BlockInfo& info) {
  const auto& header = info.header;
  if (header.exec_height >= header.height ||
      header.height - header.exec_height > options_.genesis->parameters.exec_lag_max) {
    found(header.height, "header", "exec_height lies outside its bounds.");
    return;
  }
  auto row = database_->get(Family::blocks, block_key(header.exec_height, BlockPart::info));
  if (!row || !*row) return;  // that height has a finding of its own
  auto executed = BlockInfo::decode(**row);
  if (!executed) return;
  if (header.state_root != executed->state_root)
    found(header.height, "header",
          "The state root certified for height " + std::to_string(header.exec_height) + " is not the stored one.");
  if (header.results_root != executed->results_root)
    found(header.height, "header",
          "The results root certified for height " + std::to_string(header.exec_height) + " is not the stored one.");
}

void Verification::check_history(const BlockInfo& info) {
  if (!history_) return;
  auto height = info.header.height;
  if (info.header.history_size != history_->size() || info.header.history_root != history_->root())
    found(height, "history", "The header's history root is not that of the blocks below.");
  if (history_->append(info.header.digest(context_.suite)) != info.history_nodes)
    found(height, "history", "The stored history nodes are not those of the blocks up to here.");
}

BlockPtr Verification::check_body(const BlockInfo& info) {
  auto height = info.header.height;
  auto bytes = database_->get(Family::blocks, block_key(height, BlockPart::body));
  if (!bytes || !*bytes) {
    found(height, "body", bytes ? "The block's body is missing." : bytes.error().message);
    return nullptr;
  }
  // Decoding checks the body root, each batch's digest and each items root.
  auto block = Block::decode(context_, **bytes);
  if (!block) {
    found(height, "body", "The body does not decode: " + block.error().message);
    return nullptr;
  }
  if (block->skeleton.header != info.header || block->skeleton.batch_digests.size() != info.header.batch_count)
    found(height, "body", "The body belongs to another header.");
  if (info.body_bytes != (*bytes)->size()) found(height, "body", "The body has another size than noted.");
  auto shared = std::make_shared<const Block>(std::move(*block));
  if (!epochs_.has(info.header.epoch)) return shared;  // nobody's keys are known: the header has a finding
  check_signatures((*bytes)->size(), [this, height, shared] {
    const auto epoch = shared->skeleton.header.epoch;
    const auto& members = epochs_.members_of(epoch);
    for (const auto& batch : shared->batches) {
      auto origin = batch->header().origin;
      if (origin >= members.size()) {
        found(height, "body", "A batch names an origin that is no member.");
      } else if (auto signature = batch->verify_signatures(epochs_.context_of(epoch), members); !signature) {
        found(height, "body", "A batch's signatures: " + signature.error().message);
      }
    }
  });
  return shared;
}

void Verification::check_outcomes(const BlockInfo& info, const Block& block) {
  auto height = info.header.height;
  std::size_t items = 0;
  for (const auto& batch : block.batches) items += batch->items().size();
  report_.items += items;
  auto row = database_->get(Family::blocks, block_key(height, BlockPart::outcomes));
  if (!row || !*row) {
    found(height, "outcomes", row ? "The outcomes are missing." : row.error().message);
    return;
  }
  auto outcomes = decode_outcomes(**row);
  if (!outcomes || outcomes->size() != items || info.item_count != items) {
    found(height, "outcomes", outcomes ? "The outcomes are not one for each item." : outcomes.error().message);
    return;
  }
  auto root = crypto::merkle_root(context_.suite, outcome_leaves(context_.suite, block, *outcomes));
  if (root != info.outcome_root) found(height, "outcomes", "The outcome root is not that of the outcomes.");
  if (previous_ || height == 0) {
    auto expected = height == 0 ? Hash{} : next_results_root(context_.suite, previous_->results_root, height, root);
    if (expected != info.results_root)
      found(height, "outcomes", "The results root does not follow from the one below.");
  }
  check_transaction_rows(info, block, *outcomes);
}

void Verification::check_transaction_rows(const BlockInfo& info, const Block& block,
                                          const std::vector<ItemOutcome>& outcomes) {
  auto height = info.header.height;
  std::size_t index = 0;
  for (std::uint32_t b = 0; b < block.batches.size(); ++b) {
    const auto& items = block.batches[b]->items();
    for (std::uint32_t i = 0; i < items.size(); ++i, ++index) {
      TransactionEntry here{height, b, i, outcomes[index].code, items[i].transaction.valid_until_ms()};
      auto row = database_->get(Family::transactions, as_text(items[i].transaction.id()));
      if (row && !*row && may_lack_row(here.code)) continue;
      auto decoded = row && *row ? TransactionRow::decode(**row) : Result<TransactionRow>(ErrorCode::CORRUPT, "");
      if (!decoded) {
        found(height, "transactions",
              !row   ? row.error().message
              : *row ? decoded.error().message
                     : "An item has no index row.");
        continue;
      }
      if (position(decoded->first) == position(here)) ++transactions_first_;
      // A duplicate leaves no trace in the index: an earlier occurrence is enough.
      bool whole = position(decoded->first) == position(here)    ? decoded->first == here
                   : position(decoded->latest) == position(here) ? decoded->latest == here
                                                                 : position(decoded->first) < position(here) ||
                                                                       may_lack_row(here.code);
      if (!whole) found(height, "transactions", "The index row of an item does not say what the block says.");
    }
  }
}

void Verification::check_certificates(const BlockInfo& info) {
  auto height = info.header.height;
  const auto epoch = info.header.epoch;
  if (!epochs_.has(epoch)) return;
  auto hold = [this, height, epoch](auto certificate, const char* name, bool commits) {
    check_signatures(sizeof(certificate), [this, height, epoch, name, commits, certificate = std::move(certificate)] {
      auto verified = certificate.verify(epochs_.context_of(epoch), epochs_.members_of(epoch));
      if (!verified)
        return found(height, "certificate", std::string("The ") + name + " does not hold: " + verified.error().message);
      std::lock_guard lock(report_mutex_);
      if (commits) report_.certified_height = std::max(report_.certified_height, height);
      ++report_.certificates;
    });
  };
  auto commit = view_->state_->certificate<QuorumCertificate>(CertificateKind::commit, height);
  if (!commit) {
    found(height, "certificate", commit.error().message);
  } else if (*commit) {
    if ((*commit)->phase != VotePhase::commit || (*commit)->subject.height != height ||
        (*commit)->subject.digest != info.digest) {
      found(height, "certificate", "The COMMIT-QC is for another block.");
    } else {
      hold(std::move(**commit), "COMMIT-QC", true);
    }
  }
  auto executed = view_->state_->certificate<ExecutedCertificate>(CertificateKind::executed, height);
  if (!executed) {
    found(height, "certificate", executed.error().message);
  } else if (*executed) {
    if ((*executed)->subject != ExecutedSubject{height, info.digest, info.state_root, info.results_root}) {
      found(height, "certificate", "The EXECUTED certificate is for another block or other roots.");
    } else {
      hold(std::move(**executed), "EXECUTED certificate", false);
    }
  }
}

}  // namespace galen::ledger
