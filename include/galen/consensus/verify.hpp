// Signature checks of consensus messages: pure functions for the verify threads, outside the core. The core is given only
// messages that passed. Any thread; a verifier is immutable.
#pragma once

#include "galen/consensus/messages.hpp"

namespace galen::consensus {

/// Who checks a signature: the members' real keys, or a simulator's cheap tags.
class SignatureVerifier {
 public:
  virtual ~SignatureVerifier() = default;
  virtual bool verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const = 0;
};

/// The members' keys, parsed once.
class MemberKeys final : public SignatureVerifier {
 public:
  MemberKeys(crypto::Suite suite, const MemberSet& members);
  bool verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const override;

 private:
  std::vector<std::optional<crypto::Verifier>> keys_;
};

/// At least q valid signatures by distinct members, of the set's size. BAD_CERTIFICATE says which part fails.
Status verify_certificate(const ChainContext& context, const MemberSet& members, const SignatureVerifier& keys,
                          const QuorumCertificate& certificate);

/// `from` is the peer the message came from. PRE-PREPARE and certificates may be passed on by anyone and are checked
/// against their signers; everything else must be `from`'s own. Checks all that can be known without the chain: signer,
/// proposer of a new block, quorum and maximum of a NEW-VIEW, enclosed messages. BAD_SIGNATURE, BAD_CERTIFICATE, MALFORMED.
Status verify_message(const ChainContext& context, const MemberSet& members, const SignatureVerifier& keys,
                      MemberIndex from, const Message& message);
/// The same with keys parsed on the spot; prefer to keep a MemberKeys.
Status verify_message(const ChainContext& context, const MemberSet& members, MemberIndex from, const Message& message);

/// Orders certificates: by (view, height). The triple of the highest VIEW-CHANGE of a NEW-VIEW.
bool higher(const VoteSubject& a, const VoteSubject& b);
const VoteSubject& maximum_high(std::span<const ViewChangeHeader> view_changes);

}  // namespace galen::consensus
