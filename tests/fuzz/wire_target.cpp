// Frames between members, frames between a node and its front end, and the messages of the consensus.
#include "fuzz/fuzz.hpp"
#include "galen/consensus/messages.hpp"
#include "net/wire.hpp"
#include "socket/frame.hpp"

namespace galen {

// The first byte says in what pieces the rest arrives.
GALEN_FUZZ_TARGET(peer_frames) {
  if (input.empty()) return;
  const std::size_t piece = 1 + input[0] % 64;
  const bool admitted = input[0] >= 64;
  auto rest = input.subspan(1);
  std::size_t delivered = 0;
  net::wire::Decoder decoder;
  if (admitted) decoder.admit_messages();
  auto sink = [&](net::wire::Decoder::Event&& event) {
    delivered += event.payload.size();
    if (event.type == net::wire::Type::hello) net::wire::Hello::decode(event.payload).has_value();
    if (event.type == net::wire::Type::bye) net::wire::Bye::decode(event.payload).has_value();
    return true;
  };
  while (!rest.empty()) {
    auto part = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(part.size());
    if (!decoder.consume(part, sink)) break;
  }
  GALEN_ASSERT(delivered <= input.size());
}

GALEN_FUZZ_TARGET(socket_frames) {
  socket::FrameBuffer buffer(1 << 20);
  while (!input.empty()) {
    auto room = buffer.writable();
    auto count = std::min({room.size(), input.size(), std::size_t{1} + input[0] % 32});
    std::copy_n(input.begin(), count, room.begin());
    buffer.received(count);
    input = input.subspan(count);
    for (;;) {
      auto frame = buffer.next();
      if (!frame) return;
      if (!*frame) break;
    }
  }
}

GALEN_FUZZ_TARGET(consensus_message) {
  if (auto travelled = consensus::decode_of_epoch(crypto::Suite::p256_sha256, input)) {
    auto again = consensus::encode_in(travelled->epoch, travelled->message);
    GALEN_ASSERT(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  auto message = consensus::decode(crypto::Suite::p256_sha256, input);
  if (!message) return;
  auto encoded = consensus::encode(*message);
  GALEN_ASSERT(std::equal(encoded.begin(), encoded.end(), input.begin(), input.end()));
}

}  // namespace galen
