// Several replicas in one process over a network that loses, delays, repeats, reorders and partitions, with crashes
// that lose what was not synced, logs lost whole, and members that lie. Everything follows from one seed, so a failure
// replays. What runs is the core that ships; around it stand a simulated log, network, clock and executor. One thread
// per run.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "galen/base/rng.hpp"
#include "galen/consensus/replica.hpp"
#include "sim/adversary.hpp"
#include "sim/agenda.hpp"
#include "sim/checker.hpp"
#include "sim/epochs.hpp"
#include "sim/options.hpp"
#include "sim/rules.hpp"

namespace galen::sim {

/// What happened in a run, to be added up over many.
struct Tally {
  std::uint64_t events = 0;
  std::uint64_t virtual_ms = 0;
  std::uint64_t blocks = 0;
  std::uint64_t views_burned = 0;
  std::map<consensus::EventKind, std::uint64_t> kinds;         ///< at honest members
  std::map<consensus::RefusalReason, std::uint64_t> refusals;  ///< at honest members
  std::map<std::string, std::uint64_t> rejected;  ///< messages that did not verify, by what is wrong with them
  std::map<std::string, std::uint64_t> faults;    ///< planted, by kind
  std::map<std::string, std::uint64_t> branches;  ///< events at honest members with the branch they name
  void add(const Tally& other);
};

class Simulation {
 public:
  explicit Simulation(const Options& options);
  ~Simulation();
  /// Empty, or what went wrong.
  std::string run();

  std::uint64_t event_digest() const { return digest_; }
  Tally tally() const;
  /// By place: "0", "1 lies", "1 again" for the second place of a twin.
  std::vector<std::string> place_names() const;
  /// Where nothing fails and members lie about batches at most: how many views later than the one in which all had it a batch
  /// was in a block, at most.
  std::uint64_t longest_wait() const { return longest_wait_; }

 private:
  struct Node;
  struct Seat;
  struct LogEntry;
  /// A batch, and the only epoch it is good for.
  struct Batch {
    consensus::PendingBatch pending;
    Epoch epoch = 1;
  };
  /// What one member says to some in one epoch: it verifies for all of them or for none, whoever gets it first finds out.
  struct Letter {
    consensus::MessagePtr message;
    std::optional<bool> verdict;
  };
  using LetterPtr = std::shared_ptr<Letter>;

  template <class Action>
  void at(std::uint64_t delay, Action&& action) {
    agenda_.at(now_ + delay, std::forward<Action>(action));
  }
  void note(std::uint64_t value) { digest_ = (digest_ ^ value) * 0x100000001b3ULL; }
  void fail(const std::string& what);
  void trace(const Node& node, const std::string& text) const;
  void trace_message(const Node& node, const Seat& seat, const consensus::Target& to,
                     const consensus::Message& message) const;
  static std::string brief(const consensus::Message& message);
  bool is_traced() const { return options_.trace || options_.journal != nullptr; }

  // simulation.cpp
  MemberSet first_members() const;
  void add_node(Identity identity, std::optional<std::uint32_t> lies);
  void submit();
  void make_odd(Seat& seat, consensus::PendingBatch& batch);
  void disturb();
  void lie(std::size_t place);
  void heal();
  bool is_planned(Fault fault) const {
    return options_.faults && (options_.without >> static_cast<unsigned>(fault) & 1U) == 0;
  }
  void count(Fault fault) { ++happened_[static_cast<std::size_t>(fault)]; }
  void count(Rule rule) { ++rules_[static_cast<std::size_t>(rule)]; }
  void count(Lie lie) { ++told_[static_cast<std::size_t>(lie)]; }

  // censorship.cpp: batches that are kept from some, and offered to all; timers by measure
  void draw_rare_lies(std::vector<std::optional<std::uint32_t>>& lies, std::size_t members);
  static bool does(const Node& node, Lie lie);
  bool ignores(const Node& node, const Batch& batch) const;
  void offer(Node& node, const Seat& seat, const std::vector<Hash>& digests);
  void note_body(const Batch& batch);
  void check_wait(const BlockHeader& header, const std::vector<Hash>& digests);
  void check_waits();
  void check_complaint(const Node& node, const Seat& seat, const consensus::Event& event);
  bool only_batch_lies() const;
  void measure();
  std::uint64_t measured_base(const Node& node, const Seat& seat);

  // trouble.cpp: what disturb() does besides crashes and partitions
  void note_links();
  void connected(std::size_t place, std::size_t to);
  void stop_in_order(std::size_t place);
  void trouble();
  void flap(unsigned times);
  bool is_cut(std::size_t from, std::size_t to) const;
  std::uint64_t slowness(std::size_t from, std::size_t to);
  bool settled() const;
  bool calm() const;
  void await_votes();

  // life.cpp: one node from start to crash
  void start(std::size_t place);
  consensus::Recovered recovered_state(Node& node);
  void crash(std::size_t place, bool lose_log, bool lose_ledger);
  void lose_blocks(Node& node);
  void put_back(std::size_t place);
  void check_memory();
  void give(Node& node, Epoch epoch, const consensus::Input& input);
  void carry_out(Node& node, Seat& seat, consensus::Effects effects);
  void note_events(Node& node, Seat& seat, const consensus::Effects& effects);

  // rules.cpp
  /// What stands behind a proposal.
  struct Proposed {
    Hash parent;
    consensus::Justification::Kind reason = consensus::Justification::Kind::none;
    bool again = false;
  };
  void note_proposal(const consensus::PrePrepare& message);
  void note_own_proposal(const consensus::PrePrepare& message);
  void note_prepare(Seat& seat, const VoteSubject& subject);
  void note_status(const Node& node, const Seat& seat, const consensus::StatusAnswer& answer);
  void note_rules(Seat& seat, const consensus::Message& message);
  void note_branches(const Node& node, const Seat& seat, const consensus::Event& event);
  void note_event(const consensus::Event& event);
  void add_events(Tally& to) const;
  void note_votes(Node& node);
  void sync(Node& node);
  void wake(Node& node, Seat& seat, std::uint64_t at_ms);
  void committed(Node& node, const consensus::Effects::CommittedBlock& block);
  void execute(Node& node);
  ExecutedSubject executes(const Node& node, const Hash& digest) const;
  void check_records(const Node& node);
  const BlockHeader& header_at(const Node& node, Height height) const;
  std::optional<Hash> history_root(const Node& node, const BlockHeader& parent) const;
  void note_leaders(Node& node, Height height);

  // changing.cpp: from one epoch to the next
  void take_seat(Node& node, Epoch epoch, consensus::Recovered recovered);
  void go_over(Node& node);
  Epoch epoch_after(const Node& node) const;
  void plan_change(const Node& node, const BlockHeader& executed);
  void check_end(const BlockHeader& header);
  void check_evidence(Epoch epoch, const consensus::Effects::Evidence& evidence);
  std::size_t faulty_in(const std::vector<Identity>& members) const;
  bool may_lose_log(const Node& node) const;
  void hear_of_epoch(std::size_t place, std::size_t from, Epoch epoch);
  void tell_epoch(std::size_t place, std::size_t to);

  // network.cpp
  void send(Node& node, Seat& seat, const consensus::Target& to, const consensus::MessagePtr& message);
  void post(std::size_t from, Epoch epoch, MemberIndex to, const LetterPtr& letter, std::uint64_t delay_ms);
  void post_lies(std::size_t from, Epoch epoch, const Adversary::Outbox& outbox);
  void deliver(std::size_t from, std::size_t to, Epoch epoch, const LetterPtr& letter);
  bool verified(std::size_t from, MemberIndex sender, Epoch epoch, Letter& letter);
  void take_body(Node& node, const Batch& batch);
  bool withholds(const Node& node);
  void answer_batches(std::size_t from, std::size_t to, const std::vector<Hash>& digests);
  void answer_blocks(std::size_t from, std::size_t to, Height first);
  bool poisons(const Node& node);
  void poison(std::vector<consensus::Effects::CommittedBlock>& blocks);
  void keep_proven(std::size_t from, std::vector<consensus::Effects::CommittedBlock>& blocks);
  bool linked(std::size_t a, std::size_t b) const;
  bool is_lost();
  std::uint64_t latency();
  std::size_t place_of(Epoch epoch, MemberIndex member);

  Options options_;
  Rng rng_;
  ChainContext context_;  ///< of the first epoch
  TagKeyring tags_;
  const Keyring* keyring_;
  BlockHeader block_zero_;
  Hash zero_digest_;

  Agenda agenda_;
  std::uint64_t now_ = 0;
  std::uint64_t digest_ = 0xcbf29ce484222325ULL;
  std::uint64_t loss_percent_ = 0;
  std::uint64_t delay_max_ = 10;
  bool is_healed_ = false;
  bool is_calm_ = false;
  std::uint64_t deadline_ = UINT64_MAX;
  Height healed_height_ = 0;
  std::uint64_t next_batch_ = 1;
  std::vector<std::unique_ptr<Node>> nodes_;  ///< one for each identity, and a second for each that runs twice
  std::vector<int> side_;
  std::vector<bool> links_;  ///< by both places: a connection is up
  std::array<std::uint64_t, static_cast<std::size_t>(Fault::count)> happened_{};
  LieCounts told_{};
  std::array<std::uint64_t, static_cast<std::size_t>(Rule::count)> rules_{};
  std::array<std::array<std::uint64_t, 16>, 64> events_{};  ///< at honest members, by kind and by value below 16
  std::uint64_t late_votes_ = 0;                            ///< that came to honest members after the end of their view
  std::size_t identities_ = 0;    ///< whoever is or may become a member
  bool ticks_apart_ = false;      ///< the core hears of the time by a step of its own, and not with what happens then
  std::optional<Epochs> epochs_;
  Height executed_max_ = 0;       ///< by any node
  std::optional<Checker> checker_;
  std::map<Hash, Batch> batches_;
  std::map<std::pair<View, Hash>, Proposed> proposed_;
  std::map<Hash, Hash> parents_;                           ///< of all blocks that were proposed
  std::set<std::tuple<Epoch, View, Height>> tenure_ends_;  ///< proposed there by anybody
  std::map<Hash, Hash> batch_block_;  ///< the last block that an honest member proposed each batch in
  std::map<Hash, View> waits_;    ///< batches that every honest member has, and the highest view when the last got it
  std::set<Hash> in_blocks_;
  std::set<Hash> from_logs_;        ///< batches that a start found in its log, and no block held
  std::uint64_t longest_wait_ = 0;  ///< in views, of a batch in a block
  Tally tally_;
};

}  // namespace galen::sim
