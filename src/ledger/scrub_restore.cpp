// What the scrub writes: rows of blocks that a peer sent, and files without the damaged one.
//
// A run of blocks proves itself from both ends: the header above it, or the ledger's head, names the digest of its last
// block, parent links lead down to the block below it, and the results root that its outcomes lead to is the one the
// block above goes on from. A state root comes from a header that certifies it or from an EXECUTED certificate.
// Everything else in an info row follows.
#include <algorithm>

#include <rocksdb/convenience.h>

#include "galen/ledger/scrub.hpp"
#include "galen/types/batch_origin.hpp"
#include "ledger/store_state.hpp"

namespace galen::ledger {
namespace {

constexpr std::size_t kRewriteBytes = 4u << 20;

struct Part {
  BlockInfo info;
  Block block;
  std::vector<ItemOutcome> outcomes;
};

Error bad(const char* what) { return make_error(ErrorCode::BAD_PROOF, what); }

class Restoration {
 public:
  Restoration(Database& database, const Genesis& genesis, const EpochChain& epochs, Height first,
              const std::vector<StoredBlock>& blocks)
      : database_(database),
        genesis_(genesis),
        epochs_(epochs),
        context_(genesis.context()),
        first_(first),
        blocks_(blocks) {}

  Status run(Height applied) {
    GALEN_TRY(decode());
    GALEN_TRY(check_links(applied));
    GALEN_TRY(check_outcomes());
    GALEN_TRY(check_certificates());
    GALEN_TRY(find_state_roots(applied));
    GALEN_TRY(add_history());
    return write();
  }

 private:
  Height last() const { return first_ + blocks_.size() - 1; }

  /// Nothing above the head and for a row that is damaged.
  std::optional<BlockInfo> stored(Height height) const {
    auto row = database_.get(Family::blocks, block_key(height, BlockPart::info));
    if (!row || !*row) return std::nullopt;
    auto info = BlockInfo::decode(**row);
    if (!info || info->header.height != height || info->header.digest(context_.suite) != info->digest)
      return std::nullopt;
    return std::move(*info);
  }

  Status decode() {
    for (const auto& given : blocks_) {
      Part part;
      GALEN_ASSIGN(part.block, Block::decode(context_, given.block));
      const auto& header = part.block.skeleton.header;
      if (header.height > 0)
        if (auto status = epochs_.check(header); !status)
          return make_error(status.error().code, "stored block: " + status.error().message);
      auto outcomes = decode_outcomes(given.outcomes);
      std::size_t items = 0;
      for (const auto& batch : part.block.batches) {
        GALEN_TRY(verify_origin(epochs_.context_of(header.epoch), epochs_.members_of(header.epoch), *batch));
        items += batch->items().size();
      }
      if (!outcomes || outcomes->size() != items) return bad("stored block: its outcomes are not one for each item");
      part.outcomes = std::move(*outcomes);
      part.info.header = part.block.skeleton.header;
      part.info.digest = part.info.header.digest(context_.suite);
      part.info.item_count = static_cast<std::uint32_t>(items);
      part.info.body_bytes = given.block.size();
      if (part.info.header.height != first_ + parts_.size()) return bad("stored block: another height than asked for");
      parts_.push_back(std::move(part));
    }
    return {};
  }

  template <class Certificate>
  Status verify(const Certificate& certificate, const BlockInfo& info) const {
    const auto epoch = info.header.epoch;
    return certificate.verify(epochs_.context_of(epoch), epochs_.members_of(epoch));
  }

  Status check_links(Height applied) {
    if (last() == applied) {
      GALEN_ASSIGN(auto row, database_.get(Family::meta, kHeadKey));
      if (!row) return make_error(ErrorCode::CORRUPT, "The ledger has no head.");
      GALEN_ASSIGN(auto head, HeightAndHash::decode(*row));
      expected_ = head.hash;
    } else {
      above_ = stored(last() + 1);
      if (!above_) return make_error(ErrorCode::CORRUPT, "The row above the damaged blocks cannot be read either.");
      expected_ = above_->header.parent;
    }
    for (std::size_t i = parts_.size(); i-- > 0;) {
      if (parts_[i].info.digest != expected_) return bad("stored block: it is not the one that the chain names");
      expected_ = parts_[i].info.header.parent;
    }
    if (first_ == 0) return {};
    below_ = stored(first_ - 1);
    if (!below_) return make_error(ErrorCode::CORRUPT, "The row below the damaged blocks cannot be read either.");
    if (below_->digest != expected_)
      return make_error(ErrorCode::CORRUPT, "The block below is not the one that the chain names.");
    return {};
  }

  Status check_outcomes() {
    const auto suite = context_.suite;
    auto root = below_ ? below_->results_root : Hash{};
    for (auto& part : parts_) {
      part.info.outcome_root = crypto::merkle_root(suite, outcome_leaves(suite, part.block, part.outcomes));
      if (part.info.header.height > 0)
        root = next_results_root(suite, root, part.info.header.height, part.info.outcome_root);
      part.info.results_root = root;
    }
    if (above_ && next_results_root(suite, root, last() + 1, above_->outcome_root) != above_->results_root)
      return bad("stored block: its outcomes do not lead to the results root of the block above");
    return {};
  }

  Status check_certificates() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const auto& info = parts_[i].info;
      if (const auto& commit = blocks_[i].commit) {
        if (commit->phase != VotePhase::commit || commit->subject.height != info.header.height ||
            commit->subject.digest != info.digest)
          return make_error(ErrorCode::BAD_CERTIFICATE, "stored block: the COMMIT-QC is for another block");
        GALEN_TRY(verify(*commit, info));
      }
      if (const auto& executed = blocks_[i].executed) {
        if (executed->subject.height != info.header.height || executed->subject.digest != info.digest ||
            executed->subject.results_root != info.results_root)
          return make_error(ErrorCode::BAD_CERTIFICATE,
                            "stored block: the EXECUTED certificate is for another outcome");
        GALEN_TRY(verify(*executed, info));
      }
    }
    return {};
  }

  std::optional<BlockHeader> header_at(Height height) const {
    if (height >= first_ && height <= last()) return parts_[height - first_].info.header;
    auto info = stored(height);
    return info ? std::optional(info->header) : std::nullopt;
  }

  Status find_state_roots(Height applied) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      auto& info = parts_[i].info;
      const auto height = info.header.height;
      std::optional<Hash> root;
      if (blocks_[i].executed) root = blocks_[i].executed->subject.state_root;
      const auto until = std::min<Height>(applied, height + genesis_.parameters.exec_lag_max);
      for (auto above = height + 1; above <= until && !root; ++above) {
        auto header = header_at(above);
        if (header && header->exec_height == height && header->results_root == info.results_root)
          root = header->state_root;
      }
      auto own = database_.get(Family::certificates, certificate_key(CertificateKind::executed, height));
      auto certificate =
          own && *own ? ExecutedCertificate::decode(**own) : Result<ExecutedCertificate>(ErrorCode::CORRUPT, "");
      if (!root && certificate && certificate->subject.digest == info.digest &&
          certificate->subject.results_root == info.results_root && verify(*certificate, info))
        root = certificate->subject.state_root;
      if (!root)
        return make_error(ErrorCode::NOT_FOUND,
                          "No certificate names the state root of block " + std::to_string(height) + ".");
      info.state_root = *root;
    }
    return {};
  }

  Status add_history() {
    HistoryNodeReader read = [this](unsigned level, std::uint64_t index) -> Result<Hash> {
      auto info = stored(((index + 1) << level) - 1);
      if (!info || level >= info->history_nodes.size())
        return make_error(ErrorCode::CORRUPT,
                          "A row of an older block, which the history tree needs, is damaged as well.");
      return info->history_nodes[level];
    };
    GALEN_ASSIGN(auto history, HistoryTree::load(context_.suite, first_, read));
    for (auto& part : parts_) {
      if (part.info.header.history_root != history.root() && part.info.header.height > 0)
        return make_error(ErrorCode::CORRUPT, "The history nodes below the damaged blocks are not those of the chain.");
      part.info.history_nodes = history.append(part.info.digest);
    }
    return {};
  }

  Status write() {
    auto batch = make_batch();
    auto put = [&](Family family, const std::string& key, ByteSpan value) {
      batch.Put(database_.family(family), key, to_slice(value));
    };
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const auto height = first_ + i;
      put(Family::blocks, block_key(height, BlockPart::info), parts_[i].info.encode());
      put(Family::blocks, block_key(height, BlockPart::body), blocks_[i].block);
      put(Family::blocks, block_key(height, BlockPart::outcomes), encode_outcomes(parts_[i].outcomes));
      if (const auto& commit = blocks_[i].commit)
        put(Family::certificates, certificate_key(CertificateKind::commit, height), commit->encode());
      if (const auto& executed = blocks_[i].executed;
          executed && executed->subject.state_root == parts_[i].info.state_root)
        put(Family::certificates, certificate_key(CertificateKind::executed, height), executed->encode());
    }
    return database_.write(batch);
  }

  Database& database_;
  const Genesis& genesis_;
  const EpochChain& epochs_;
  const ChainContext context_;  ///< of the chain
  const Height first_;
  const std::vector<StoredBlock>& blocks_;
  std::vector<Part> parts_;
  std::optional<BlockInfo> above_, below_;
  Hash expected_;
};

/// Compactions of one family stand still: one that met the damaged file would stop the node.
class NoCompaction {
 public:
  NoCompaction(Database& database, rocksdb::ColumnFamilyHandle* family)
      : database_(database), family_(family), before_(database.db().GetOptions(family).disable_auto_compactions) {
    set(true);
  }
  ~NoCompaction() { set(before_); }
  NoCompaction(const NoCompaction&) = delete;
  NoCompaction& operator=(const NoCompaction&) = delete;

 private:
  void set(bool value) {
    (void)database_.db().SetOptions(family_, {{"disable_auto_compactions", value ? "true" : "false"}});
  }
  Database& database_;
  rocksdb::ColumnFamilyHandle* family_;
  const bool before_;
};

Result<Family> family_named(const std::string& name) {
  for (auto family : {Family::blocks, Family::certificates})
    if (name == kFamilyNames[static_cast<std::size_t>(family)]) return family;
  return make_error(ErrorCode::INVALID_ARGUMENT, "Rows of this family are not written anew.");
}

}  // namespace

Status Scrub::restore(Height first, const std::vector<StoredBlock>& blocks) {
  GALEN_ASSERT(!blocks.empty());
  const auto applied = store_.applied_height();
  GALEN_ASSERT(applied && first + blocks.size() - 1 <= *applied);
  GALEN_ASSIGN(auto view, store_.snapshot());
  GALEN_ASSIGN(const auto epochs, view->epochs(genesis_));
  return Restoration(*store_.state_->database, genesis_, epochs, first, blocks).run(*applied);
}

Status Scrub::rewrite_rows(const TableFile& file) {
  auto& database = *store_.state_->database;
  GALEN_ASSIGN(const auto family, family_named(file.family));
  const auto range = heights(file);
  if (!range) return {};
  auto batch = make_batch();
  auto copy = [&](const std::string& key) -> Status {
    if (key < file.key_first || key > file.key_last) return {};
    GALEN_ASSIGN(auto row, database.get(family, key));
    if (row) batch.Put(database.family(family), key, to_slice(*row));
    return {};
  };
  for (auto height = range->first; height <= range->last; ++height) {
    if (family == Family::blocks) {
      for (auto part : {BlockPart::info, BlockPart::body, BlockPart::outcomes})
        GALEN_TRY(copy(block_key(height, part)));
    } else {
      for (auto kind : {CertificateKind::commit, CertificateKind::executed})
        GALEN_TRY(copy(certificate_key(kind, height)));
    }
    if (batch.GetDataSize() < kRewriteBytes) continue;
    GALEN_TRY(database.write(batch));
    batch.Clear();
  }
  return database.write(batch);
}

Status Scrub::replace(const TableFile& file, const std::function<void()>& wait) {
  auto& database = *store_.state_->database;
  GALEN_ASSIGN(const auto family, family_named(file.family));
  NoCompaction guard(database, database.family(family));
  GALEN_TRY(rewrite_rows(file));
  // Only what is durable elsewhere may go.
  GALEN_TRY(database.flush());
  wait();
  const rocksdb::Slice begin(file.key_first), end(file.key_last);
  rocksdb::RangePtr range(&begin, &end);
  auto status = rocksdb::DeleteFilesInRanges(&database.db(), database.family(family), &range, 1, true);
  if (!status.ok()) return Database::to_error(status, "taking a damaged file out of the ledger");
  if (is_live(file))
    return make_error(ErrorCode::UNAVAILABLE, "The damaged file cannot be taken out of the ledger while it runs.");
  return {};
}

}  // namespace galen::ledger
