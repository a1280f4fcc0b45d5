#include "galen/consensus/verify.hpp"

#include <algorithm>
#include <string>
#include <tuple>

#include "consensus/mutation.hpp"
#include "galen/base/assert.hpp"

namespace galen::consensus {

namespace {

Error bad_signature(const char* what) { return make_error(ErrorCode::BAD_SIGNATURE, what); }
Error bad_certificate(std::string what) { return make_error(ErrorCode::BAD_CERTIFICATE, std::move(what)); }

struct Checker {
  const ChainContext& context;
  const MemberSet& members;
  const SignatureVerifier& keys;
  MemberIndex from;

  Status certificate(const QuorumCertificate& certificate) const {
    return verify_certificate(context, members, keys, certificate);
  }
  /// A certificate that must be there exactly when `subject` is above block zero, and be about it.
  Status named(const std::optional<QuorumCertificate>& certificate_given, const VoteSubject& subject) const {
    if (!certificate_given) {
      if (subject.view == 0 && subject.height == 0) return {};
      return bad_certificate("the certificate that is named is missing");
    }
    if (certificate_given->subject != subject) return bad_certificate("the certificate is about something else");
    return certificate(*certificate_given);
  }
  Status own(MemberIndex sender) const {
    if (sender != from) return bad_signature("sender is not the peer it came from");
    return {};
  }
  Status header(const ViewChangeHeader& h) const {
    if (h.sender >= members.size()) return bad_signature("view-change: no such member");
    if (h.target == 0) return make_error(ErrorCode::MALFORMED, "view-change: target view 0");
    if (!keys.verify(h.sender, view_change_sign_bytes(context, h), h.signature)) return bad_signature("view-change");
    return {};
  }

  /// V3: q VIEW-CHANGEs for exactly this view. V4: never mixed targets, and the certificate is of their maximum.
  Status new_view(View view, const Justification& j) const {
    if (j.view_changes.size() != quorum_of(members)) return bad_certificate("new-view: not exactly q view-changes");
    for (std::size_t i = 0; i < j.view_changes.size(); ++i) {
      const auto& h = j.view_changes[i];
      if (h.target != view && !mutated(Mutation::mixed_targets))
        return bad_certificate("new-view: view-changes for another view");
      if (i > 0 && h.sender <= j.view_changes[i - 1].sender) return bad_certificate("new-view: senders not ascending");
      GALEN_TRY(header(h));
    }
    if constexpr (mutated(Mutation::leaders_own_high_qc))
      return j.certificate ? certificate(*j.certificate) : Status{};
    return named(j.certificate, maximum_high(j.view_changes));
  }
  Status justification(View view, const Justification& j) const {
    using Kind = Justification::Kind;
    switch (j.kind) {
      case Kind::none: return {};
      case Kind::new_view: return new_view(view, j);
      case Kind::tenure_end:  // V3
        if (!j.certificate || view == 0 || j.certificate->subject.view + 1 != view)
          return bad_certificate("tenure end: no certificate of the view before");
        return certificate(*j.certificate);
      case Kind::epoch_end: return make_error(ErrorCode::EPOCH_END_REFUSED, "justified by an epoch end");
    }
    return make_error(ErrorCode::MALFORMED, "justification");
  }

  Status operator()(const PrePrepare& m) const {
    // Who leads the view only the chain tells (V6): the core asks.
    if (m.sender >= members.size()) return bad_signature("pre-prepare: no such member");
    const auto& header = m.block.header;
    if (header.view == m.view && header.proposer != m.sender) return bad_signature("another's block of this view");
    if (!keys.verify(m.sender, pre_prepare_sign_bytes(context, m), m.signature)) return bad_signature("pre-prepare");
    return justification(m.view, m.justification);
  }
  Status operator()(const Prepare& m) const { return vote(m); }
  Status operator()(const Commit& m) const { return vote(m); }
  template <class Vote>
  Status vote(const Vote& m) const {
    GALEN_TRY(own(m.sender));
    if (!keys.verify(m.sender, sign_bytes(context, m), m.signature)) return bad_signature("vote");
    return {};
  }
  Status operator()(const ViewChange& m) const {
    GALEN_TRY(own(m.header.sender));
    GALEN_TRY(header(m.header));
    return named(m.high_qc, m.header.high);
  }
  Status operator()(const StatusRequest&) const { return {}; }
  Status operator()(const StatusAnswer& m) const {
    GALEN_TRY(own(m.sender));
    if (m.asker >= members.size()) return make_error(ErrorCode::MALFORMED, "status: no such asker");
    if (!keys.verify(m.sender, status_sign_bytes(context, m), m.signature)) return bad_signature("status");
    GALEN_TRY(named(m.high_qc, m.high));
    if (m.tip_qc && m.tip_qc->phase != VotePhase::commit) return bad_certificate("status: tip without COMMIT-QC");
    if (m.tip_qc || m.tip.height != 0) GALEN_TRY(named(m.tip_qc, m.tip));
    return seen(m);
  }
  /// What the answer says the asker signed must bear the asker's signature: nobody is silenced by words alone.
  Status seen(const StatusAnswer& m) const {
    const Checker asker{context, members, keys, m.asker};
    if (m.seen_prepare) GALEN_TRY(asker(*m.seen_prepare));
    if (m.seen_commit) GALEN_TRY(asker(*m.seen_commit));
    if (m.seen_view_change) {
      GALEN_TRY(asker.own(m.seen_view_change->sender));
      GALEN_TRY(asker.header(*m.seen_view_change));
    }
    return {};
  }
  Status operator()(const Executed& m) const {
    GALEN_TRY(own(m.sender));
    if (!keys.verify(m.sender, sign_bytes(context, m), m.signature)) return bad_signature("executed");
    return {};
  }
  Status operator()(const FetchSkeleton&) const { return {}; }
  Status operator()(const Skeleton&) const { return {}; }  // wanted by digest, so it checks itself
  Status operator()(const FetchCertificate&) const { return {}; }
  Status operator()(const Certificate& m) const { return certificate(m.certificate); }
};

}  // namespace

MemberKeys::MemberKeys(crypto::Suite suite, const MemberSet& members) {
  keys_.reserve(members.size());
  for (const auto& member : members.all()) keys_.push_back(crypto::Verifier::make(suite, member.consensus_key));
}

bool MemberKeys::verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const {
  return signer < keys_.size() && keys_[signer] && keys_[signer]->verify(bytes, signature);
}

Status verify_certificate(const ChainContext& context, const MemberSet& members, const SignatureVerifier& keys,
                          const QuorumCertificate& c) {
  const auto& signers = c.signers.signers;
  if (c.signers.member_count != members.size()) return bad_certificate("members count");
  if (signers.size() != c.signatures.size()) return bad_certificate("signature count");
  if (signers.size() < quorum_of(members)) return bad_certificate("fewer than q signatures");
  for (std::size_t i = 0; i < signers.size(); ++i) {
    if (signers[i] >= members.size() || (i > 0 && signers[i] <= signers[i - 1]))
      return bad_certificate("signers not ascending");
    if (!keys.verify(signers[i], vote_sign_bytes(context, c.phase, signers[i], c.subject), c.signatures[i]))
      return bad_certificate("signature of member " + std::to_string(signers[i]));
  }
  return {};
}

Status verify_message(const ChainContext& context, const MemberSet& members, const SignatureVerifier& keys,
                      MemberIndex from, const Message& message) {
  if (from >= members.size()) return bad_signature("no such member");
  return std::visit(Checker{context, members, keys, from}, message);
}

Status verify_message(const ChainContext& context, const MemberSet& members, MemberIndex from, const Message& message) {
  return verify_message(context, members, MemberKeys(context.suite, members), from, message);
}

bool higher(const VoteSubject& a, const VoteSubject& b) {
  return std::tie(a.view, a.height) > std::tie(b.view, b.height);
}

const VoteSubject& maximum_high(std::span<const ViewChangeHeader> view_changes) {
  GALEN_ASSERT(!view_changes.empty());
  const auto* maximum = &view_changes[0].high;
  for (const auto& header : view_changes)
    if (higher(header.high, *maximum)) maximum = &header.high;
  return *maximum;
}

}  // namespace galen::consensus
