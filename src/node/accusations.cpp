#include "node/accusations.hpp"

#include <algorithm>

#include "galen/types/equivocation.hpp"

namespace galen::node {
namespace {

namespace pb = ledger::v1;
using consensus::Message;

struct Signed {
  pb::SignedKind kind = pb::SIGNED_KIND_UNSPECIFIED;
  MemberIndex sender = 0;
  View view = 0;
  Height height = 0;
  pb::SignedValue value;

  bool is_of(const Signed& other) const {
    return kind == other.kind && sender == other.sender && view == other.view && height == other.height;
  }
};

Signed of_vote(pb::SignedKind kind, const consensus::SignedVote& vote) {
  Signed out{kind, vote.sender, vote.subject.view, vote.subject.height, {}};
  out.value.set_digest(vote.subject.digest.str());
  out.value.set_signature(vote.signature.str());
  return out;
}

Signed of_message(crypto::Suite suite, const Message& message) {
  if (const auto* vote = std::get_if<consensus::Prepare>(&message)) return of_vote(pb::SIGNED_KIND_PREPARE, *vote);
  if (const auto* vote = std::get_if<consensus::Commit>(&message)) return of_vote(pb::SIGNED_KIND_COMMIT, *vote);
  const auto* proposal = std::get_if<consensus::PrePrepare>(&message);
  if (proposal == nullptr) return {};
  Signed out{pb::SIGNED_KIND_PRE_PREPARE, proposal->sender, proposal->view, proposal->block.header.height, {}};
  const auto kind = static_cast<std::uint8_t>(proposal->justification.kind);
  out.value.set_digest(proposal->digest.str());
  out.value.set_justification(to_string(justification_mark(suite, kind, proposal->justification.encode())));
  out.value.set_signature(proposal->signature.str());
  return out;
}

}  // namespace

std::optional<pb::Operation> report_of(const ChainContext& context, const consensus::Effects::Evidence& evidence) {
  auto first = of_message(context.suite, *evidence.first), second = of_message(context.suite, *evidence.second);
  const bool one_place = first.is_of(second) && first.kind != pb::SIGNED_KIND_UNSPECIFIED;
  if (!one_place || first.value.digest() == second.value.digest()) return std::nullopt;
  // No operation can say these; taken for a proof, they would keep the next one from being reported.
  if (first.view == UINT64_MAX || first.height == 0) return std::nullopt;
  if (first.value.digest() > second.value.digest()) std::swap(first, second);
  pb::Operation out;
  auto& report = *out.mutable_report_equivocation();
  report.set_epoch(context.epoch);
  report.set_member(first.sender + 1u);
  report.set_kind(first.kind);
  report.set_view(first.view + 1);
  report.set_height(first.height);
  *report.mutable_first() = std::move(first.value);
  *report.mutable_second() = std::move(second.value);
  return out;
}

void Accusations::add(const consensus::Effects::Evidence& evidence) {
  if (all_.contains(evidence.member)) return;
  if (auto report = report_of(context_, evidence))
    all_.emplace(evidence.member, Accusation{std::move(*report), {}, false});
}

bool Accusations::all_settled() const {
  return std::all_of(all_.begin(), all_.end(), [](const auto& one) { return one.second.settled; });
}

}  // namespace galen::node
