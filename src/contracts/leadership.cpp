#include "galen/contracts/leadership.hpp"

#include "contracts/support.hpp"
#include "galen/types/limits.hpp"

namespace galen::contracts {

namespace {

std::optional<Leadership> leadership_of(const pb::LeadershipState& row) {
  Leadership out;
  out.failures.assign(row.failures().begin(), row.failures().end());
  for (const auto& skip : row.skips()) {
    if (skip.member() >= limits::kMembersMax) return std::nullopt;
    out.skips.push_back(
        {static_cast<MemberIndex>(skip.member()), skip.from_view(), skip.until_view(), skip.height()});
  }
  return out;
}

pb::LeadershipState row_of(const Leadership& leadership) {
  pb::LeadershipState row;
  row.set_format(1);
  for (auto count : leadership.failures) row.add_failures(count);
  for (const auto& skip : leadership.skips) {
    auto& out = *row.add_skips();
    out.set_member(skip.member);
    out.set_from_view(skip.from_view);
    out.set_until_view(skip.until_view);
    out.set_height(skip.height);
  }
  return row;
}

}  // namespace

Result<Leadership> load_leadership(const RowReader& read) {
  GALEN_ASSIGN(auto bytes, read(StateKind::leadership, {}));
  if (!bytes) return Leadership{};
  pb::LeadershipState row;
  if (row.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())))
    if (auto leadership = leadership_of(row)) return std::move(*leadership);
  return make_error(ErrorCode::CORRUPT, "The state row of kind 14 does not decode.");
}

void note_leaders(std::size_t members, const BlockHeader& parent, const BlockHeader& block, StateView& state) {
  if (parent.view == block.view && parent.epoch == block.epoch && !block.tenure_end()) return;  // says nothing of a leader
  Leadership leadership;
  if (auto row = load<pb::LeadershipState>(state, StateKind::leadership, {})) {
    auto known = leadership_of(*row);
    if (!known) return state.mark_corrupt(StateKind::leadership);
    leadership = std::move(*known);
  }
  if (note_block(leadership, members, parent, block)) store(state, StateKind::leadership, {}, row_of(leadership));
}

void forget_leaders(StateView& state) {
  if (load<pb::LeadershipState>(state, StateKind::leadership, {})) store(state, StateKind::leadership, {}, row_of({}));
}

}  // namespace galen::contracts
