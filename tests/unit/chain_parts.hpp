// What every chain that tests and benches make by themselves needs: ids from a seed, the next block with its links to
// the one before, and certificates signed with the members' own keys.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "galen/base/rng.hpp"
#include "galen/crypto/signature.hpp"
#include "galen/types/block.hpp"
#include "galen/types/certificate.hpp"

namespace galen::test {

template <class Fixed>
Fixed random_id(Rng& rng) {
  Fixed out;
  for (auto& byte : out.data) byte = static_cast<std::uint8_t>(rng.next());
  return out;
}

/// A UUID of version 4, as requests need it.
inline RequestId random_request_id(Rng& rng) {
  auto id = random_id<RequestId>(rng);
  id.data[6] = (id.data[6] & 0x0f) | 0x40;
  id.data[8] = (id.data[8] & 0x3f) | 0x80;
  return id;
}

/// Above `parent`, with `batches`; time, view, proposer and executed roots are the caller's. `history`: tree or
/// frontier over the digests up to the parent's.
template <class History>
std::shared_ptr<Block> next_block(const ChainContext& context, const BlockHeader& parent, std::vector<BatchPtr> batches,
                                  const History& history) {
  auto block = std::make_shared<Block>();
  auto& [header, digests] = block->skeleton;
  for (const auto& batch : batches) digests.push_back(batch->digest());
  header.chain_id = context.chain_id;
  header.height = parent.height + 1;
  header.parent = parent.digest(context.suite);
  header.body_root = body_root(context.suite, digests);
  header.batch_count = static_cast<std::uint32_t>(batches.size());
  header.history_size = history.size();
  header.history_root = history.root();
  block->batches = std::move(batches);
  return block;
}

inline QuorumCertificate commit_certificate(const ChainContext& context, std::span<const crypto::PrivateKey> keys,
                                            std::vector<MemberIndex> signers, const BlockHeader& header) {
  QuorumCertificate out;
  out.phase = VotePhase::commit;
  out.subject = {header.view, header.height, header.digest(context.suite)};
  out.signers = {static_cast<std::uint16_t>(keys.size()), std::move(signers)};
  for (auto signer : out.signers.signers)
    out.signatures.push_back(keys[signer].sign(vote_sign_bytes(context, VotePhase::commit, signer, out.subject)));
  return out;
}

inline ExecutedCertificate executed_certificate(const ChainContext& context, std::span<const crypto::PrivateKey> keys,
                                                std::vector<MemberIndex> signers, const ExecutedSubject& subject) {
  ExecutedCertificate out;
  out.subject = subject;
  out.signers = {static_cast<std::uint16_t>(keys.size()), std::move(signers)};
  for (auto signer : out.signers.signers)
    out.signatures.push_back(keys[signer].sign(executed_sign_bytes(context, signer, subject)));
  return out;
}

}  // namespace galen::test
