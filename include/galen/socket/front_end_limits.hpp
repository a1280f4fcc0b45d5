// What node and front end must agree on before they talk: bounds of what the node may tell the front end.
#pragma once

#include <cstdint>

namespace galen::socket {

/// Calls in progress; the node's hello may ask for fewer, never for more.
inline constexpr std::uint32_t kWriteCreditsMax = 20'000;
inline constexpr std::uint32_t kReadCreditsMax = 4'000;
/// Resident memory of the front end, of which it gives gRPC three quarters: with less it would end itself at its first
/// calls.
inline constexpr std::uint32_t kFrontEndMemoryMibMin = 64;
inline constexpr std::uint32_t kFrontEndMemoryMibMax = 1024 * 1024;

}  // namespace galen::socket
