// Keys of the rows of the state (docs/spec/formats.md 5.1): how long they are, and how those are made that are no id. Pure; any
// thread.
#pragma once

#include <optional>

#include "galen/types/members.hpp"
#include "galen/types/receipt.hpp"

namespace galen {

/// Nothing if no row has such a kind.
std::optional<std::size_t> state_key_bytes(std::uint32_t kind);

/// StateKind::epoch.
Bytes epoch_key(Epoch epoch);
/// StateKind::member_claim: what keeps a consensus key and a name from being given to anybody else.
Hash member_key_claim(crypto::Suite suite, ByteSpan consensus_key);
Hash member_name_claim(crypto::Suite suite, ByteSpan name);
/// StateKind::equivocation.
Bytes equivocation_key(Epoch epoch, const PrincipalId& member);

}  // namespace galen
