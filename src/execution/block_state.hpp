// The state as the items of one block see it: the rows of a view, overlaid with what the block wrote so far, with an
// undo journal for the transaction that runs now. Private to the room; one thread. Rows read once are kept for the
// block.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "galen/contracts/contract.hpp"
#include "galen/ledger/block_update.hpp"
#include "galen/ledger/view.hpp"

namespace galen::execution {

class BlockState final : public contracts::StateView {
 public:
  BlockState(const ledger::View& view, Height height) : view_(view), height_(height) {}

  std::optional<Bytes> get(StateKind kind, ByteSpan key) override;
  void put(StateKind kind, ByteSpan key, ByteSpan value) override;
  void append_id(contracts::ListKind list, ByteSpan owner, ByteSpan id) override;
  void append_row(contracts::ListKind list, ByteSpan key, std::uint64_t sequence, ByteSpan value) override;
  void mark_corrupt(StateKind kind) override;
  contracts::Meter& meter() override { return meter_; }

  /// Reads rows together that are likely to be wanted; only the time of later reads depends on it.
  void preload(std::vector<std::string> row_keys);

  /// Keeps what the transaction wrote, or takes all of it back.
  void commit_transaction() { undo_.clear(); }
  void undo_transaction();

  /// The first read that failed; the block has then no outcome on this node.
  const Status& health() const { return health_; }
  /// Moves everything written into the update. Nothing may be open.
  void write_to(ledger::BlockUpdate& update) const;

 private:
  struct Row {
    std::optional<Bytes> value;
    bool written = false;
  };
  struct IdRow {
    contracts::ListKind list;
    Bytes owner;
    Bytes ids;
  };
  struct ListRow {
    contracts::ListKind list;
    Bytes key;
    std::uint64_t sequence;
    Bytes value;
  };
  using Rows = std::map<std::string, Row>;
  using IdRows = std::map<std::string, IdRow>;
  /// One step back: a row's former content, an id list's former length, or one list row less.
  struct Undo {
    enum class What : std::uint8_t { row, ids, list_row } what;
    Rows::iterator row{};
    Row before{};
    IdRows::iterator ids{};
    std::size_t ids_bytes = 0;
  };

  Rows::iterator find(StateKind kind, ByteSpan key);

  const ledger::View& view_;
  const Height height_;
  Rows rows_;
  IdRows id_rows_;
  std::vector<ListRow> list_rows_;
  std::vector<Undo> undo_;
  contracts::Meter meter_;
  Status health_;
};

}  // namespace galen::execution
