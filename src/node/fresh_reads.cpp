// How fresh an answer has to be (D19, docs/spec/consensus.md, "Reads"): linearizable, at least a height, or not older than. Query
// threads.
#include <fmt/format.h>

#include "galen/base/clock.hpp"
#include "node/authority.hpp"
#include "node/queries.hpp"

namespace galen::node {

using galen::node::v1::Call;

namespace {

/// Without a quorum in sight there is no use in waiting for the deadline; a connection that is just being made anew is.
constexpr std::uint64_t kHopelessUs = 1'000'000;

std::string names(const Identity& identity, const std::vector<MemberIndex>& members) {
  std::string out;
  for (auto member : members) out += (out.empty() ? "" : ", ") + identity.member_name(member);
  return out;
}

}  // namespace

// Checked before anything is asked of others: a stranger's call costs them nothing.
Result<Queries::Freshness> Queries::begin_read(const Call& call, std::uint64_t now_us) {
  Freshness out;
  out.since_us = now_us;
  const auto* info = socket::find_method(static_cast<socket::Method>(call.method()));
  if (info == nullptr || info->writes || info->service == "galen.v1.NodeService") return out;
  galen::v1::AnyRead request;
  if (!request.ParseFromString(call.request())) return out;  // the call itself says so
  out.options = request.read_options();
  const bool waits = out.options.linearizable() || out.options.min_height() != 0;
  if (!waits) return out;
  auto caller = PrincipalId::from(std::string_view(call.principal()));
  if (!caller) return out;
  GALEN_ASSIGN(auto view, store_.snapshot());
  GALEN_TRY(authorise(*view, identity_, *caller, *info));
  GALEN_TRY(health_.may_serve());
  if (out.options.linearizable())
    out.ticket = barrier_.begin();
  else
    out.height_min = out.options.min_height();
  return out;
}

Result<bool> Queries::ask_barrier(Freshness& freshness, bool last_chance, std::uint64_t now_us) {
  auto look = barrier_.look(*freshness.ticket);
  if (look.height) {
    freshness.height_min = look.height;
    return true;
  }
  const auto& members = identity_.members();
  const auto missing = health_.missing(members.size(), identity_.self).size();
  const bool hopeless = members.size() - missing < members.quorum() && now_us >= freshness.since_us + kHopelessUs;
  if (!hopeless && !last_chance) return false;
  std::string why;
  if (!look.silent.empty()) why += "; no answer of " + names(identity_, look.silent);
  if (!look.not_voting.empty()) why += "; does not vote: " + names(identity_, look.not_voting);
  return Error{ErrorCode::NO_QUORUM, fmt::format("a linearizable read needs answers of {} of {} members{}", members.quorum(),
                                                 members.size(), why)};
}

Result<bool> Queries::may_read_now(Waiting& waiting, std::uint64_t now_us) {
  if (!waiting.freshness) {
    GALEN_ASSIGN(waiting.freshness, begin_read(waiting.call, now_us));
  }
  auto& freshness = *waiting.freshness;
  const bool last_chance = now_us >= waiting.answer_by_us;
  if (freshness.ticket && !freshness.height_min) {
    GALEN_ASSIGN(bool answered, ask_barrier(freshness, last_chance, now_us));
    if (!answered) return false;
  }
  if (!freshness.height_min) return true;
  GALEN_TRY(health_.may_serve());
  GALEN_ASSIGN(auto view, store_.snapshot());
  if (view->height() >= *freshness.height_min) return true;
  if (!last_chance) return false;
  return Error{ErrorCode::HEIGHT_NOT_REACHED,
               fmt::format("this node has executed blocks up to {}, and {} {}", view->height(),
                           freshness.options.linearizable() ? "a linearizable read has to see block" : "min_height asks for",
                           *freshness.height_min)};
}

// Certified: by q signatures of its own, or by the header of a later block, which no quorum prepares with a wrong root.
Status Queries::check_staleness(const ledger::View& view, std::uint64_t staleness_ms_max) const {
  const auto& head = view.head().header;
  Height height = head.height;
  for (; height > head.exec_height; --height) {
    GALEN_ASSIGN(auto certificate, view.executed_certificate(height));
    if (certificate) break;
  }
  GALEN_ASSIGN(auto header, view.header(height));
  const auto time_ms = header ? header->time_ms : 0, now_ms = system_clock().wall_ms();
  const auto age_ms = now_ms > time_ms ? now_ms - time_ms : 0;
  if (age_ms <= staleness_ms_max) return {};
  return Error{ErrorCode::TOO_STALE, fmt::format("the newest certified block here, {}, is {} ms old, and {} ms are allowed", height,
                                                 age_ms, staleness_ms_max)};
}

}  // namespace galen::node
