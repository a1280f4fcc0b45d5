#include "galen/types/state_key.hpp"

namespace galen {

std::optional<std::size_t> state_key_bytes(std::uint32_t kind) {
  constexpr std::size_t kId = PrincipalId::kSize, kEpoch = sizeof(Epoch), kCompartment = sizeof(std::uint32_t);
  if (kind > 0xff) return std::nullopt;
  switch (static_cast<StateKind>(kind)) {
    case StateKind::principal:
    case StateKind::record:
    case StateKind::consent:
    case StateKind::member:
    case StateKind::member_claim:
    case StateKind::proposal:
      return kId;
    case StateKind::grant_index:
      return 2 * kId;
    case StateKind::access_head:
      return kId + kCompartment;
    case StateKind::epoch:
      return kEpoch;
    case StateKind::equivocation:
      return kEpoch + kId;
    case StateKind::parameters:
    case StateKind::membership:
    case StateKind::certified_roots:
    case StateKind::leadership:
      return 0;
  }
  return std::nullopt;
}

Bytes epoch_key(Epoch epoch) { return ByteWriter(8).u64(epoch).bytes(); }

Hash member_key_claim(crypto::Suite suite, ByteSpan consensus_key) {
  return crypto::hash_tagged(suite, "galen/1 member key", {consensus_key});
}

Hash member_name_claim(crypto::Suite suite, ByteSpan name) {
  return crypto::hash_tagged(suite, "galen/1 member name", {name});
}

Bytes equivocation_key(Epoch epoch, const PrincipalId& member) {
  return ByteWriter(8 + PrincipalId::kSize).u64(epoch).raw(member).bytes();
}

}  // namespace galen
