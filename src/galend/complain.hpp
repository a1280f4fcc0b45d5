// What galend says when it cannot do what it was told, and the exit code it ends with (docs/operations.md, Exit codes).
#pragma once

#include "galen/base/error.hpp"

namespace galen {

int exit_code(ErrorCode code);
/// On standard error, with the advice that goes with it. Returns the exit code.
int complain(const Error& error);

}  // namespace galen
