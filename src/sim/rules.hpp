// Branches of the rules of docs/spec/consensus.md that no event of the core names, as what an honest member says or does
// shows them.
#pragma once

#include <cstdint>
#include <string_view>

namespace galen::sim {

enum class Rule : std::uint8_t {
  r2_maximum,
  r2_maximum_itself,
  r2_tenure_end,
  r2_first,
  r2_later,
  r3_last_vote,
  r3_certified,
  r4_tenure_end,
  r5_earlier_view,
  r5_after_view_change,
  r6_not_voting,
  r6_changing,
  r6_ancestor,
  r7_from_the_log,
  r8_tenure_end,
  v1_certificate,
  v1_no_certificate,
  v1_far,
  v1_again,
  v1_climbs,
  v4_on_maximum,
  v4_on_base,
  v4_again,
  v4e_again,
  v5_batch_again,
  epoch_end,
  status_fresh,
  status_starting,
  status_voting,
  status_recovering,
  status_diverged,
  status_ended,
  status_shows,
  forgotten_word,
  votes_fresh,
  votes_again,
  resumed_by_new_view,
  resumed_by_certificate,
  count,
};
/// Begins with the rule.
std::string_view to_name(Rule rule);

}  // namespace galen::sim
