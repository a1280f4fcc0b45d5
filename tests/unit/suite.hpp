// The suite under test: the one that GALEN_TEST_SUITE names, else p256-sha256. CTest runs every room that touches bytes
// or signatures once under each.
#pragma once

#include <cstdlib>

#include "galen/base/assert.hpp"
#include "galen/crypto/hash.hpp"

namespace galen::test {

inline crypto::Suite suite() {
  const char* name = std::getenv("GALEN_TEST_SUITE");
  auto suite = crypto::suite_from_name(name == nullptr ? "p256-sha256" : name);
  GALEN_ASSERT(suite.has_value());
  return *suite;
}

}  // namespace galen::test
