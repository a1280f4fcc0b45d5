// Watches a run from outside and says the first thing that must not happen: two blocks at one height, two values signed
// for one place, a COMMIT or VIEW-CHANGE against an earlier promise, a certificate that is none, two outcomes of a
// height, a batch ordered twice, views that no honest member wanted or too many of them, an honest member blamed, a
// block of the wrong epoch or leader. It rests on nothing of the core but its message types: quorums and certificates
// are computed here once more, so a weakened core does not weaken its judge. Part of one simulated run.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "galen/consensus/effects.hpp"
#include "galen/types/leadership.hpp"
#include "sim/keyring.hpp"

namespace galen::sim {

class Checker {
 public:
  Checker(const ChainContext& context, const MemberSet& members, const Keyring& keyring, const Hash& block_zero,
          std::vector<bool> honest);

  /// The epoch after the newest: its members and their keys.
  void epoch_began(const ChainContext& context, const MemberSet& members, const Keyring& keyring);

  /// An honest member lets a message out. `who` is its identity for the whole run, as in all that follows; `index` the one
  /// it has in the epoch.
  void said(MemberIndex who, const consensus::Message& message, Epoch epoch, MemberIndex index);
  void said(MemberIndex who, const consensus::Message& message) { said(who, message, 1, who); }
  /// An honest member gives out the block after `chain_length` others.
  void committed(MemberIndex who, std::size_t chain_length, const consensus::Effects::CommittedBlock& block);
  /// What an honest member takes for the outcome of a height, by what q others say.
  void certified(MemberIndex who, const ExecutedCertificate& certificate, Epoch epoch = 1);
  /// What an honest member's executor says of leaders after a height.
  void executed(MemberIndex who, Height height, const Leadership& leadership);
  /// `tip` is about the newest block of the epoch it had given out before the step of the event; nothing before the first.
  void reported(MemberIndex who, const consensus::Event& event, const std::optional<VoteSubject>& tip, Epoch epoch = 1);
  /// An honest member forgot all; what it forgot may not bind it until it has recovered, but binds its words for ever.
  void forgot(MemberIndex who);
  /// An honest member's log was new, and all told it that the chain is new as well. True if it had said something before.
  bool began_anew(MemberIndex who, Epoch epoch = 1);
  /// The member's disk lost what it had acknowledged: its words bind it no more, and it may be blamed.
  void disk_lied(MemberIndex who) { honest_[who] = false; }
  void healed();
  void fail(const std::string& what);

  /// Empty, or what went wrong first.
  const std::string& failure() const { return failure_; }
  Height highest() const { return canonical_.rbegin()->first; }
  /// Views that were entered after healing by NEW-VIEW, not by the end of a tenure.
  std::uint64_t views_burned() const { return burned_.size(); }

 private:
  using Place = std::pair<View, Height>;
  struct Words {
    std::map<std::tuple<int, View, Height>, Hash> said;
    std::map<View, Place> reported;  ///< by VIEW-CHANGE target
    std::map<View, Place> owed;      ///< by VIEW-CHANGE target: what it must report, for it gave out blocks on it
    std::map<View, Height> commits;  ///< the highest COMMIT of each view
    std::map<Height, ExecutedSubject> executed;
    bool began_anew = false;
  };
  void once(Words& words, MemberIndex who, int kind, const VoteSubject& subject);
  void check_commit(Words& words, MemberIndex who, const VoteSubject& subject);
  void check_view_change(Words& words, MemberIndex who, const consensus::ViewChangeHeader& header);
  void check_certificate(const consensus::Effects::CommittedBlock& block);
  template <class SignBytes>
  void check_signatures(Epoch epoch, const SignerSet& signers, const std::vector<Signature>& signatures,
                        SignBytes sign_bytes);
  void check_leader(const BlockHeader& header);

  struct OfEpoch {
    const ChainContext* context;
    const MemberSet* members;
    const Keyring* keyring;
    std::vector<Words> words;  ///< by identity
    View wanted = 0;           ///< the highest view any honest member entered or asked for
  };
  OfEpoch& of(Epoch epoch) { return epochs_.at(epoch - 1); }

  std::vector<OfEpoch> epochs_;
  std::vector<bool> honest_;
  Epoch next_epoch_ = 1;  ///< of the next height
  std::map<Height, Hash> canonical_;
  std::map<Height, QuorumCertificate> judged_;  ///< the last one of each height, for most show the same
  std::map<Height, ExecutedSubject> outcomes_;
  std::vector<BlockHeader> headers_;       ///< by height
  std::vector<Leadership> leaderships_;    ///< after each height
  std::set<Hash> ordered_;
  std::set<std::pair<Epoch, View>> burned_;
  bool is_healed_ = false;
  std::string failure_;
};

}  // namespace galen::sim
