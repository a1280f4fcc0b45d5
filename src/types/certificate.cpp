#include "galen/types/certificate.hpp"

#include "galen/types/limits.hpp"

namespace galen {

namespace {

constexpr std::uint16_t kCertificateVersion = 1;

void write_signers(ByteWriter& out, const SignerSet& set, const std::vector<Signature>& signatures) {
  GALEN_ASSERT(set.signers.size() == signatures.size());
  Bytes bitmap((set.member_count + 7u) / 8u);
  for (auto signer : set.signers) {
    GALEN_ASSERT(signer < set.member_count);
    bitmap[signer / 8u] = static_cast<std::uint8_t>(bitmap[signer / 8u] | 1u << signer % 8u);
  }
  out.u16(set.member_count).raw(bitmap);
  for (const auto& signature : signatures) out.raw(signature);
}

/// Before all else: what another version means by its bytes is not known.
Status read_version(ByteReader& in) {
  auto version = in.u16();
  if (!in.ok()) return {ErrorCode::MALFORMED, "certificate: too short"};
  if (version != kCertificateVersion) return {ErrorCode::UNSUPPORTED_VERSION, "certificate: unknown version"};
  return {};
}

Status read_signers(ByteReader& in, SignerSet& set, std::vector<Signature>& signatures) {
  set.member_count = in.u16();
  if (!in.ok() || set.member_count == 0 || set.member_count > limits::kMembersMax)
    return {ErrorCode::MALFORMED, "certificate: members count"};
  auto bitmap = in.raw((set.member_count + 7u) / 8u);
  if (!in.ok()) return {ErrorCode::MALFORMED, "certificate: too short"};
  for (std::size_t bit = 0; bit < bitmap.size() * 8; ++bit) {
    if ((bitmap[bit / 8] >> bit % 8 & 1) == 0) continue;
    if (bit >= set.member_count) return {ErrorCode::MALFORMED, "certificate: a padding bit is set"};
    set.signers.push_back(static_cast<MemberIndex>(bit));
  }
  if (in.remaining() < set.signers.size() * Signature::kSize) return {ErrorCode::MALFORMED, "certificate: too short"};
  signatures.reserve(set.signers.size());
  for (std::size_t i = 0; i < set.signers.size(); ++i) signatures.push_back(in.fixed<Signature>());
  return {};
}

/// `sign_bytes(sender)` is what the sender signed.
template <class SignBytes>
Status verify_signers(const ChainContext& context, const MemberSet& members, const SignerSet& set,
                      const std::vector<Signature>& signatures, SignBytes sign_bytes) {
  if (set.member_count != members.size()) return {ErrorCode::BAD_CERTIFICATE, "members count"};
  if (set.signers.size() != signatures.size()) return {ErrorCode::BAD_CERTIFICATE, "signature count"};
  if (set.signers.size() < members.quorum())
    return {ErrorCode::BAD_CERTIFICATE, "fewer than " + std::to_string(members.quorum()) + " signatures"};
  for (std::size_t i = 0; i < set.signers.size(); ++i) {
    auto signer = set.signers[i];
    if (signer >= members.size() || (i > 0 && signer <= set.signers[i - 1]))
      return {ErrorCode::BAD_CERTIFICATE, "signers not ascending"};
    if (!crypto::verify(context.suite, members[signer].consensus_key, sign_bytes(signer), signatures[i]))
      return {ErrorCode::BAD_CERTIFICATE, "signature of member " + std::to_string(signer)};
  }
  return {};
}

Bytes append(Bytes prefix, const ByteWriter& fields) {
  prefix.insert(prefix.end(), fields.bytes().begin(), fields.bytes().end());
  return prefix;
}

}  // namespace

Bytes vote_sign_bytes(const ChainContext& context, VotePhase phase, MemberIndex sender, const VoteSubject& subject) {
  auto type = phase == VotePhase::prepare ? MessageType::prepare : MessageType::commit;
  ByteWriter fields(50);
  fields.u16(sender).u64(subject.view).u64(subject.height).raw(subject.digest);
  return append(sign_prefix(context, type), fields);
}

Bytes executed_sign_bytes(const ChainContext& context, MemberIndex sender, const ExecutedSubject& subject) {
  ByteWriter fields(106);
  fields.u16(sender).u64(subject.height).raw(subject.digest).raw(subject.state_root).raw(subject.results_root);
  return append(sign_prefix(context, MessageType::executed), fields);
}

void QuorumCertificate::append_to(ByteWriter& out) const {
  out.u16(kCertificateVersion).u8(static_cast<std::uint8_t>(phase));
  out.u64(subject.view).u64(subject.height).raw(subject.digest);
  write_signers(out, signers, signatures);
}

Bytes QuorumCertificate::encode() const {
  ByteWriter out(53 + 13 + signatures.size() * Signature::kSize);
  append_to(out);
  return std::move(out).take();
}

Result<QuorumCertificate> QuorumCertificate::read(ByteReader& in) {
  GALEN_TRY(read_version(in));
  auto phase = in.u8();
  QuorumCertificate out;
  out.subject.view = in.u64();
  out.subject.height = in.u64();
  out.subject.digest = in.fixed<Hash>();
  if (!in.ok()) return {ErrorCode::MALFORMED, "certificate: too short"};
  if (phase != 1 && phase != 2) return {ErrorCode::MALFORMED, "certificate: phase"};
  out.phase = static_cast<VotePhase>(phase);
  GALEN_TRY(read_signers(in, out.signers, out.signatures));
  return out;
}

Result<QuorumCertificate> QuorumCertificate::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  GALEN_ASSIGN(auto out, read(in));
  if (!in.done()) return {ErrorCode::MALFORMED, "certificate: wrong length"};
  return out;
}

Status QuorumCertificate::verify(const ChainContext& context, const MemberSet& members) const {
  return verify_signers(context, members, signers, signatures,
                        [&](MemberIndex sender) { return vote_sign_bytes(context, phase, sender, subject); });
}

Bytes ExecutedCertificate::encode() const {
  ByteWriter out(106 + 15 + signatures.size() * Signature::kSize);
  out.u16(kCertificateVersion).u64(subject.height).raw(subject.digest);
  out.raw(subject.state_root).raw(subject.results_root);
  write_signers(out, signers, signatures);
  return std::move(out).take();
}

Result<ExecutedCertificate> ExecutedCertificate::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  GALEN_TRY(read_version(in));
  ExecutedCertificate out;
  out.subject.height = in.u64();
  out.subject.digest = in.fixed<Hash>();
  out.subject.state_root = in.fixed<Hash>();
  out.subject.results_root = in.fixed<Hash>();
  if (!in.ok()) return {ErrorCode::MALFORMED, "certificate: too short"};
  GALEN_TRY(read_signers(in, out.signers, out.signatures));
  if (!in.done()) return {ErrorCode::MALFORMED, "certificate: wrong length"};
  return out;
}

Status ExecutedCertificate::verify(const ChainContext& context, const MemberSet& members) const {
  return verify_signers(context, members, signers, signatures,
                        [&](MemberIndex sender) { return executed_sign_bytes(context, sender, subject); });
}

}  // namespace galen
