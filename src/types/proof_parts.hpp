// What the checks of evidence share with each other (docs/spec/evidence.md 3).
#pragma once

#include "galen/types/proof_check.hpp"

namespace galen {

/// A header of this chain in an evidence file.
Result<BlockHeader> check_header(const EpochChain& epochs, ByteSpan bytes, const std::string& part);

/// The history root that the path leads to from a block of this digest and height, in the tree of `later`.
std::optional<Hash> history_root_of(crypto::Suite suite, const Hash& digest, Height height, const BlockHeader& later,
                                    const ProofPath& path);

}  // namespace galen
