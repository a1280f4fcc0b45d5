// The checks of docs/spec/formats.md 6.6, in their order.
#include "galen/types/epoch_chain.hpp"

#include <algorithm>

namespace galen {

namespace {

Error in_field(const char* field, const Error& error) {
  return {error.code, std::string(field) + ": " + error.message};
}

}  // namespace

void EpochLink::append_to(ByteWriter& out) const {
  GALEN_ASSERT(header.size() == kHeaderBytes);
  out.raw(header).sized(next_members).sized(commit_certificate);
}

EpochLink EpochLink::read(ByteReader& in) {
  EpochLink out;
  out.header = to_bytes(in.raw(kHeaderBytes));
  out.next_members = to_bytes(in.sized(limits::kMemberSetBytesMax));
  out.commit_certificate = to_bytes(in.sized(limits::kCertificateBytesMax));
  return out;
}

EpochChain::EpochChain(const Genesis& genesis) { epochs_.push_back({genesis.context(), genesis.member_set, 0}); }

Status EpochChain::add(const EpochLink& link) { return take(link, false); }

Status EpochChain::add_own(const EpochLink& link) { return take(link, true); }

Status EpochChain::take(const EpochLink& link, bool own) {
  auto header = check_end(link.header);
  if (!header) return in_field("header", header.error());
  auto next = check_next(*header, link.next_members);
  if (!next) return in_field("next_members", next.error());
  if (!own)
    if (auto committed = check_commit(*header, link.commit_certificate); !committed)
      return in_field("commit_certificate", committed.error());
  auto context = context_of(last());
  ++context.epoch;
  context.members_hash = header->next_members_hash;
  epochs_.push_back({context, std::move(*next), header->height + 1});
  return {};
}

Result<EpochChain> EpochChain::follow(const Genesis& genesis, std::span<const EpochLink> links) {
  return follow(genesis, links, false);
}

Result<EpochChain> EpochChain::follow_own(const Genesis& genesis, std::span<const EpochLink> links) {
  return follow(genesis, links, true);
}

Result<EpochChain> EpochChain::follow(const Genesis& genesis, std::span<const EpochLink> links, bool own) {
  if (links.size() > limits::kEpochLinksMax)
    return {ErrorCode::TOO_LARGE, "epochs: more than " + std::to_string(limits::kEpochLinksMax) + " links"};
  EpochChain out(genesis);
  for (std::size_t i = 0; i < links.size(); ++i)
    if (auto added = out.take(links[i], own); !added)
      return Error{added.error().code, "epochs[" + std::to_string(i) + "]." + added.error().message};
  return out;
}

std::optional<Height> EpochChain::end_height(Epoch epoch) const {
  return epoch == last() ? std::nullopt : std::optional<Height>(at(epoch + 1).first_height - 1);
}

Epoch EpochChain::epoch_at(Height height) const {
  auto above = std::upper_bound(epochs_.begin(), epochs_.end(), height,
                                [](Height wanted, const Members& epoch) { return wanted < epoch.first_height; });
  return static_cast<Epoch>(above - epochs_.begin());
}

/// What a header shows without its epoch's members.
Status EpochChain::check_itself(const BlockHeader& header) const {
  if (header.chain_id != chain_id()) return {ErrorCode::WRONG_CHAIN, "it is of another chain"};
  if (header.height == 0) return {ErrorCode::MALFORMED, "height 0 is virtual"};
  if (header.epoch_end() && header.tenure_end()) return {ErrorCode::MALFORMED, "it has both end flags"};
  if (header.epoch_end() && header.next_members_hash.is_zero())
    return {ErrorCode::MALFORMED, "it ends an epoch and names no next members"};
  return {};
}

Status EpochChain::check(const BlockHeader& header) const {
  GALEN_TRY(check_itself(header));
  if (!has(header.epoch))
    return {ErrorCode::BAD_PROOF, "no link leads to the members of epoch " + std::to_string(header.epoch)};
  const auto end = end_height(header.epoch);
  if (header.height < first_height(header.epoch) || (end && header.height > *end))
    return {ErrorCode::BAD_PROOF, "its height is not one of its epoch"};
  return {};
}

Result<BlockHeader> EpochChain::check_end(ByteSpan bytes) const {
  GALEN_ASSIGN(auto header, BlockHeader::decode(bytes));
  GALEN_TRY(check_itself(header));
  if (header.epoch != last())
    return {ErrorCode::BAD_PROOF,
            "it is of epoch " + std::to_string(header.epoch) + " where " + std::to_string(last()) + " ends"};
  if (!header.epoch_end()) return {ErrorCode::BAD_PROOF, "it does not end its epoch"};
  if (header.height < first_height(last())) return {ErrorCode::BAD_PROOF, "its height is not above the link before"};
  // The next epoch begins one height above.
  if (header.height == UINT64_MAX) return {ErrorCode::BAD_PROOF, "no height is above it"};
  return header;
}

Result<MemberSet> EpochChain::check_next(const BlockHeader& header, ByteSpan bytes) const {
  if (crypto::hash_tagged(suite(), "galen/1 members", {bytes}) != header.next_members_hash)
    return {ErrorCode::BAD_PROOF, "they are not those the header names"};
  GALEN_ASSIGN(auto next, MemberSet::decode(bytes));
  if (next.size() < limits::kMembersMin) return {ErrorCode::MALFORMED, "they are too few"};
  for (const auto& member : next.all())
    if (member.id.is_zero() || !crypto::Verifier::make(suite(), member.consensus_key))
      return {ErrorCode::MALFORMED, "an id is zero, or a key is no point of the curve"};
  const auto& before = members_of(last());
  if (changed_identities(before, next) > before.faults())
    return {ErrorCode::BAD_PROOF,
            "more than " + std::to_string(before.faults()) + " of " + std::to_string(before.size()) + " change at once"};
  return next;
}

Status EpochChain::check_commit(const BlockHeader& header, ByteSpan bytes) const {
  GALEN_ASSIGN(auto certificate, QuorumCertificate::decode(bytes));
  if (certificate.phase != VotePhase::commit) return {ErrorCode::BAD_CERTIFICATE, "it is no COMMIT"};
  const auto& subject = certificate.subject;
  if (subject.height != header.height || subject.digest != header.digest(suite()) || subject.view < header.view)
    return {ErrorCode::BAD_PROOF, "it is about another block"};
  return certificate.verify(context_of(last()), members_of(last()));
}

Signers EpochChain::signers(Epoch epoch, const SignerSet& set) const {
  const auto& members = members_of(epoch);
  Signers out{epoch, members.size(), {}};
  for (auto signer : set.signers) out.ids.push_back(members[signer].id);
  return out;
}

}  // namespace galen
