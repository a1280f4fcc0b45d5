// The events of the ledger (docs/spec/events.md): which there are, and pages of them; Disclosure says who sees their detail. A pure
// function of blocks, their outcomes, and fields of state rows that never change once written; nothing is kept for
// readers, so any node gives the same events at the same positions, and a reader costs nothing while it does not read.
// One thread; an object lives for one snapshot.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "galen/ledger/view.hpp"
#include "galen/types/event_cursor.hpp"
#include "galen/types/genesis.hpp"
#include "galen/types/receipt.hpp"
#include "galen/v1/ledger_service.pb.h"
#include "node/disclosure.hpp"

namespace galen::node {

/// What one stream wants. Filters never see what the caller may not see: they would otherwise tell it.
struct EventFilter {
  std::uint32_t types = 0;  ///< bit per EventType; 0: all
  std::optional<PrincipalId> subject, member;

  /// INVALID_ARGUMENT.
  static Result<EventFilter> parse(const galen::v1::StreamEventsRequest& request);
};

/// An event with its detail.
struct BlockEvent {
  galen::v1::Event event;
  std::optional<PrincipalId> subject;
  const ledger::v1::Operation* executed = nullptr;  ///< nothing: the transaction was refused
};

/// An executed block with its outcomes, shared so that many streams can read one.
struct EventBlock {
  BlockPtr block;
  std::shared_ptr<const std::vector<ledger::ItemOutcome>> outcomes;
};
Result<std::optional<EventBlock>> load_event_block(const ledger::View& view, Height height);

/// The highest height of the view whose outcome a quorum certified: by EXECUTED, or by a later committed header.
Result<Height> certified_height(const ledger::View& view);

class EventReader {
 public:
  /// The block at a height, nothing when this node does not hold it; the default reads the view.
  using LoadBlock = std::function<Result<std::optional<EventBlock>>(Height)>;
  struct PageLimits {
    std::size_t events = 256;
    std::size_t bytes = 48 * 1024;
    std::size_t transactions = 4'096;  ///< looked at, whether they pass or not
  };

  /// `member`: of the callers, whose detail is shown. All arguments outlive the reader. CORRUPT, IO_ERROR.
  static Result<EventReader> make(const ledger::View& view, const Genesis& genesis, const PrincipalId& member,
                                  LoadBlock load = {});

  Height certified() const { return certified_; }
  /// Before the first block that is not certified yet.
  EventCursor head() const { return EventCursor::at_block(genesis_.chain_id, certified_ + 1); }
  /// Reads from `cursor` up to the certified head or the limits, adds what passes to `out`, and moves `cursor` behind
  /// the last event looked at. CURSOR_EXPIRED when the block is no longer here; CORRUPT, IO_ERROR.
  Status read(const EventFilter& filter, const PageLimits& limits, EventCursor& cursor,
              galen::v1::StreamEventsResponse& out);
  /// The first position this node can begin at.
  Result<EventCursor> earliest();
  /// Each is a row to be read, for every page of a slow reader, while the other streams wait.
  static constexpr Height kCountedBlocksMax = 1'000;
  /// What happened between `cursor` and head(), for a reader that stood still there; of its transactions those of the
  /// first blocks are counted, so there are at least as many.
  Result<galen::v1::EventsBehind> behind(const EventCursor& cursor, std::uint64_t stalled_ms,
                                         Height counted_max = kCountedBlocksMax) const;

 private:
  struct Item;
  struct Page;
  EventReader(const ledger::View& view, const Genesis& genesis, const PrincipalId& member, LoadBlock load,
              Height certified);
  Status read_block(const EventBlock& block, Page& page);
  /// The voters of the epoch, by whose places its batches name their origin.
  Result<const MemberSet*> voters_of(Epoch epoch);
  Status read_item(const Item& item, Page& page);
  Result<std::vector<BlockEvent>> events_of(const Item& item);
  Status describe(const ledger::v1::Operation& operation, ByteSpan result, BlockEvent& event);
  /// Names whose fault a report has proven.
  Status name_culprit(const ledger::v1::ReportEquivocation& report, galen::v1::EquivocationProven& out) const;
  template <class State>
  Result<std::optional<State>> load_state(StateKind kind, const std::string& key) const;
  /// Whether it is for this reader: filters see only what the caller may see.
  Result<bool> passes(const BlockEvent& event, const Item& item, const EventFilter& filter, bool visible);
  Result<bool> concerns(Disclosure& member, const BlockEvent& event, const Item& item);

  const ledger::View& view_;
  const Genesis& genesis_;
  LoadBlock load_;
  Height certified_ = 0;
  Epoch voters_epoch_ = 0;  ///< that voters_ belong to; 0: none yet
  MemberSet voters_;
  Disclosure own_;
  std::map<PrincipalId, Disclosure> others_;  ///< of members that a filter names
};

}  // namespace galen::node
