// Member sets with their keys, and the links between them, for tests that let members change.
#pragma once

#include <vector>

#include "galen/types/epoch_chain.hpp"
#include "unit/chain_parts.hpp"

namespace galen::test {

/// The members of one epoch and what signs for them.
struct KeyedMembers {
  crypto::Suite suite = crypto::Suite::p256_sha256;
  std::vector<Member> members;
  std::vector<crypto::PrivateKey> keys;

  MemberSet set() const { return MemberSet(members); }
  Hash hash() const { return set().hash(suite); }
  std::size_t quorum() const { return quorum_size(members.size()); }
  ChainContext context(const Hash& chain_id, Epoch epoch) const { return {suite, chain_id, epoch, hash()}; }
  /// The first q of them.
  std::vector<MemberIndex> signers() const {
    std::vector<MemberIndex> out;
    for (std::size_t i = 0; i < quorum(); ++i) out.push_back(static_cast<MemberIndex>(i));
    return out;
  }

  KeyedMembers add(Rng& rng) const {
    auto out = *this;
    out.keys.push_back(crypto::PrivateKey::generate(suite));
    out.members.push_back({random_id<PrincipalId>(rng), out.keys.back().public_key(), random_id<Hash>(rng)});
    return out;
  }
  KeyedMembers rotate(std::size_t index) const {
    auto out = *this;
    out.keys[index] = crypto::PrivateKey::generate(suite);
    out.members[index].consensus_key = out.keys[index].public_key();
    return out;
  }
  KeyedMembers remove(std::size_t index) const {
    auto out = *this;
    out.keys.erase(out.keys.begin() + static_cast<std::ptrdiff_t>(index));
    out.members.erase(out.members.begin() + static_cast<std::ptrdiff_t>(index));
    return out;
  }
};

inline KeyedMembers make_members(crypto::Suite suite, std::size_t count, Rng& rng) {
  KeyedMembers out{suite, {}, {}};
  for (std::size_t i = 0; i < count; ++i) out = out.add(rng);
  return out;
}

/// A COMMIT-QC of the header by `by` in epoch `epoch`.
inline QuorumCertificate commit_by(const KeyedMembers& by, const Hash& chain_id, Epoch epoch,
                                   const BlockHeader& header) {
  return commit_certificate(by.context(chain_id, epoch), by.keys, by.signers(), header);
}

inline EpochLink make_link(const BlockHeader& header, const KeyedMembers& next, const QuorumCertificate& certificate) {
  return {header.encode(), next.set().encode(), certificate.encode()};
}

}  // namespace galen::test
