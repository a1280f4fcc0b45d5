// Exactly once, as a caller meets it (D12): what an id stands for already, whether a request that names it again has
// the same body, and what it is answered: the first request's outcome, with another body together with the mismatch.

#include <fmt/format.h>

#include <algorithm>

#include "node/first_answer.hpp"
#include "node/intake.hpp"

namespace galen::node {

using galen::node::v1::Call;
using galen::node::v1::Reply;
using ledger::v1::Operation;

bool same_operations(const std::vector<Operation>& a, const std::vector<Operation>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Operation& one, const Operation& other) {
    return one.SerializeAsString() == other.SerializeAsString();
  });
}

Result<std::optional<Intake::Earlier>> Intake::earlier_of(const TransactionId& id) const {
  GALEN_ASSIGN(auto row, view_->transaction(id));
  // The same rule as admission's and execution's: past the last valid_until the id may be used again.
  if (row && row->latest.valid_until_ms >= view_->head().header.time_ms) {
    GALEN_TRY(check_first_use_known());
    Earlier earlier{row->first, std::nullopt};
    GALEN_ASSIGN(auto answer, first_answer(*view_, id, row->first));
    if (answer.transaction) earlier.operations = answer.transaction->operations();
    return std::optional(std::move(earlier));
  }
  const auto* pending = mempool_.pending(id);
  if (pending == nullptr) return std::optional<Earlier>{};
  return std::optional(Earlier{std::nullopt, pending->transaction.operations()});
}

// An id may be used again once it has expired, and its first answer stays the answer: a use that is here may have one
// before it that is not.
Status Intake::check_first_use_known() const {
  if (floor_ == 0) return {};
  return Error{
      ErrorCode::BACKFILLING,
      fmt::format("this request_id was used before; which answer was its first is known when the blocks below {} "
                  "are here too",
                  floor_)};
}

Status Intake::answer_earlier(Open open, const TransactionId& id, const Earlier& earlier, bool same_body) {
  open.own = id;
  open.mismatch = !same_body;
  if (earlier.first) return answer_first(std::move(open), *earlier.first);
  open.awaits.insert(id);
  wait(std::move(open));
  return {};
}

// Pointers and keys are drawn anew for each plan, so bodies are compared by what the vault knows of them: a document
// that this id has anchored plans nothing. After a rejection nothing is known, and shape must do.
bool Intake::same_anchors(const std::vector<Operation>& planned, std::size_t retried, const Earlier& earlier) {
  if (!earlier.operations) return true;
  const auto& before = *earlier.operations;
  const bool rejected = earlier.first && earlier.first->code != 0;
  if (!rejected) return planned.empty() && retried == before.size();
  return std::equal(before.begin(), before.end(), planned.begin(), planned.end(),
                    [](const Operation& a, const Operation& b) {
                      return b.has_anchor_record() && a.anchor_record().subject() == b.anchor_record().subject() &&
                             a.anchor_record().class_() == b.anchor_record().class_();
                    });
}

// The pseudonym may have been drawn by this node: then the first request's is the answer.
Status Intake::retry_registration(Call& call, std::uint64_t deadline_us,
                                  const galen::v1::RegisterPatientRequest& request, const TransactionId& id,
                                  const Earlier& earlier) {
  auto response = std::make_unique<galen::v1::RegisterPatientResponse>();
  auto* outcome = response->mutable_outcome();
  bool same = true;
  if (earlier.operations) {
    const auto& before = earlier.operations->front().register_principal();
    same = earlier.operations->size() == 1 && before.kind() == ledger::v1::PRINCIPAL_KIND_PATIENT &&
           before.key() == request.key() && (request.pseudonym().empty() || before.id() == request.pseudonym());
    if (same && request.has_source()) {
      auto known =
          vault_->pseudonym_of(request.source().system(), request.source().type() + "/" + request.source().id());
      same = !known || !*known || (*known)->str() == before.id();
    }
    response->set_pseudonym(before.id());
  }
  Open open{.call = call, .response = std::move(response), .outcome = outcome, .deadline_us = deadline_us};
  return answer_earlier(std::move(open), id, earlier, same);
}

// Another node may have brought the same id with another body first: those who wait here for theirs must not take that
// outcome for their own.
Status Intake::mark_mismatches(const execution::ExecutedBlock& block) {
  BlockPtr body;
  for (const auto& item : block.items) {
    const auto* pending = mempool_.pending(item.id);
    if (!item.answers || item.origin == identity_.self || pending == nullptr) continue;
    if (!body) {
      GALEN_ASSIGN(body, view_->block(block.height));
      if (!body) return {};
    }
    const auto& executed = body->batches.at(item.batch)->items().at(item.item).transaction;
    if (same_operations(executed.operations(), pending->transaction.operations())) continue;
    for (auto& [call_id, open] : open_)
      if (open.own == item.id) open.mismatch = true;
  }
  return {};
}

// The first request's outcome goes with the refusal; its receipt is GetReceipt's to give, being too long for an error.
void Intake::reply_mismatch(const Open& open) {
  Reply reply;
  reply.set_call_id(open.call.call_id());
  reply.set_code(static_cast<std::uint32_t>(ErrorCode::REQUEST_ID_REUSED));
  auto& details = *reply.mutable_details();
  details["first_transaction_id"] = open.own->hex();
  auto state = galen::v1::TransactionState_Name(open.outcome->state());
  details["first_state"] = state.substr(state.rfind('_') + 1);
  details["first_reason"] = open.outcome->reason();
  details["first_height"] = std::to_string(open.outcome->height());
  details["first_time_ms"] = std::to_string(open.outcome->time_ms());
  reply.set_message(fmt::format("this request_id was used before with another body, which was {} at height {}",
                                details["first_state"], open.outcome->height()));
  ports_.reply(reply);
}

}  // namespace galen::node
