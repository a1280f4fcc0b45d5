// What may stand between a node's core and the other members. A hospital's node has none. The tests give one node a liar
// (tests/byzantine), so that real processes meet a member that breaks the protocol with its own key, over real sockets.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "galen/base/bytes.hpp"
#include "galen/types/members.hpp"

namespace galen::node {

class Interposer {
 public:
  /// Nothing: all other members.
  using Target = std::optional<MemberIndex>;
  /// Sends a payload on the votes lane; any thread, from start() to stop().
  using Send = std::function<void(Target, std::shared_ptr<const Bytes>)>;

  virtual ~Interposer() = default;
  /// The node is up and `send` may be used.
  virtual void start(Send send) = 0;
  /// `send` is not to be used any more when this returns.
  virtual void stop() = 0;
  /// Called in place of sending what the core says on the votes lane (docs/spec/wire.md); core or store thread.
  virtual void says(Target to, std::shared_ptr<const Bytes> payload) = 0;
  /// A payload of another member, not checked yet. False: the node never hears it. Net thread.
  virtual bool hears(MemberIndex from, ByteSpan payload) = 0;
};

}  // namespace galen::node
