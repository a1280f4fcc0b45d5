// Everything the replica knows, and its parts by subject: replica.cpp takes the steps, inputs.cpp what comes in,
// judging.cpp proposals, voting.cpp the voting rules R1-R7, proposing.cpp the leader, view_change.cpp V1-V5,
// leaders.cpp V6, committing.cpp what follows a COMMIT-QC, recovery.cpp STATUS and amnesia, repair.cpp what is said
// again or asked for, fairness.cpp F1 and F2. Owned by the core thread; no I/O, no clock, no hidden state.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <variant>

#include "consensus/batch_pool.hpp"
#include "consensus/fairness.hpp"
#include "consensus/pacemaker.hpp"
#include "consensus/proposals.hpp"
#include "consensus/votes.hpp"
#include "galen/consensus/replica.hpp"
#include "galen/consensus/verify.hpp"

namespace galen::consensus {

/// A signature we asked for, and what to do with it.
using PendingSignature = std::variant<PrePrepare, Prepare, std::pair<Commit, QuorumCertificate>, ViewChange, Executed, StatusAnswer>;

/// A promise of ours with the token of its record: may be sent again at any time, behind that token.
template <class T>
struct Kept {
  T message;
  PersistToken token = PersistToken::before_start();
};
using OwnPromise = std::variant<Prepare, Commit, ViewChange>;

struct SeenOfMember {
  std::optional<Prepare> prepare;
  std::optional<Commit> commit;
  std::optional<ViewChangeHeader> view_change;
};

/// STATUS given to a member lately.
struct Answered {
  std::uint64_t since_ms = 0;
  std::uint32_t count = 0;
};

/// PRE-PREPAREs that cannot be judged yet; per sender only those of the highest view, whoever may lead it.
struct EarlyProposal {
  MessagePtr message;
  TimestampMs received_ms = 0;  ///< by the own clock, which is asked about the block's time as of its receipt
};
struct EarlyProposals {
  View view = 0;
  std::map<Height, EarlyProposal> by_height;
};

/// Blocks that are wanted or wait for their parents. Vouched for: a certificate, or we ourselves, stand behind it or what stands
/// on it; these come first, so a leader that names blocks nobody has cannot crowd them out.
struct Orphan {
  BlockSkeleton block;
  bool vouched = false;
};
struct WantedBlock {
  Height height = 0;
  bool vouched = false;
  std::uint64_t fetch_at_ms = 0;
};

struct Replica::State {
  State(Config config_given, Recovered recovered);

  // replica.cpp
  Effects step(const Tick* tick, const Input& input);
  void settle();  ///< does all that has become possible, until nothing changes
  void arm_timers();
  std::uint64_t sign(Bytes bytes, PendingSignature what);
  template <class Record>
  PersistToken persist(Record record);
  void report(EventKind kind, View event_view, Height height, MemberIndex member = 0, std::uint64_t value = 0);

  // inputs.cpp; what was executed or fetched in committing.cpp, what is offered or measured in fairness.cpp
  void on(const Tick& tick);
  void on(const MessageReceived& received);
  void on(const BatchArrived& arrived);
  void on(const Signed& given);
  void on(const Durable& durable);
  void on(const BlockExecuted& executed);
  void on(const BlockFetched& fetched);
  void on(const BatchesOffered& offered);
  void on(const TimingMeasured& measured);
  void on(const PeerConnected& connected);
  void on(const StopRequested&);

  // judging.cpp: proposals
  void on_pre_prepare(MemberIndex from, const MessagePtr& message);
  bool stands_on_base(const BlockHeader& header) const;
  bool is_justified(const PrePrepare& message) const;
  bool take_early_proposals();
  enum class Early : std::uint8_t { waits, over, changed };  ///< what became of a proposal that was kept
  Early take_early_proposal(const EarlyProposal& proposal, bool is_first);
  void make_room(const Hash& parent);
  BlockNode* add_node(const BlockSkeleton& block, const Hash& digest);
  void blame(MemberIndex member, const VoteSubject& place, MessagePtr first, MessagePtr second);
  bool take_proposal(const EarlyProposal& proposal);
  void refuse(BlockNode& node, RefusalReason reason);
  bool crowds(const BlockNode& node) const;

  // voting.cpp: PREPARE, COMMIT
  bool certified_in(View in_view, const Hash& digest) const;
  bool roots_agree(const BlockNode& node, bool& known);
  const Hash* pending_change(Height exec_height) const;
  bool may_prepare(BlockNode& node);
  bool try_prepare();
  void signed_prepare(Prepare message);
  void on_vote(MemberIndex from, VotePhase phase, const SignedVote& vote);
  void on_certificate(const QuorumCertificate& certificate);
  bool may_commit(const SafetyState::VoteKey& place) const;
  bool try_commit_votes();
  void signed_commit(Commit message, const QuorumCertificate& certificate);

  // proposing.cpp: the leader
  bool try_propose();
  bool propose(PrePrepare message);
  const BlockNode* proposal_parent(Justification& justification);
  bool wants_to_propose(const BlockNode& parent, const BatchPool::Selection& batches, bool ends_epoch, bool& tenure_end);
  bool roots_for(const BlockNode& parent, BlockHeader& header) const;
  void signed_pre_prepare(PrePrepare message);
  std::size_t own_in_flight() const;

  // view_change.cpp
  void start_view_change(View target, ViewChangeCause cause);
  void signed_view_change(ViewChange message);
  void on_view_change(MemberIndex from, const ViewChange& message);
  void note_view_change(const ViewChange& message);
  void heed_view_changes();
  std::size_t view_changes_at_least(View target) const;
  bool try_lead();
  bool may_enter(View target) const;
  void enter_view(View target, std::uint64_t how, std::optional<Height> base);
  bool try_tenure_entry();
  bool changing_views() const { return vc_target > view; }
  std::uint64_t tenure_deadline_ms() const;
  bool is_active_leader() const;
  VoteSubject high_subject() const;

  // leaders.cpp
  std::optional<MemberIndex> leader_on(View of_view, Height base_exec) const;
  std::optional<Height> base_of(const PrePrepare& message) const;
  std::optional<Height> base_of(const BlockNode& node, View in_view) const;
  std::optional<Height> base_of_view() const;
  std::optional<MemberIndex> view_leader() const;
  MemberIndex likely_leader() const;

  // committing.cpp
  bool try_commit();
  void commit_block(BlockNode& node, const QuorumCertificate& certificate);
  void note_certified_roots(const BlockHeader& header);
  void on_executed(const Executed& message);
  void become_diverged(Height height);
  void end_epoch();
  Recovered next_epoch() const;

  // recovery.cpp
  void ask_status(Target to);
  void answer_status(MemberIndex from, const StatusRequest& request);
  void on_status(const StatusAnswer& answer);
  void judge_start();
  void judge_recovery();
  bool was_forgotten(const StatusAnswer& answer) const;
  void begin_voting();
  void become_recovering();
  void note_new_log();
  bool log_is_lost() const;
  void resume(View floor_given);
  void check_clock();

  // repair.cpp
  void resend();
  void resend_promises(Target to);
  void help(MemberIndex member, View their_view, Height their_commit);
  void want_block(const Hash& digest, Height height, bool vouched);
  const BlockSkeleton* prepared_block(const Hash& digest) const;
  void on_skeleton(const BlockSkeleton& block);
  bool leads_nowhere(const BlockHeader& header) const;
  bool add_orphan(const Hash& digest, const BlockSkeleton& block, bool vouched);
  bool place_orphans();
  bool is_void(const BlockNode& node) const;
  void fetch_what_is_missing();
  void on_fetch_skeleton(MemberIndex from, const FetchSkeleton& request);
  void on_fetch_certificate(MemberIndex from, const FetchCertificate& request);
  MemberIndex someone();
  bool unsettled() const;
  bool work_outstanding() const;
  void fetch_as_follower();
  Height best_height() const;

  // fairness.cpp: F1, F2
  bool may_offer() const { return config.fair_timeouts > 0 && is_member() && !ended; }
  std::uint64_t fair_ms() const { return config.fair_timeouts * pacemaker.timeout_ms(); }
  std::uint64_t offer_wait_ms() const { return std::max<std::uint64_t>(pacemaker.timeout_ms() / 4, 1); }
  void offer_batches();
  void fetch_offered();
  void give_chance();
  void watch_turns(const BlockNode& node);
  void leave_unfair_leader();

  bool is_member() const { return config.self < config.members.size(); }
  bool is_base(const BlockNode& node) const { return node.height() == epoch_base; }
  /// Nothing of this epoch is committed here.
  bool at_base() const { return tree.tip().height() == epoch_base; }
  /// R1, 8 (b): may promise something: a member that remembers, of an epoch that goes on.
  bool may_vote() const { return mode == Mode::voting && is_member() && !ended; }

  Config config;
  Rng rng;
  Height epoch_base = 0;       ///< the block the epoch stands on, as block zero in the first
  bool ended = false;          ///< its epoch_end block is committed
  std::uint64_t now = 0;       ///< monotonic milliseconds
  TimestampMs wall = 0;
  bool ticked = false;
  bool had_chain = false;      ///< blocks of its own when it started
  std::uint64_t next_token = 1;
  std::uint64_t next_signature = 1;
  Effects* out = nullptr;      ///< of the running step

  SafetyState safety;          ///< what has been persisted, or is in this step's records
  Mode mode = Mode::starting;
  View view = 0;
  bool view_entered = false;   ///< false only before the very first view of a fresh log
  std::optional<Height> view_base;  ///< exec_height of the block the view stands on, once it is known
  PersistToken view_token = PersistToken::before_start();
  std::uint64_t durable = 0;
  View propose_from = 0;       ///< restart fence: no proposal in views below
  std::optional<QuorumCertificate> high_qc;
  View vc_target = 0;          ///< highest VIEW-CHANGE decided, signed or not
  VoteSubject vc_reported;
  bool vc_has_quorum = false;  ///< q members want vc_target or more
  std::map<MemberIndex, ViewChange> view_changes;  ///< the highest of each member
  std::optional<VoteSubject> last_prepare;         ///< highest PREPARE decided, signed or not
  std::set<SafetyState::VoteKey> committed_votes;  ///< COMMITs decided

  BlockTree tree;
  BatchPool pool;
  VotePool votes;
  ExecutedPool executed_pool;
  Pacemaker pacemaker;

  std::map<std::uint64_t, PendingSignature> signatures;
  std::deque<std::pair<PersistToken, OwnPromise>> undurable;
  std::map<SafetyState::VoteKey, Kept<Prepare>> own_prepares;
  std::map<SafetyState::VoteKey, Kept<Commit>> own_commits;
  std::optional<Kept<ViewChange>> own_view_change;

  // The view's opening: how a leader may begin, and what helps those who missed it.
  std::optional<Justification> opening;
  MessagePtr opening_message;
  std::optional<Hash> opened_with;  ///< the maximum of its NEW-VIEW, when the view began with that block again (V4)
  std::optional<Hash> head;    ///< last block we proposed in this view
  std::map<Height, MessagePtr> own_proposals;
  std::uint64_t proposed_at_ms = 0;
  std::uint64_t opened_at_ms = 0;
  std::map<MemberIndex, EarlyProposals> early;

  std::optional<QuorumCertificate> tip_certificate;
  std::map<Height, QuorumCertificate> commit_certificates;   ///< above the tip
  std::map<VoteSubject, QuorumCertificate> certificates;     ///< PREPARE-QCs (or COMMIT-QCs) above the tip
  std::map<Hash, WantedBlock> wanted;
  std::map<Hash, Orphan> orphans;
  std::map<Height, ExecutedSubject> executed;
  std::map<Height, Hash> pending_members;  ///< of the executed heights: next set, if a change is pending
  std::vector<LeaderSkip> leader_skips;    ///< after the last executed height: all that counts from the tip's view on
  std::map<Height, std::pair<Hash, Hash>> certified_roots;  ///< by committed headers, not executed here yet
  std::uint64_t committed_at_ms = 0;

  std::vector<std::set<SafetyState::VoteKey>> blamed;  ///< per member, where evidence was given
  std::vector<SeenOfMember> seen;
  std::vector<std::uint64_t> last_heard;
  std::vector<std::uint64_t> last_helped;
  std::vector<Answered> answered;
  std::vector<std::uint64_t> last_asked;
  Height heard_height = 0;     ///< certified, as STATUS told with proof

  std::vector<TurnOf> turns;        ///< by origin (F2)
  std::uint64_t chance_since_ms = 0;  ///< of the view's leader
  std::uint64_t offer_round_ms = 0;   ///< the next offer
  std::vector<OffersOf> offers;     ///< by the member that made them (F1)
  std::map<Hash, std::uint64_t> asked_offers;  ///< when another member may be asked for it
  std::optional<std::uint64_t> ask_offerer_ms;

  std::uint64_t status_nonce = 0;
  std::map<MemberIndex, StatusAnswer> answers;
  std::map<MemberIndex, View> recovery_claims;  ///< view or target in the first answer of each that remembers
  std::optional<View> recovery_view;            ///< V of 8 (a), by these claims
  std::set<MemberIndex> answering;
  std::map<MemberIndex, std::int64_t> clock_offsets;  ///< of the others, at their last STATUS
  bool clock_alarm = false;
  std::uint64_t fetch_blocks_at_ms = 0;
  bool stopping = false;
  bool stop_reported = false;
};

template <class Record>
PersistToken Replica::State::persist(Record record) {
  std::vector<SafetyRecord> records;
  if constexpr (std::is_same_v<Record, SafetyRecord>) records.push_back(std::move(record));
  else records = std::move(record);
  for (const auto& one : records) {
    auto status = safety.apply(one);
    GALEN_ASSERT(status.has_value());
  }
  return out->persist(std::move(records));
}

}  // namespace galen::consensus
