// What stands between a Byzantine member's replica and the network: it changes, multiplies, delays or swallows what the
// replica says and hears, with the member's own key and nobody else's. Part of one simulated run; same seed, same lies.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "galen/base/rng.hpp"
#include "galen/consensus/effects.hpp"
#include "sim/options.hpp"

namespace galen::sim {

class Adversary {
 public:
  struct Outgoing {
    MemberIndex to = 0;
    consensus::MessagePtr message;
    std::uint64_t delay_ms = 0;
  };
  using Outbox = std::vector<Outgoing>;

  Adversary(std::uint64_t seed, const ChainContext& context, const MemberSet& members, const Keyring& keyring,
            MemberIndex self, std::uint32_t lies, std::uint64_t timeout_ms);

  /// False: its replica is deaf to this.
  bool hears(MemberIndex from, const consensus::Message& message) const;
  /// What it makes of a message it heard, besides what its replica does.
  void heard(const consensus::MessagePtr& message, Outbox& out);
  /// What leaves instead of what its replica says.
  void says(const consensus::Target& to, const consensus::MessagePtr& message, Outbox& out);
  /// Now and then, of its own accord; `view` is its replica's.
  void acts(View view, Outbox& out);

  /// The root that a child of this block names; nothing if that is not known.
  using HistoryRoot = std::function<std::optional<Hash>(const BlockHeader& parent)>;
  void knows_history(HistoryRoot history_root) { history_root_ = std::move(history_root); }

  /// A batch of its own that no block may hold, or not together with another one.
  void owns(const Hash& odd_batch) { odd_batches_.push_back(odd_batch); }

  /// What nobody could decode it does not send; it is counted here, by what is wrong with it.
  void counts_undecodable(std::map<std::string, std::uint64_t>& reasons) { undecodable_ = &reasons; }
  /// How often it told each lie.
  void counts_lies(LieCounts& told) { told_ = &told; }

  bool makes_odd_batches() const { return does(Lie::equivocates) || does(Lie::mutates); }

  bool does(Lie lie) const { return (lies_ >> static_cast<unsigned>(lie) & 1U) != 0; }
  void tells(Lie lie) const {
    if (told_ != nullptr) ++(*told_)[static_cast<std::size_t>(lie)];
  }

 private:
  void remember(const consensus::MessagePtr& message);
  void send(MemberIndex to, consensus::MessagePtr message, Outbox& out, std::uint64_t delay_ms = 0);
  void to_some(const consensus::MessagePtr& message, Outbox& out);
  void vote_for(const VoteSubject& subject, Outbox& out);
  void usurp(const consensus::PrePrepare& message, Outbox& out);
  void forestall(const consensus::ViewChange& message, Outbox& out);
  consensus::MessagePtr signed_again(consensus::Message message) const;
  consensus::MessagePtr variant(const consensus::PrePrepare& message);
  consensus::MessagePtr lie_about_status(const consensus::StatusAnswer& message);
  consensus::MessagePtr lie_about_view(const consensus::ViewChange& message);
  consensus::MessagePtr mutated(const consensus::Message& message);
  // malformations.cpp
  consensus::MessagePtr malformed(const consensus::Message& message);
  void malform_new_view(consensus::Justification& justification);
  consensus::MessagePtr damaged(const consensus::Message& message);
  void backdate(BlockHeader& header);
  void go_on_after_an_end(consensus::PrePrepare& message);
  void flood_blocks(const consensus::PrePrepare& last, Outbox& out);
  void flood_votes(Outbox& out);
  void repeat_batch(BlockSkeleton& block);
  void add_odd_batches(BlockSkeleton& block);
  void change_header(BlockHeader& header);
  void change_certificate(QuorumCertificate& certificate);
  std::optional<QuorumCertificate> some_certificate();
  MemberIndex someone();

  Rng rng_;
  const ChainContext* context_;
  const MemberSet* members_;
  const Keyring* keyring_;
  MemberIndex self_;
  std::uint32_t lies_;
  std::uint64_t timeout_ms_;
  std::vector<std::uint32_t> withheld_;  ///< per member, bits by kind of message
  std::vector<std::uint32_t> unheard_;
  std::vector<QuorumCertificate> certificates_;
  std::vector<consensus::MessagePtr> memory_;
  std::vector<Hash> odd_batches_;
  std::map<VoteSubject, int> voted_;
  std::map<View, std::map<MemberIndex, consensus::ViewChange>> wanting_;  ///< VIEW-CHANGEs it has heard, by target
  Height highest_ = 0;  ///< that it has heard proposed
  std::map<std::string, std::uint64_t>* undecodable_ = nullptr;
  LieCounts* told_ = nullptr;
  HistoryRoot history_root_;
};

}  // namespace galen::sim
