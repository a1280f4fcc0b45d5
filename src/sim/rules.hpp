// Branches of the rules of docs/spec/consensus.md that no event of the core names, as what an honest member says or does
// shows them.
#pragma once

#include <cstdint>
#include <string_view>

namespace galen::sim {

enum class Rule : std::uint8_t {
  r5_earlier_view, r5_after_view_change, r6_not_voting, r6_changing, r8_tenure_end, v1_certificate, v1_no_certificate, v1_far,
  v4_on_maximum, v4_again, v4e_again, epoch_end, status_fresh, status_starting, status_voting, status_recovering, status_shows,
  count,
};
/// Begins with the rule.
std::string_view to_name(Rule rule);

}  // namespace galen::sim
