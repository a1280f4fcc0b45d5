// The voting members of an epoch, their quorums, and the context that every signature is bound to.
// docs/spec/formats.md 6, docs/spec/consensus.md 1.
#pragma once

#include <string>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/crypto/hash.hpp"

namespace galen {

using Height = std::uint64_t;
using View = std::uint64_t;
using Epoch = std::uint64_t;
using MemberIndex = std::uint16_t;
using TimestampMs = std::uint64_t;  ///< since 1970-01-01 UTC

struct Member {
  PrincipalId id;
  PublicKey consensus_key;
  Hash tls_ca;  ///< fingerprint of the CA certificate that signs the member's node and client certificates
  bool operator==(const Member&) const = default;
};

/// f = floor((n-1)/3), q = floor((n+f)/2)+1: any two quorums share an honest member, and q <= n-f.
constexpr std::size_t faults_tolerated(std::size_t n) { return n == 0 ? 0 : (n - 1) / 3; }
constexpr std::size_t quorum_size(std::size_t n) { return (n + faults_tolerated(n)) / 2 + 1; }

class MemberSet {
 public:
  MemberSet() = default;
  /// At most limits::kMembersMax, ids and keys distinct: asserted, since genesis and epoch ends check before.
  explicit MemberSet(std::vector<Member> members);

  std::size_t size() const { return members_.size(); }
  std::size_t faults() const { return faults_tolerated(size()); }
  std::size_t quorum() const { return quorum_size(size()); }
  const Member& operator[](MemberIndex index) const { return members_[index]; }
  const std::vector<Member>& all() const { return members_; }
  std::optional<MemberIndex> index_of(const PrincipalId& id) const;

  /// Fixed layout: u16 version 1 ‖ u16 count ‖ count × (id 32 ‖ consensus key 65 ‖ CA fingerprint 32).
  Bytes encode() const;
  static Result<MemberSet> decode(ByteSpan bytes);
  Hash hash(crypto::Suite suite) const;  ///< hash_tagged("galen/1 members", encode())

 private:
  std::vector<Member> members_;
};

/// Ids that stand in one set only, and ids whose consensus key is another in the second: what may change from one epoch
/// to the next is at most faults() of the first (docs/spec/formats.md 6.6).
std::size_t changed_identities(const MemberSet& from, const MemberSet& to);

/// What every signed message is bound to besides its own fields.
struct ChainContext {
  crypto::Suite suite = crypto::Suite::p256_sha256;
  Hash chain_id;
  Epoch epoch = 1;
  Hash members_hash;
};

/// First byte after the magic of every signed message (docs/spec/formats.md 6.1). Never renumbered.
enum class MessageType : std::uint8_t {
  batch = 1,
  pre_prepare = 2,
  prepare = 3,
  commit = 4,
  view_change = 5,
  status = 6,
  executed = 7,
  transaction = 8,
  handshake = 9,
  possession = 10,
  learner_ready = 11,
};

/// "GALEN/1" ‖ u8 0 ‖ u8 type ‖ u8 version 1 ‖ chain id ‖ u64 epoch ‖ members hash: 82 bytes, the start of all sign-bytes.
Bytes sign_prefix(const ChainContext& context, MessageType type);
inline constexpr std::size_t kSignPrefixBytes = 82;

}  // namespace galen
