#include "galen/net/refusal.hpp"

namespace galen::net {

namespace {
constexpr std::string_view kNames[] = {
#define X(name, meaning) #name,
    GALEN_NET_REFUSALS(X)
#undef X
};
constexpr std::string_view kMeanings[] = {
#define X(name, meaning) meaning,
    GALEN_NET_REFUSALS(X)
#undef X
};
}  // namespace

std::string_view to_reason(Refusal refusal) {
  auto index = static_cast<std::size_t>(refusal);
  return index < kRefusals ? kNames[index] : "UNKNOWN";
}

std::string_view meaning(Refusal refusal) {
  auto index = static_cast<std::size_t>(refusal);
  return index < kRefusals ? kMeanings[index] : "a reason this version does not know";
}

}  // namespace galen::net
