#include "galen/types/leadership.hpp"

#include <algorithm>

#include "galen/base/assert.hpp"

namespace galen {

namespace {

bool in_one_epoch(const BlockHeader& parent, const BlockHeader& block) {
  return parent.height > 0 && parent.epoch == block.epoch;
}

View add_saturated(View view, View more) { return view > UINT64_MAX - more ? UINT64_MAX : view + more; }

/// The fold at one block.
class BlockNote {
 public:
  BlockNote(Leadership& leadership, std::size_t members, const BlockHeader& block)
      : leadership_(leadership), members_(members), block_(block) {}

  /// A view that this member led has ended without its tenure_end.
  void failed(MemberIndex member) {
    if (member >= members_) return;
    leadership_.failures.resize(members_);
    auto from = add_saturated(block_.view, 2);
    // One that stands beyond the first view of a new skip overlaps with it there: they begin in the order of their heights.
    auto stands = [&](const LeaderSkip& skip) { return skip.until_view > from; };
    auto& skips = leadership_.skips;
    bool is_out = std::any_of(skips.begin(), skips.end(), [&](const auto& s) { return stands(s) && s.member == member; });
    if (is_out) return;
    auto& failures = leadership_.failures[member];
    failures = std::min(failures + 1, kFailuresToSkip);
    auto others = static_cast<std::size_t>(std::count_if(skips.begin(), skips.end(), stands));
    if (failures < kFailuresToSkip || others >= faults_tolerated(members_)) return;  // never more than f
    skips.push_back({member, from, add_saturated(from, skip_length(members_)), block_.height});
    failures = kFailuresToSkip - 1;
  }

 private:
  Leadership& leadership_;
  std::size_t members_;
  const BlockHeader& block_;
};

}  // namespace

std::vector<MemberIndex> skipped_at(std::span<const LeaderSkip> skips, View view, Height exec_height) {
  std::vector<MemberIndex> out;
  for (const auto& skip : skips)
    if (skip.holds(view, exec_height)) out.push_back(skip.member);
  std::sort(out.begin(), out.end());
  return out;
}

MemberIndex leader_of(std::size_t members, std::span<const LeaderSkip> skips, View view, Height exec_height) {
  GALEN_ASSERT(members > 0);
  auto turn = static_cast<MemberIndex>(view % members);
  auto skipped = skipped_at(skips, view, exec_height);
  if (!std::binary_search(skipped.begin(), skipped.end(), turn)) return turn;
  std::vector<MemberIndex> active;
  for (MemberIndex member = 0; member < members; ++member)
    if (!std::binary_search(skipped.begin(), skipped.end(), member)) active.push_back(member);
  GALEN_ASSERT(!active.empty());
  return active[view % active.size()];
}

bool note_block(Leadership& leadership, std::size_t members, const BlockHeader& parent, const BlockHeader& block) {
  const auto before = leadership;
  bool one_epoch = in_one_epoch(parent, block);
  bool later_view = !one_epoch || block.view > parent.view;
  if (later_view) {
    BlockNote note(leadership, members, block);
    if (one_epoch && !parent.tenure_end()) note.failed(parent.proposer);
    // Nothing bounds a view number, so of those in between only the last count. Most likely they stood on the parent.
    View first = one_epoch ? parent.view + 1 : 0;
    first = std::max(first, block.view - std::min(block.view, skip_length(members)));
    for (View view = first; view < block.view; ++view)
      note.failed(leader_of(members, leadership.skips, view, parent.exec_height));
  }
  if (block.tenure_end() && block.proposer < leadership.failures.size()) leadership.failures[block.proposer] = 0;
  std::erase_if(leadership.skips, [&](const LeaderSkip& skip) { return skip.until_view <= block.view; });
  return leadership != before;
}

std::optional<Height> base_exec_height(const BlockHeader& block, const HeaderAt& header_at) {
  auto child = block;
  while (child.height > 0) {
    auto parent = header_at(child.height - 1);
    if (!parent) return std::nullopt;
    if (!in_one_epoch(*parent, child) || parent->view != child.view) return parent->exec_height;
    child = *parent;
  }
  return Height{0};
}

}  // namespace galen
