// Answers and questions of block sync, as they come from a peer that may send anything.
#include "fuzz/fuzz.hpp"
#include "node/peer_messages.hpp"

namespace galen {
namespace {

/// An encoded message begins with its kind, which the decoders of bodies do not see.
void expect_same(const Bytes& message, ByteSpan body) {
  GALEN_ASSERT(std::equal(message.begin() + 1, message.end(), body.begin(), body.end()));
}

}  // namespace

GALEN_FUZZ_TARGET(peer_messages) {
  if (auto fetch = node::decode_fetch_batches(input)) expect_same(node::encode_fetch_batches(fetch->digests), input);
  if (auto offer = node::decode_offer(input)) expect_same(node::encode_offer(*offer), input);
  if (auto height = node::decode_fetch_stored(input))
    GALEN_ASSERT(ByteWriter().u64(*height).bytes() == to_bytes(input));
  if (auto asked = node::decode_fetch_tree(input)) {
    const auto again = ByteWriter().u64(asked->height).u8(asked->depth).raw(asked->path).bytes();
    GALEN_ASSERT(again == to_bytes(input));
  }
  if (auto fetch = node::decode_fetch_blocks(input)) expect_same(node::encode_fetch_blocks(*fetch), input);
  if (auto nonce = node::decode_fetch_high(input)) GALEN_ASSERT(node::encode_fetch_high(*nonce).size() == input.size());
  if (auto high = node::decode_high(input)) {
    const auto again = node::encode_high(*high);
    GALEN_ASSERT(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  if (auto blocks = node::decode_blocks(input)) {
    std::size_t bytes = 0;
    for (const auto& block : *blocks) bytes += block.block.size();
    GALEN_ASSERT(bytes <= input.size());
  }
}

}  // namespace galen
