// The member sets that a run goes through, one for each epoch, each with its keys. Nodes have an identity for the whole
// run; a member index is good for one epoch only. Part of one simulated run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "galen/base/rng.hpp"
#include "sim/keyring.hpp"

namespace galen::sim {

using Identity = std::size_t;

/// Maps the members of one set to the keys of a run: a key that is rotated is another one.
class SetKeyring final : public Keyring {
 public:
  SetKeyring(const Keyring& all, std::vector<MemberIndex> keys) : all_(&all), keys_(std::move(keys)) {}
  Signature sign(MemberIndex signer, ByteSpan bytes) const override { return all_->sign(keys_[signer], bytes); }
  bool verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const override {
    return signer < keys_.size() && all_->verify(keys_[signer], bytes, signature);
  }

 private:
  const Keyring* all_;
  std::vector<MemberIndex> keys_;
};

struct EpochSet {
  ChainContext context;
  MemberSet members;
  std::vector<Identity> identities;    ///< by member index
  std::unique_ptr<SetKeyring> keyring;
  Height base = 0;                     ///< of the block it stands on
  bool has_begun = false;              ///< that block is committed somewhere
  Height change_wanted_from = 0;       ///< earliest height after which a change may be pending
  std::optional<Height> change_pending_from;  ///< after this height and all later ones of the epoch one is

  std::optional<MemberIndex> index_of(Identity identity) const;
};

class Epochs {
 public:
  /// `keyring` has the key of identity i at i, and of its k-th rotation at i + k * identities.
  Epochs(const ChainContext& first_context, const MemberSet& first, const Keyring& keyring, std::size_t identities,
         Rng& rng);

  const EpochSet& of(Epoch epoch) const { return *sets_[epoch - 1]; }
  /// The newest whose base is committed somewhere.
  Epoch newest() const { return newest_; }
  bool knows(Epoch epoch) const { return epoch >= 1 && epoch <= sets_.size(); }

  /// A set for the epoch after the newest: from 1 to f changes, each a member added, removed or with a new key, and the
  /// names of what was done. Between 4 and 7 members.
  struct Draft {
    std::vector<Identity> identities;
    std::vector<unsigned> rotations;  ///< by identity
    std::vector<std::string> changes;
  };
  Draft draft(Rng& rng) const;
  /// One member more, or, once all are, one less; and some other's key is rotated.
  Draft step(Rng& rng) const;
  /// Pending from this height on, in the newest epoch.
  void decide(const Draft& next, Height pending_from, Rng& rng);
  /// The end of the epoch before is committed at this height.
  void began(Epoch epoch, Height base);

  /// What the executor says after a block: the hash of the next set, if a change is pending.
  std::optional<Hash> pending_after(const BlockHeader& header) const;

 private:
  void add(const Draft& draft, Rng& rng);

  ChainContext first_context_;
  const Keyring* keyring_;
  std::size_t identity_count_;
  std::vector<unsigned> rotations_;
  std::vector<std::unique_ptr<EpochSet>> sets_;  ///< by epoch - 1; others point into them
  Epoch newest_ = 1;
};

}  // namespace galen::sim
