// Votes' sign-bytes and quorum certificates (docs/spec/formats.md 6.2-6.4).
#pragma once

#include <vector>

#include "galen/crypto/signature.hpp"
#include "galen/types/members.hpp"

namespace galen {

/// What a PREPARE or COMMIT is about.
struct VoteSubject {
  View view = 0;
  Height height = 0;
  Hash digest;
  auto operator<=>(const VoteSubject&) const = default;
};

enum class VotePhase : std::uint8_t { prepare = 1, commit = 2 };

/// sign_prefix(prepare | commit) ‖ u16 sender ‖ u64 view ‖ u64 height ‖ digest
Bytes vote_sign_bytes(const ChainContext& context, VotePhase phase, MemberIndex sender, const VoteSubject& subject);

/// What an EXECUTED message is about.
struct ExecutedSubject {
  Height height = 0;
  Hash digest;  ///< block digest
  Hash state_root;
  Hash results_root;
  auto operator<=>(const ExecutedSubject&) const = default;
};
/// sign_prefix(executed) ‖ u16 sender ‖ u64 height ‖ digest ‖ state root ‖ results root
Bytes executed_sign_bytes(const ChainContext& context, MemberIndex sender, const ExecutedSubject& subject);

/// One bit per member, bit i of byte i/8 counted from the least significant; padding bits are zero.
struct SignerSet {
  std::uint16_t member_count = 0;
  std::vector<MemberIndex> signers;  ///< strictly ascending
  bool operator==(const SignerSet&) const = default;
};

/// PREPARE-QC or COMMIT-QC. Layout: u16 version 1 ‖ u8 phase ‖ u64 view ‖ u64 height ‖ digest ‖ u16 members ‖ bitmap ‖
/// signatures in ascending signer order.
struct QuorumCertificate {
  VotePhase phase = VotePhase::prepare;
  VoteSubject subject;
  SignerSet signers;
  std::vector<Signature> signatures;
  bool operator==(const QuorumCertificate&) const = default;

  Bytes encode() const;
  /// MALFORMED: length, padding bits, phase. The members count may be any up to the limit; verify compares it.
  static Result<QuorumCertificate> decode(ByteSpan bytes);
  void append_to(ByteWriter& out) const;
  static Result<QuorumCertificate> read(ByteReader& in);
  /// At least q valid signatures by members of the set. BAD_CERTIFICATE with the part that fails.
  Status verify(const ChainContext& context, const MemberSet& members) const;
};

/// EXECUTED by q members. Layout: u16 version 1 ‖ u64 height ‖ digest ‖ state root ‖ results root ‖ signer set ‖ signatures.
struct ExecutedCertificate {
  ExecutedSubject subject;
  SignerSet signers;
  std::vector<Signature> signatures;
  bool operator==(const ExecutedCertificate&) const = default;

  Bytes encode() const;
  static Result<ExecutedCertificate> decode(ByteSpan bytes);
  Status verify(const ChainContext& context, const MemberSet& members) const;
};

}  // namespace galen
