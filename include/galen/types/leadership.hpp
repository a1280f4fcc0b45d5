// Who leads a view (V6, docs/spec/consensus.md 6): the rotation over the members, the skip of those whose views fail, and
// the fold over the chain that decides on it. Pure functions of headers; any thread. What the execution of a block decides
// holds for the views that stand on a block whose exec_height is not below it: whoever has that block can tell the leader,
// and nobody's own tip matters.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "galen/types/block.hpp"

namespace galen {

/// So many views in a row that a member led and that failed leave it out; after a skip one more does.
inline constexpr std::uint32_t kFailuresToSkip = 2;
/// For how many views: eight rotations.
constexpr View skip_length(std::size_t members) { return 8 * members; }

/// A member that the rotation leaves out.
struct LeaderSkip {
  MemberIndex member = 0;
  View from_view = 0;
  View until_view = 0;  ///< exclusive
  Height height = 0;    ///< of the block whose execution decided it
  bool operator==(const LeaderSkip&) const = default;

  /// In a view that stands on a block with this exec_height.
  bool holds(View view, Height exec_height) const {
    return height <= exec_height && from_view <= view && view < until_view;
  }
};

/// What the chain up to a height says of its leaders (state kind 14). Nothing until a view fails; of one epoch only.
struct Leadership {
  std::vector<std::uint32_t> failures;  ///< by place in the member set: views in a row that failed; empty: nobody's
  std::vector<LeaderSkip> skips;        ///< in force or to come, by height
  bool operator==(const Leadership&) const = default;
};

/// leader(view, base), by the exec_height of the base: the member whose turn it is, or if that one is left out the one whose
/// turn it is among the others. `skips` may hold what was decided later, and what has ended before the view.
MemberIndex leader_of(std::size_t members, std::span<const LeaderSkip> skips, View view, Height exec_height);
/// Who is left out there, ascending.
std::vector<MemberIndex> skipped_at(std::span<const LeaderSkip> skips, View view, Height exec_height);

/// The executor, at each block of an epoch of so many members. True: something has changed.
bool note_block(Leadership& leadership, std::size_t members, const BlockHeader& parent, const BlockHeader& block);

/// exec_height of the base of the view that the block was born in: of its nearest ancestor of an earlier view or epoch.
/// Nothing if a header on the way is not known.
using HeaderAt = std::function<std::optional<BlockHeader>(Height)>;
std::optional<Height> base_exec_height(const BlockHeader& block, const HeaderAt& header_at);

}  // namespace galen
