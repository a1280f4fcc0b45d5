// Assertions that stay on in release builds. They guard our own invariants, never input: a failed one means the
// process can no longer be trusted, so it prints where and stops. The text must not contain payloads or identifiers.
#pragma once

namespace galen {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace galen

#define GALEN_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::galen::assertion_failed(#expression, __FILE__, __LINE__))
