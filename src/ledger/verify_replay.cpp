// Executing the chain again in a scratch ledger. What the stored ledger says of each block must come out once more:
// roots, outcomes, first index entries, list rows. State rows are covered by the state root.
#include "ledger/store_state.hpp"
#include "ledger/verification.hpp"

namespace galen::ledger {
namespace {

constexpr std::size_t kCheckpointBytes = 64u << 20;
constexpr std::size_t kDifferencesMax = 1000;

}  // namespace

Result<std::unique_ptr<Replay>> Replay::make(const VerifyOptions& options, const ChainContext& context) {
  std::unique_ptr<Replay> replay(new Replay);
  StoreOptions store;
  store.directory = options.scratch_directory;
  store.context = context;
  GALEN_ASSIGN(replay->scratch_, Store::create(store));
  replay->executor_ = options.executor;
  return replay;
}

void Replay::check(const BlockPtr& block, const BlockInfo& stored, const Database& database, const Found& found) {
  auto height = stored.header.height;
  auto run = [&]() -> Status {
    GALEN_ASSIGN(auto update, executor_->execute(height == 0 ? nullptr : &scratch_->latest(), block));
    if (block->skeleton.header.epoch_end()) GALEN_TRY(set_end_certificate(update, database));
    GALEN_ASSIGN(auto applied, scratch_->apply(update));
    if (scratch_->unflushed_bytes() > kCheckpointBytes) {
      GALEN_ASSIGN([[maybe_unused]] auto durable, scratch_->checkpoint());
    }
    return compare(update, applied.info, stored, database, found);
  };
  if (auto status = run(); !status) {
    found(height, "execution", "Executing the block again failed: " + status.error().message);
    running_ = false;
  }
}

/// The certificate of a block that ends its epoch, which belongs to the link, comes from nowhere else.
Status Replay::set_end_certificate(BlockUpdate& update, const Database& database) {
  GALEN_ASSIGN(auto link, load_epoch_link(database, update.block()->skeleton.header.epoch + 1));
  if (!link) return make_error(ErrorCode::CORRUPT, "The link to the next epoch is missing.");
  if (link->commit_certificate.empty()) return {};
  GALEN_ASSIGN(auto certificate, QuorumCertificate::decode(link->commit_certificate));
  update.set_certificate(std::move(certificate));
  return {};
}

Status Replay::compare(const BlockUpdate& update, const BlockInfo& executed, const BlockInfo& stored,
                       const Database& database, const Found& found) {
  auto height = stored.header.height;
  auto differs = [&](const char* where, const char* what) { found(height, where, what); };
  if (executed.outcome_root != stored.outcome_root)
    differs("outcomes", "Executing the block again gives other outcomes than stored.");
  // A block that came after a snapshot may have a root that no header names.
  if (executed.state_root != stored.state_root && !stored.state_root.is_zero())
    differs("state", "Executing the block again gives another state root than stored.");
  if (executed.results_root != stored.results_root)
    differs("outcomes", "Executing the block again gives another results root than stored.");
  for (const auto& [id, row] : update.transaction_rows()) {
    auto stored_row = database.get(Family::transactions, as_text(id));
    auto decoded = stored_row && *stored_row ? TransactionRow::decode(**stored_row)
                                             : Result<TransactionRow>(ErrorCode::CORRUPT, "");
    if (!decoded || decoded->first != row.first) {
      differs("transactions", "Executing the block again gives another index row than stored.");
      break;
    }
  }
  for (const auto& [key, value] : update.list_rows()) {
    auto stored_row = database.get(Family::lists, key);
    if (stored_row && *stored_row && **stored_row == value) {
      lists_differing_.erase(key);
    } else if (lists_differing_.size() < kDifferencesMax || lists_differing_.contains(key)) {
      lists_differing_[key] = height;
    }
  }
  return {};
}

Status Replay::finish(Database& database, Height height_last, const Found& found) {
  for (const auto& [key, height] : lists_differing_)
    found(height, "lists", "A list row is not what executing the block again gives.");
  if (!lists_differing_.empty()) return {};
  // Equal rows so far, so equal counts mean that nothing was added.
  auto count = [](Database& rows, std::uint64_t& out) -> Status {
    std::unique_ptr<rocksdb::Iterator> it(rows.db().NewIterator(rocksdb::ReadOptions(), rows.family(Family::lists)));
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++out;
    return it->status().ok() ? Status{} : Database::to_error(it->status(), "reading lists");
  };
  std::uint64_t stored_count = 0, executed_count = 0;
  if (!count(database, stored_count)) return {};  // unreadable lists have a finding of their own
  GALEN_TRY(count(*scratch_->state_->database, executed_count));
  if (stored_count != executed_count)
    found(height_last, "lists", "There are list rows that no block wrote.");
  return {};
}

}  // namespace galen::ledger
