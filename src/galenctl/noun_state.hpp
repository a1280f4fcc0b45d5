// Naming a row of the state on the command line, for `state` and `evidence`.
#pragma once

#include <memory>

#include "galenctl/arguments.hpp"

namespace galen::galenctl {

struct StateRow {
  std::uint32_t kind = 0;
  std::string key;
};

/// "PATIENT:MEMBER" for grants; the other kinds by their id or name.
Result<StateRow> record_row(const std::string& text);
Result<StateRow> consent_row(const std::string& text);
Result<StateRow> principal_row(const Context& context, const std::string& text);
Result<StateRow> access_row(const Context& context, const std::string& text);
Result<StateRow> grants_row(const Context& context, const std::string& text);
StateRow parameters_row();

}  // namespace galen::galenctl
