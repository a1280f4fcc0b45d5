// Weakenings that the simulator must catch (docs/mutations.md), each in a build of its own: GALEN_MUTATION names the
// one that is planted. In every other build `mutated` is false at compile time and nothing of this is in the program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace galen::consensus {

/// Numbered as in the table of docs/mutations.md.
enum class Mutation : std::uint8_t {
  none = 0,
  small_quorum = 1,
  forget_votes = 2,
  leaders_own_high_qc = 3,
  commit_without_r5 = 4,
  under_report_high_qc = 5,
  no_single_chain = 6,
  mixed_targets = 7,
  child_of_tenure_end = 8,
  two_prepares_at_a_height = 9,
  one_member_joins_all = 10,
  no_restart_fence = 11,
  forget_high_qc = 12,
  recover_without_high_qc = 13,
  recover_without_floor = 14,
  child_of_epoch_end = 15,
  end_left_open = 16,
  anyone_leads = 17,
};

#ifdef GALEN_MUTATION
inline constexpr Mutation kPlanted = Mutation::GALEN_MUTATION;
#else
inline constexpr Mutation kPlanted = Mutation::none;
#endif

constexpr bool mutated(Mutation mutation) { return mutation == kPlanted; }

/// q, unless the mutation that makes it 2f is planted.
template <class Members>
constexpr std::size_t quorum_of(const Members& members) {
  if constexpr (mutated(Mutation::small_quorum)) return 2 * members.faults();
  else return members.quorum();
}

}  // namespace galen::consensus
