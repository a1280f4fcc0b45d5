#include "galen/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace galen {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "galen: assertion failed: %s at %s:%d; the process stops\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace galen
