// The consortium of the whole nodes: genesis, who is or may become a member, everybody's real keys, the member sets of the
// epochs that have begun, and what clients and administrators send. Keys and signatures follow from the seed, so that they
// may stand in blocks and a run still is the same on every machine.
#pragma once

#include <map>
#include <vector>

#include "galen/base/rng.hpp"
#include "galen/types/genesis.hpp"
#include "node/identity.hpp"
#include "sim/epochs.hpp"
#include "sim/keyring.hpp"
#include "sim/whole/slow_model.hpp"

namespace galen::sim {

/// Real consensus keys, by number. Verdicts are remembered, for each certificate is checked by everybody: a pure function,
/// so nothing of a run depends on it. One run, one thread.
class RealKeyring final : public Keyring {
 public:
  RealKeyring();
  Signature sign(MemberIndex number, ByteSpan bytes) const override;
  bool verify(MemberIndex number, ByteSpan bytes, const Signature& signature) const override;
  const crypto::PrivateKey& key(std::size_t number) const;
  /// Of a key that is one of these (asserted).
  MemberIndex number_of(const PublicKey& key) const;

 private:
  mutable std::map<std::array<std::uint64_t, 3>, bool> verdicts_;
};

class World {
 public:
  /// Beside the members of genesis `joiners` others, whom the members may let in.
  World(std::size_t members, std::size_t joiners, std::uint64_t seed);

  const Genesis& genesis() const { return genesis_; }
  std::size_t identities() const { return people_.size(); }
  const PrincipalId& member_id(Identity who) const { return people_[who].member; }
  const PrincipalId& admin_id(Identity who) const { return people_[who].admin; }
  std::optional<Identity> identity_of(const PrincipalId& member) const;

  /// As node::load_identity gives it; and every key that the node has had or will have next.
  node::Identity node_identity(Identity who) const;
  std::vector<crypto::PrivateKey> node_keys(Identity who) const;
  node::Participant participant(Identity who) const;

  const EpochSet& of(Epoch epoch) const { return *sets_[epoch - 1]; }
  Epoch newest() const { return sets_.size(); }
  /// The end of the newest one is committed at `base`, and names these.
  void begin_epoch(const MemberSet& members, Height base);
  /// After this height, and all later ones of the newest epoch, these are to follow.
  void decided(const MemberSet& next, Height since);
  /// What the header of the newest epoch's end must name; nothing: none may end it.
  const MemberSet* pending_at(Height exec_height) const;

  /// Members and administrators, as they are in block 0.
  void tell_first_principals(SlowModel& model) const;
  /// Something new a client of this member wants: a patient, a record of one, a decision about one.
  BatchItem new_request(Identity who, TimestampMs valid_until_ms);
  // What administrators send about members (docs/spec/membership.md).
  BatchItem set_admin_key(Identity who, TimestampMs valid_until_ms);
  BatchItem propose(Identity who, const Hash& proposal, const ledger::v1::MembersChange& change, TimestampMs valid_until_ms);
  BatchItem approve(Identity who, const Hash& proposal, TimestampMs valid_until_ms);
  BatchItem show_ready(Identity author, Identity learner, Height height, const Hash& root, TimestampMs valid_until_ms);
  ledger::v1::MembersChange letting_in(Identity who) const { return letting_in_by(who, who); }
  /// The proof is made with the key of `prover`.
  ledger::v1::MembersChange letting_in_by(Identity who, Identity prover) const;
  ledger::v1::MembersChange promoting(Identity who) const;
  ledger::v1::MembersChange removing(Identity who) const;
  /// To its next key.
  ledger::v1::MembersChange rotating(Identity who) const;
  /// An id that nothing had yet.
  Hash number(std::uint64_t kind) { return small_hash(kind, ++made_); }

 private:
  struct Person {
    PrincipalId member, admin;
    Hash tls_ca;
    std::string name;
    std::vector<std::size_t> keys;  ///< consensus keys by number: those it had, the present one, the next one
    std::size_t key() const { return keys[keys.size() - 2]; }
    std::size_t next_key() const { return keys.back(); }
  };
  void add_set(const MemberSet& members);
  const crypto::PrivateKey& admin_key(Identity who) const;
  BatchItem request(const PrincipalId& author, const ledger::v1::Operation& operation, TimestampMs valid_until_ms,
                    const crypto::PrivateKey* key = nullptr);

  RealKeyring keyring_;
  Genesis genesis_;
  Rng rng_;
  std::uint64_t made_ = 0;
  std::vector<Person> people_;
  std::size_t keys_used_ = 0;
  std::vector<std::unique_ptr<EpochSet>> sets_;  ///< by epoch - 1; others point into them
  std::optional<MemberSet> pending_;             ///< of the newest epoch
  std::vector<std::vector<Hash>> patients_;      ///< by identity; what a client asked for, whether or not it came to be
};

}  // namespace galen::sim
