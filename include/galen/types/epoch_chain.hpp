// The chain of member sets: from the members of genesis over every block that ended an epoch to those of a later epoch
// (docs/spec/formats.md 6.6). Whoever checks a certificate of epoch e has to come by the members of e through here.
//
// Pure; one thread, or many that only read. Invariants: epochs are 1, 2, … without a gap; each but the first was
// committed by a quorum of the one before (add), or stands in a ledger that had checked it (add_own).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "galen/types/block.hpp"
#include "galen/types/certificate.hpp"
#include "galen/types/genesis.hpp"

namespace galen {

/// What leads from one epoch to the next, as bytes that nobody has looked at yet.
struct EpochLink {
  Bytes header;              ///< of the block that ends the epoch
  Bytes next_members;        ///< MemberSet::encode() of the next epoch
  Bytes commit_certificate;  ///< COMMIT-QC of the header by the members before
  bool operator==(const EpochLink&) const = default;

  /// header 286 ‖ u32 length ‖ member set ‖ u32 length ‖ COMMIT-QC
  void append_to(ByteWriter& out) const;
  /// Fails the reader when the framing is wrong.
  static EpochLink read(ByteReader& in);
};

/// Who signed a certificate. Members are named by their ids: an index means another member in each epoch.
struct Signers {
  Epoch epoch = 1;
  std::size_t members = 0;  ///< of the epoch
  std::vector<PrincipalId> ids;
  bool operator==(const Signers&) const = default;
};

class EpochChain {
 public:
  /// Epoch 1 alone.
  explicit EpochChain(const Genesis& genesis);

  /// Checks the next link and takes it; a link that fails changes nothing. The message begins with the field that
  /// fails: "header: …", "next_members: …" or "commit_certificate: …".
  Status add(const EpochLink& link);
  /// For links of one's own ledger, whose certificates were verified before they were stored: all of add() but the
  /// certificate, which may not have come yet.
  Status add_own(const EpochLink& link);
  /// Every link in its order, from genesis. The message begins with the part that fails: "epochs[2].header: …".
  static Result<EpochChain> follow(const Genesis& genesis, std::span<const EpochLink> links);
  /// The same for links of one's own ledger.
  static Result<EpochChain> follow_own(const Genesis& genesis, std::span<const EpochLink> links);

  crypto::Suite suite() const { return epochs_.front().context.suite; }
  const Hash& chain_id() const { return epochs_.front().context.chain_id; }
  /// The newest epoch whose members are known.
  Epoch last() const { return epochs_.size(); }
  bool has(Epoch epoch) const { return epoch >= 1 && epoch <= last(); }
  /// Of an epoch that is here (asserted).
  const ChainContext& context_of(Epoch epoch) const { return at(epoch).context; }
  const MemberSet& members_of(Epoch epoch) const { return at(epoch).members; }
  Height first_height(Epoch epoch) const { return at(epoch).first_height; }
  /// The height that ended the epoch; nothing for the last one.
  std::optional<Height> end_height(Epoch epoch) const;
  /// Of the block at a height, as far as the links tell.
  Epoch epoch_at(Height height) const;

  /// What every header of a proof must be: of this chain, above 0, its flags in order, of an epoch that is here and
  /// within its heights. MALFORMED, WRONG_CHAIN, BAD_PROOF.
  Status check(const BlockHeader& header) const;
  Signers signers(Epoch epoch, const SignerSet& set) const;

 private:
  struct Members {
    ChainContext context;
    MemberSet members;
    Height first_height = 0;
  };
  const Members& at(Epoch epoch) const {
    GALEN_ASSERT(has(epoch));
    return epochs_[static_cast<std::size_t>(epoch - 1)];
  }
  Status check_itself(const BlockHeader& header) const;
  Result<BlockHeader> check_end(ByteSpan bytes) const;
  Result<MemberSet> check_next(const BlockHeader& header, ByteSpan bytes) const;
  Status check_commit(const BlockHeader& header, ByteSpan bytes) const;
  Status take(const EpochLink& link, bool own);
  static Result<EpochChain> follow(const Genesis& genesis, std::span<const EpochLink> links, bool own);

  std::vector<Members> epochs_;  ///< [0] is epoch 1
};

}  // namespace galen
