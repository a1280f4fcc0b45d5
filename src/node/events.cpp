#include "node/events.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "galen/execution/membership.hpp"
#include "galen/ledger/v1/state.pb.h"

namespace galen::node {

namespace pb = ledger::v1;
using galen::v1::EventType;

namespace {

Error damaged(const char* what) { return make_error(ErrorCode::CORRUPT, std::string(what) + " does not decode"); }

EventType type_of(const pb::Operation& operation) {
  switch (operation.kind_case()) {
    case pb::Operation::kAnchorRecord:
      return galen::v1::EVENT_TYPE_RECORD_ANCHORED;
    case pb::Operation::kSetRecordStatus:
      return galen::v1::EVENT_TYPE_RECORD_STATUS_SET;
    case pb::Operation::kGrantConsent:
      return galen::v1::EVENT_TYPE_CONSENT_GRANTED;
    case pb::Operation::kRevokeConsent:
      return galen::v1::EVENT_TYPE_CONSENT_REVOKED;
    case pb::Operation::kDecide:
      return galen::v1::EVENT_TYPE_ACCESS_DECIDED;
    case pb::Operation::kRegisterPrincipal:
      return galen::v1::EVENT_TYPE_PRINCIPAL_REGISTERED;
    case pb::Operation::kProposeMembers:
      return galen::v1::EVENT_TYPE_MEMBERS_PROPOSED;
    case pb::Operation::kVoteMembers:
      return galen::v1::EVENT_TYPE_MEMBERS_VOTED;
    case pb::Operation::kLearnerReady:
      return galen::v1::EVENT_TYPE_LEARNER_READY;
    case pb::Operation::kSetAdminKey:
      return galen::v1::EVENT_TYPE_ADMIN_KEY_SET;
    case pb::Operation::kReportEquivocation:
      return galen::v1::EVENT_TYPE_EQUIVOCATION_PROVEN;
    case pb::Operation::KIND_NOT_SET:
      break;
  }
  return galen::v1::EVENT_TYPE_UNSPECIFIED;
}

void name_subject(BlockEvent& event, const std::string& subject) {
  auto id = PrincipalId::from(std::string_view(subject));
  if (!id) return;
  event.subject = *id;
  event.event.mutable_detail()->set_subject(subject);
}

}  // namespace

/// One transaction of a block.
struct EventReader::Item {
  const BlockHeader& header;
  const BatchItem& item;
  const ledger::ItemOutcome& outcome;
  const PrincipalId& origin;
};

Result<EventFilter> EventFilter::parse(const galen::v1::StreamEventsRequest& request) {
  EventFilter filter;
  for (auto type : request.types()) {
    if (type <= 0 || type > galen::v1::EventType_MAX)
      return make_error(ErrorCode::INVALID_ARGUMENT, "types names a type of event that there is not");
    filter.types |= 1u << type;
  }
  const std::pair<const std::string*, std::optional<PrincipalId>*> ids[] = {{&request.subject(), &filter.subject},
                                                                            {&request.member(), &filter.member}};
  for (const auto& [bytes, id] : ids) {
    if (bytes->empty()) continue;
    *id = PrincipalId::from(std::string_view(*bytes));
    if (!*id) return make_error(ErrorCode::INVALID_ARGUMENT, "subject and member are 32 bytes each, or empty");
  }
  return filter;
}

Result<Height> certified_height(const ledger::View& view) {
  const auto& head = view.head().header;
  for (auto height = head.height; height > head.exec_height; --height) {
    GALEN_ASSIGN(auto certificate, view.executed_certificate(height));
    if (certificate) return height;
  }
  return head.exec_height;
}

Result<std::optional<EventBlock>> load_event_block(const ledger::View& view, Height height) {
  GALEN_ASSIGN(auto block, view.block(height));
  GALEN_ASSIGN(auto outcomes, view.outcomes(height));
  if (!block || !outcomes) return std::optional<EventBlock>{};
  return std::optional(
      EventBlock{std::move(block), std::make_shared<const std::vector<ledger::ItemOutcome>>(std::move(*outcomes))});
}

EventReader::EventReader(const ledger::View& view, const Genesis& genesis, const PrincipalId& member, LoadBlock load,
                         Height certified)
    : view_(view), genesis_(genesis), load_(std::move(load)), certified_(certified), own_(view, member) {}

Result<EventReader> EventReader::make(const ledger::View& view, const Genesis& genesis, const PrincipalId& member,
                                      LoadBlock load) {
  if (!load) load = [&view](Height height) { return load_event_block(view, height); };
  GALEN_ASSIGN(auto certified, certified_height(view));
  return EventReader(view, genesis, member, std::move(load), certified);
}

/// A page that is being filled.
struct EventReader::Page {
  const EventFilter& filter;
  const PageLimits& limits;
  EventCursor& cursor;
  galen::v1::StreamEventsResponse& out;
  std::size_t looked_at = 0, bytes = 0;

  bool full() const {
    return looked_at >= limits.transactions || bytes >= limits.bytes ||
           static_cast<std::size_t>(out.events_size()) >= limits.events;
  }
};

Status EventReader::read(const EventFilter& filter, const PageLimits& limits, EventCursor& cursor,
                         galen::v1::StreamEventsResponse& out) {
  if (cursor.height == 0) cursor = EventCursor::at_block(genesis_.chain_id, 1);  // nothing happens in genesis
  Page page{filter, limits, cursor, out};
  while (cursor.height <= certified_ && !page.full()) {
    GALEN_ASSIGN(auto block, load_(cursor.height));
    if (!block) {
      GALEN_ASSIGN(auto first, earliest());
      return make_error(
          ErrorCode::CURSOR_EXPIRED,
          fmt::format("this node no longer holds block {}; its earliest cursor is {}", cursor.height, first.encode()));
    }
    GALEN_TRY(read_block(*block, page));
  }
  return {};
}

Result<const MemberSet*> EventReader::voters_of(Epoch epoch) {
  if (voters_epoch_ != epoch) {
    GALEN_ASSIGN(auto found, execution::load_epoch(genesis_, view_, epoch));
    if (!found) return damaged("an epoch's row");
    voters_ = std::move(found->members);
    voters_epoch_ = epoch;
  }
  return &voters_;
}

// Leaves the cursor at the next block, or where the page was full.
Status EventReader::read_block(const EventBlock& block, Page& page) {
  const auto& header = block.block->skeleton.header;
  std::uint32_t end = 0;
  GALEN_ASSIGN(const auto* voters, voters_of(header.epoch));
  for (const auto& batch : block.block->batches) {
    const auto first = end;
    end += static_cast<std::uint32_t>(batch->items().size());
    const auto origin = batch->header().origin;
    if (end > block.outcomes->size() || origin >= voters->size()) return damaged("a block's outcome row");
    while (page.cursor.transaction < end) {
      if (page.full()) return {};
      const auto at = page.cursor.transaction;
      GALEN_TRY(read_item({header, batch->items()[at - first], (*block.outcomes)[at], (*voters)[origin].id}, page));
      if (page.cursor.transaction == at) return {};
    }
  }
  ++page.looked_at;  // a block without transactions is work too
  page.cursor = EventCursor::at_block(genesis_.chain_id, header.height + 1);
  return {};
}

// Leaves the cursor at the next transaction, or inside this one when the page was full.
Status EventReader::read_item(const Item& item, Page& page) {
  ++page.looked_at;
  GALEN_ASSIGN(auto events, events_of(item));
  while (page.cursor.event < events.size()) {
    if (page.full() && page.out.events_size() > 0) return {};
    auto& found = events[page.cursor.event++];
    if (page.filter.types != 0 && (page.filter.types >> found.event.type() & 1u) == 0) continue;
    GALEN_ASSIGN(const bool visible, concerns(own_, found, item));
    GALEN_ASSIGN(const bool wanted, passes(found, item, page.filter, visible));
    if (!wanted) continue;
    if (!visible) found.event.clear_detail();
    found.event.set_cursor(page.cursor.encode());
    page.bytes += found.event.ByteSizeLong();
    *page.out.add_events() = std::move(found.event);
  }
  ++page.cursor.transaction;
  page.cursor.event = 0;
  return {};
}

Result<bool> EventReader::concerns(Disclosure& member, const BlockEvent& event, const Item& item) {
  return member.event(item.origin, item.item.transaction.author(), event.executed);
}

Result<bool> EventReader::passes(const BlockEvent& event, const Item& item, const EventFilter& filter, bool visible) {
  if (filter.subject && !(visible && event.subject == filter.subject)) return false;
  if (!filter.member || as_text(*filter.member) == event.event.member()) return true;
  if (!visible) return false;
  auto other = others_.try_emplace(*filter.member, view_, *filter.member).first;
  return concerns(other->second, event, item);
}

Result<std::vector<BlockEvent>> EventReader::events_of(const Item& item) {
  std::vector<BlockEvent> events;
  const auto& transaction = item.item.transaction;
  const auto code = static_cast<ErrorCode>(item.outcome.code);
  if (code == ErrorCode::DUPLICATE) return events;  // changed nothing, and its id has its answer
  const bool refused = code != ErrorCode::OK;
  const auto& operations = transaction.operations();
  if (!refused && item.outcome.results.size() != operations.size()) return damaged("a transaction's outcome");
  for (std::size_t i = 0; i < (refused ? 1 : operations.size()); ++i) {
    auto& made = events.emplace_back();
    made.event.set_height(item.header.height);
    made.event.set_time_ms(item.header.time_ms);
    made.event.set_member(item.origin.str());
    auto& detail = *made.event.mutable_detail();
    detail.set_transaction_id(transaction.id().str());
    detail.set_author(transaction.author().str());
    if (refused) {
      made.event.set_type(galen::v1::EVENT_TYPE_TRANSACTION_REFUSED);
      detail.set_reason(std::string(to_reason(code)));
    } else {
      made.event.set_type(type_of(operations[i]));
      made.executed = &operations[i];
      GALEN_TRY(describe(operations[i], item.outcome.results[i], made));
    }
  }
  return events;
}

Status EventReader::describe(const pb::Operation& operation, ByteSpan result, BlockEvent& made) {
  auto& detail = *made.event.mutable_detail();
  switch (operation.kind_case()) {
    case pb::Operation::kAnchorRecord:
      *detail.mutable_record_anchored() = operation.anchor_record();
      name_subject(made, operation.anchor_record().subject());
      return {};
    case pb::Operation::kSetRecordStatus: {
      *detail.mutable_record_status_set() = operation.set_record_status();
      // The subject of a record and the patient of a consent never change: today's row says what was then.
      GALEN_ASSIGN(auto record,
                   load_state<pb::RecordState>(StateKind::record, operation.set_record_status().pointer_id()));
      if (record) name_subject(made, record->subject());
      return {};
    }
    case pb::Operation::kGrantConsent:
      *detail.mutable_consent_granted() = operation.grant_consent();
      name_subject(made, operation.grant_consent().patient());
      return {};
    case pb::Operation::kRevokeConsent: {
      *detail.mutable_consent_revoked() = operation.revoke_consent();
      GALEN_ASSIGN(auto consent,
                   load_state<pb::ConsentState>(StateKind::consent, operation.revoke_consent().consent_id()));
      if (consent) name_subject(made, consent->patient());
      return {};
    }
    case pb::Operation::kDecide:
      if (!detail.mutable_access_decided()->ParseFromArray(result.data(), static_cast<int>(result.size())))
        return damaged("a decision's result");
      name_subject(made, operation.decide().patient());
      return {};
    case pb::Operation::kRegisterPrincipal: {
      const auto& registered = operation.register_principal();
      *detail.mutable_principal_registered() = registered;
      if (registered.kind() == pb::PRINCIPAL_KIND_PATIENT) name_subject(made, registered.id());
      return {};
    }
    case pb::Operation::kProposeMembers:
      *detail.mutable_members_proposed() = operation.propose_members();
      return {};
    case pb::Operation::kVoteMembers:
      *detail.mutable_members_voted() = operation.vote_members();
      return {};
    case pb::Operation::kLearnerReady:
      *detail.mutable_learner_ready() = operation.learner_ready();
      return {};
    case pb::Operation::kSetAdminKey:
      *detail.mutable_admin_key_set() = operation.set_admin_key();
      return {};
    case pb::Operation::kReportEquivocation:
      return name_culprit(operation.report_equivocation(), *detail.mutable_equivocation_proven());
    case pb::Operation::KIND_NOT_SET:
      break;
  }
  return damaged("an executed operation");
}

Status EventReader::name_culprit(const pb::ReportEquivocation& report, galen::v1::EquivocationProven& out) const {
  GALEN_ASSIGN(const auto epoch, execution::load_epoch(genesis_, view_, report.epoch()));
  if (!epoch || report.member() > epoch->members.size()) return damaged("an executed report");
  out.set_member(epoch->members[static_cast<MemberIndex>(report.member() - 1)].id.str());
  out.set_epoch(report.epoch());
  out.set_kind(report.kind());
  out.set_view(report.view() - 1);
  out.set_height(report.height());
  return {};
}

template <class State>
Result<std::optional<State>> EventReader::load_state(StateKind kind, const std::string& key) const {
  GALEN_ASSIGN(auto row, view_.state(static_cast<std::uint8_t>(kind), as_bytes(key)));
  if (!row) return std::optional<State>{};
  std::optional<State> state(std::in_place);
  if (!state->ParseFromArray(row->data(), static_cast<int>(row->size()))) return damaged("a state row");
  return state;
}

// Blocks are missing below some height only (pruned, or not yet fetched after a snapshot), so halving finds it.
Result<EventCursor> EventReader::earliest() {
  Height low = 1, high = certified_ + 1;
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    GALEN_ASSIGN(auto block, load_(middle));
    if (block)
      high = middle;
    else
      low = middle + 1;
  }
  return EventCursor::at_block(genesis_.chain_id, low);
}

Result<galen::v1::EventsBehind> EventReader::behind(const EventCursor& cursor, std::uint64_t stalled_ms,
                                                    Height counted_max) const {
  galen::v1::EventsBehind behind;
  const auto to = cursor.is_before(head()) ? head() : cursor;
  behind.set_from(cursor.encode());
  behind.set_to(to.encode());
  behind.set_blocks(to.height - cursor.height);
  behind.set_stalled_ms(stalled_ms);
  std::uint64_t transactions = 0;
  for (auto height = cursor.height; height < to.height && height - cursor.height < counted_max; ++height) {
    GALEN_ASSIGN(auto info, view_.info(height));
    if (info) transactions += info->item_count;
    if (info && height == cursor.height) transactions -= std::min<std::uint64_t>(cursor.transaction, info->item_count);
  }
  behind.set_transactions(transactions);
  return behind;
}

}  // namespace galen::node
