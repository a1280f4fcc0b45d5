// What a View holds, shared with the store and the offline check.
#pragma once

#include "galen/ledger/history_tree.hpp"
#include "galen/ledger/state_tree.hpp"
#include "galen/ledger/view.hpp"
#include "ledger/database.hpp"
#include "ledger/past_store.hpp"

namespace galen::ledger {

struct View::State {
  std::shared_ptr<Database> database;
  std::shared_ptr<StateTree> tree;
  std::unique_ptr<DatabaseSnapshot> snapshot;  ///< nothing: the newest rows
  BlockInfo head;
  bool has_head = false;

  const rocksdb::Snapshot* rocksdb_snapshot() const { return snapshot ? snapshot->get() : nullptr; }
  crypto::Suite suite() const { return database->context().suite; }
  Result<std::optional<Bytes>> get(Family family, std::string_view key) const {
    return database->get(family, key, rocksdb_snapshot());
  }

  template <class Certificate>
  Result<std::optional<Certificate>> certificate(CertificateKind kind, Height height) const {
    GALEN_ASSIGN(auto row, get(Family::certificates, certificate_key(kind, height)));
    if (!row) return std::optional<Certificate>{};
    auto decoded = Certificate::decode(*row);
    if (!decoded)
      return make_error(ErrorCode::CORRUPT,
                        "The certificate stored for height " + std::to_string(height) + " does not decode.");
    return std::optional<Certificate>(std::move(*decoded));
  }

  Status check_history_size(std::uint64_t size) const {
    if (has_head && size <= head.header.height + 1) return {};
    return make_error(ErrorCode::NOT_FOUND, "The history tree has not grown to size " + std::to_string(size) + " yet.");
  }

  /// Node (level, index) stands in the info row of the block that completes it.
  HistoryNodeReader history_reader() const {
    return [this](unsigned level, std::uint64_t index) -> Result<Hash> {
      Height height = ((index + 1) << level) - 1;
      GALEN_ASSIGN(auto row, get(Family::blocks, block_key(height, BlockPart::info)));
      if (row) {
        GALEN_ASSIGN(auto info, BlockInfo::decode(*row));
        if (level < info.history_nodes.size()) return info.history_nodes[level];
      }
      return past_node(level, index, height);
    };
  }

  /// Below a snapshot only its frontier is known until the past is whole.
  Result<Hash> past_node(unsigned level, std::uint64_t index, Height height) const {
    GALEN_ASSIGN(auto past, PastPosition::load(*database, rocksdb_snapshot()));
    if (!past)
      return make_error(ErrorCode::CORRUPT, "Block " + std::to_string(height) + " lacks a node of the history tree.");
    if (auto known = HistoryTree::decode(suite(), past->frontier))
      if (auto node = known->subtree(level, index)) return *node;
    return make_error(ErrorCode::BACKFILLING, "The history below the snapshot is not here yet.");
  }
};

}  // namespace galen::ledger
