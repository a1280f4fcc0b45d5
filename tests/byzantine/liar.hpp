// A Byzantine member as a real process: the simulator's adversary (src/sim/adversary.hpp) between a real node's core and its
// mesh. It has one member's real key and signs what it likes with it; it cannot sign for anybody else.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "galen/node/interposer.hpp"
#include "node/identity.hpp"
#include "sim/adversary.hpp"

namespace galen::byzantine {

/// Real signatures: of the one member whose key it has; checks nothing.
class OneKey final : public sim::Keyring {
 public:
  explicit OneKey(const crypto::PrivateKey& key) : key_(key) {}
  Signature sign(MemberIndex, ByteSpan bytes) const override { return key_.sign(bytes); }
  bool verify(MemberIndex, ByteSpan, const Signature&) const override { return true; }

 private:
  const crypto::PrivateKey key_;
};

class Liar final : public node::Interposer {
 public:
  /// `lies`: bits by sim::Lie. `victim`: whose batches it leaves out of its blocks, with Lie::ignores_origin.
  Liar(node::Identity identity, std::uint64_t seed, std::uint32_t lies, MemberIndex victim);

  void start(Send send) override;
  void stop() override;
  void says(Target to, std::shared_ptr<const Bytes> payload) override;
  bool hears(MemberIndex from, ByteSpan payload) override;

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  void schedule(sim::Adversary::Outbox& outbox);
  void note_batches(const consensus::Message& message);
  bool hears_batch(ByteSpan body) const;

  const node::Identity identity_;
  const OneKey key_;
  Send send_;
  std::mutex mutex_;
  std::condition_variable changed_;
  sim::Adversary adversary_;
  View view_ = 0;  ///< highest of its own proposals and votes
  std::multimap<Clock::time_point, std::pair<MemberIndex, std::shared_ptr<const Bytes>>> due_;
  const std::optional<MemberIndex> ignored_;
  std::set<Hash> named_;  ///< batches in the others' blocks: these it takes, or it could not follow them
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace galen::byzantine
