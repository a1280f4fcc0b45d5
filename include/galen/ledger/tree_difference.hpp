// In what two state trees differ: the descent from two roots to the leaves that are not the same, page by page, each
// page checked against the hash above it. Used by a node whose state root is not the certified one. Pure but for the
// readers; any thread.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/crypto/hash.hpp"

namespace galen::ledger {

/// Hands out the page that begins at `depth` on the way to `path` (StateTree::page).
using PageReader = std::function<Result<Bytes>(unsigned depth, const Hash& path)>;

struct TreeSide {
  Hash root;
  PageReader read;
};

struct LeafDifference {
  Hash path;
  std::optional<Hash> here, there;  ///< hashes of the values; nothing: no such row on that side
};

struct TreeDifference {
  std::vector<LeafDifference> leaves;  ///< ascending by path
  bool complete = true;                ///< false: a limit was reached, and there are more
};

struct DifferenceLimits {
  std::size_t leaves = 1000;
  std::size_t pages = 20'000;  ///< read of either side
};

/// What a reader says when a page cannot be had; CORRUPT for a page that does not hash to what its parent says.
Result<TreeDifference> difference(crypto::Suite suite, const TreeSide& here, const TreeSide& there,
                                  const DifferenceLimits& limits = {});

}  // namespace galen::ledger
