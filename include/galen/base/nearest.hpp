// "Did you mean …?": the word of a list that differs from what was written in the fewest letters. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace galen {

/// Letters to insert, delete or change to make one of the other.
std::size_t edit_distance(std::string_view a, std::string_view b);
/// The nearest candidate, the first of equals; empty if there are none.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace galen
