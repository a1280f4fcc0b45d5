// Naming rows of the state on the command line, for `state prove` and `evidence export`: one flag for each kind of row.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "galenctl/context.hpp"

namespace galen::galenctl {

struct StateRow {
  std::uint32_t kind = 0;
  std::string key;
};

/// What the flags of one verb have named. Lives as long as the verb.
class RowFlags {
 public:
  void add_to(CLI::App* verb);

  /// In the order of the flags, records first. INVALID_ARGUMENT and NOT_FOUND as arguments.hpp says.
  Result<std::vector<StateRow>> rows(const Context& context) const;

  /// "--record, --consent … or --leadership"
  static std::string names();

 private:
  static constexpr std::size_t kKeyed = 11, kLone = 4;
  std::array<std::vector<std::string>, kKeyed> texts_;  ///< by flag
  std::array<bool, kLone> lone_{};
};

}  // namespace galen::galenctl
