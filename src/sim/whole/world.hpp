// The consortium of the whole nodes: genesis, real keys, and the clients' transactions. Keys are made once a process and
// stand in no block, so digests, and with them every run, follow from the seed alone.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "galen/base/rng.hpp"
#include "galen/types/genesis.hpp"
#include "sim/keyring.hpp"

namespace galen::sim {

/// The members' real keys. Verdicts are remembered, for each certificate is checked by everybody: a pure function, so
/// nothing of a run depends on it. One run, one thread.
class RealKeyring final : public Keyring {
 public:
  explicit RealKeyring(std::size_t members);
  Signature sign(MemberIndex signer, ByteSpan bytes) const override;
  bool verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const override;
  const crypto::PrivateKey& key(MemberIndex member) const { return (*keys_)[member]; }

 private:
  const std::vector<crypto::PrivateKey>* keys_;
  std::vector<crypto::Verifier> verifiers_;
  mutable std::map<std::array<std::uint64_t, 3>, bool> verdicts_;
};

class World {
 public:
  World(std::size_t members, std::uint64_t seed);

  const Genesis& genesis() const { return genesis_; }
  const ChainContext& context() const { return context_; }
  const RealKeyring& keyring() const { return keyring_; }

  /// Something new a client of this member wants: a patient, a record of one, a decision about one.
  BatchItem new_request(MemberIndex origin, TimestampMs valid_until_ms);
  BatchPtr batch(MemberIndex origin, std::vector<BatchItem> items) const;

 private:
  Hash number(std::uint64_t kind) { return small_hash(kind, ++made_); }

  RealKeyring keyring_;
  Genesis genesis_;
  ChainContext context_;
  Rng rng_;
  std::uint64_t made_ = 0;
  std::vector<std::vector<Hash>> patients_;  ///< by member; what a client asked for, whether or not it came to be
};

}  // namespace galen::sim
