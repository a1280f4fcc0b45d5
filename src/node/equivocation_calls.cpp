// What the ledger has proven of members that signed two values for one place (docs/spec/membership.md 7). Everybody may
// know. Pure functions of a snapshot; query threads.
#include <set>

#include "galen/v1/governance_service.pb.h"
#include "node/participants.hpp"
#include "node/queries.hpp"

namespace galen::node {
namespace {

constexpr std::size_t kListedMax = 1'000;

using Infos = google::protobuf::RepeatedPtrField<galen::v1::EquivocationInfo>;

/// Newest epoch first.
Result<Infos> load_equivocations(const Genesis& genesis, const ledger::View& view) {
  GALEN_ASSIGN(const auto rows, view.last_state_rows(static_cast<std::uint8_t>(StateKind::equivocation), kListedMax));
  Infos out;
  for (const auto& row : rows) {
    ByteReader key(row.key);
    auto& info = *out.Add();
    info.set_epoch(key.u64());
    const auto member = key.fixed<PrincipalId>();
    if (!key.done() || !info.mutable_state()->ParseFromArray(row.value.data(), static_cast<int>(row.value.size())))
      return Error{ErrorCode::CORRUPT, "a state row of an equivocation does not decode"};
    info.set_member(member.str());
    GALEN_ASSIGN(*info.mutable_name(), member_name(genesis, view, member));
  }
  return out;
}

}  // namespace

Result<std::string> Queries::list_equivocations(const ledger::View& view) {
  galen::v1::ListEquivocationsResponse response;
  GALEN_ASSIGN(*response.mutable_equivocations(), load_equivocations(identity_.genesis, view));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Status Queries::set_equivocations(const ledger::View& view, galen::v1::GetStatusResponse& response) const {
  GALEN_ASSIGN(const auto found, load_equivocations(identity_.genesis, view));
  std::set<std::string> names;
  for (const auto& info : found)
    if (names.insert(info.name()).second) response.add_equivocations(info.name());
  (*response.mutable_counters())["equivocations_proven"] = static_cast<std::uint64_t>(found.size());
  return {};
}

}  // namespace galen::node
