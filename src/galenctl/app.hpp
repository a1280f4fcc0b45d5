// The whole program as a function, so that tests can call it: grammar, globals, one action, exit code.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace galen::galenctl {

/// `arguments` without the program's name. Returns the exit code.
int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err, bool err_is_terminal);

}  // namespace galen::galenctl
