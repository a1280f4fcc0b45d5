// The consensus core: Effects step(Input), C-PBFT as in docs/spec/consensus.md. No I/O, threads, clock, randomness of its
// own, logging or signing, so a simulator runs the code that ships. The core thread owns it. Invariants: a promise leaves
// only behind its durable record (effects.hpp); blocks are committed in height order, each once; memory is bounded.
//
// One Replica is one epoch. When it has committed an epoch_end block it has ended (EventKind::epoch_ended): it promises
// nothing more and only helps those behind. The shell goes over with next_epoch(), and keeps the ended one beside the new
// one until that has committed a block (docs/spec/consensus.md 11 says what else is the shell's).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "galen/consensus/effects.hpp"
#include "galen/crypto/merkle.hpp"
#include "galen/types/genesis.hpp"
#include "galen/types/leadership.hpp"

namespace galen::consensus {

/// Config::self of who is no member of the epoch: follows and executes by BlockFetched, signs and says nothing.
inline constexpr MemberIndex kNoMember = UINT16_MAX;

/// How much of what others say is kept at most: several times what honest members have under way, and no more for a flood. Less
/// is for simulated ones.
struct Room {
  std::size_t blocks = 256;            ///< the committed tip and what stands on it
  std::size_t votes_per_member = 128;  ///< of both phases
  std::size_t strays = 64;             ///< blocks that are wanted, and as many that wait for their parents
  /// R1c: of batches that came because blocks of one leader waited for them, until they are in the chain or expire. 0: twice
  /// what a window of full blocks holds.
  std::uint64_t guest_bytes = 0;
  bool operator==(const Room&) const = default;
};

struct Config {
  ChainContext context;
  MemberSet members;
  MemberIndex self = 0;  ///< kNoMember: not one of them
  GenesisParameters parameters;
  std::uint32_t rules_version = 1;
  std::uint64_t rng_seed = 0;  ///< from a true random source in production: jitter and STATUS nonces
  // Local settings, not validity:
  std::uint64_t tenure_ms = 10'000;   ///< a leader ends its tenure after this much time, too; 0: never, nor is it left for it
  std::uint64_t gather_ms = 4;        ///< while blocks are in flight, how long a batch may wait for company
  std::uint64_t fetch_delay_ms = 30;  ///< how long a missing batch or parent may be on its way before it is asked for
  std::size_t pool_batches_per_origin = 1024;
  Room room;
  /// F2: how many view timeouts a leader has for a batch that all were offered; 0: none is left for what it leaves out, and
  /// nothing is offered.
  std::uint32_t fair_timeouts = 6;
  std::uint64_t base_timeout_max_ms = 3'750;  ///< V1a: whatever is measured; eight times it is 30 s
};

/// What is known of a committed block that others build on.
struct CommittedTip {
  BlockHeader header;  ///< Genesis::block_zero() at height 0
  Hash digest;
  /// COMMIT-QC of it or of a descendant; nothing for block zero, and not read when the tip is the base of a later epoch.
  std::optional<QuorumCertificate> certificate;
  std::uint32_t tenure_position = 1;  ///< blocks of its view up to it; a lower bound will do (R8 is then milder)
  /// galen::base_exec_height of it. Nothing: who leads its view is not known here until a later block tells (V6).
  std::optional<Height> base_exec_height = std::nullopt;
};

struct PendingBatch {
  Hash digest;
  MemberIndex origin = 0;
  TimestampMs valid_until_ms = 0;
  std::uint64_t bytes = 0;
};

/// State at start: the fold of the log, and what the ledger (replayed from the log) adds.
struct Recovered {
  SafetyState safety;  ///< of the epoch: recover_in()
  CommittedTip tip;
  /// Height of the block the epoch stands on: 0 in the first one, then that of the epoch_end block before it.
  Height epoch_base = 0;
  crypto::MerkleFrontier history{crypto::Suite::p256_sha256};  ///< digests of blocks 0 … tip: size tip.height + 1
  /// Roots after the last executed heights, ascending, at least one; all of the last exec_lag_max + window if they are
  /// known. Height 0 stands for the state of genesis. May be behind the tip: Executed follows.
  std::vector<ExecutedSubject> executed;
  /// Those of the executed heights after which a change of members is pending, with the hash of the next set.
  std::map<Height, Hash> pending_members;
  /// Leadership::skips after the last executed height, if that is of this epoch.
  std::vector<LeaderSkip> leader_skips;
  /// Batches in the chain whose valid_until_ms is not before the tip's time.
  std::vector<std::pair<Hash, TimestampMs>> recent_batches;
  /// Batches of this epoch in the log that are not in the chain, in order of arrival.
  std::vector<PendingBatch> pending;
};

// Inputs -----------------------------------------------------------------------------------------------------------------

/// Time passes only by ticks: give one before the other inputs of a turn, and when wake_at_ms is reached.
struct Tick {
  std::uint64_t monotonic_ms = 0;
  TimestampMs wall_ms = 0;
};
/// Passed verify_message.
struct MessageReceived {
  MemberIndex from = 0;
  MessagePtr message;
};
/// A batch, decoded and verified. Its body goes into the log before any record persisted after this input, and stays
/// available until it is in a committed block or its valid_until_ms lies before the tip's block time.
struct BatchArrived {
  PendingBatch batch;
};
struct Signed {
  std::uint64_t token = 0;
  Signature signature;
};
/// All records up to this PersistToken::value() are durable.
struct Durable {
  std::uint64_t token = 0;
};
/// In height order, for each block given out in Effects::commits (and blocks above Recovered::executed). An ended Replica
/// that is kept gets them up to its last block, the one of the next epoch gets them all.
struct BlockExecuted {
  ExecutedSubject subject;
  /// MemberSet::hash of the next set, if after this height a change of members is pending. After an epoch_end block the
  /// change that it makes is not pending any more.
  std::optional<Hash> next_members = std::nullopt;
  /// Leadership::skips after this height (V6).
  std::vector<LeaderSkip> leader_skips = {};
};
/// From catch-up, ascending; the shell has all batches of it in the log and has verified that `certificate` is a COMMIT-QC
/// of the block or of one whose parent links lead to it. Ignored unless it is the next height. It comes back at once in
/// Effects::commits, like every other block.
struct BlockFetched {
  BlockSkeleton block;
  QuorumCertificate certificate;
  std::vector<PendingBatch> batches;  ///< of the block, in its order
};
/// F1: a member holds these batches and sees them wait; unsigned, and nothing is believed of it. At most kOfferedMax.
struct BatchesOffered {
  MemberIndex from = 0;
  std::vector<Hash> digests;
};
/// V1a: what a view needs at least, as this node measures its network and disk. Given when it has changed.
struct TimingMeasured {
  std::uint64_t base_timeout_ms = 0;
};
/// A connection to a member came up: ask it where it stands.
struct PeerConnected {
  MemberIndex member = 0;
};
/// End the own tenure, then emit ready_to_stop; no new proposals.
struct StopRequested {};

using Input = std::variant<Tick, MessageReceived, BatchArrived, Signed, Durable, BlockExecuted, BlockFetched, BatchesOffered,
                           TimingMeasured, PeerConnected, StopRequested>;

/// For status, readiness and metrics.
struct ReplicaStatus {
  Mode mode = Mode::starting;
  View view = 0;
  View max_view_change = 0;   ///< above view: changing views
  MemberIndex leader = 0;     ///< as far as is known here
  std::vector<MemberIndex> skipped;  ///< members that the rotation leaves out in this view (V6)
  std::uint64_t view_timeout_ms = 0;  ///< how long a view may go without progress now
  Height committed = 0;
  Height executed = 0;
  Height highest_known = 0;   ///< of any verified certificate
  VoteSubject high;           ///< of highQC
  std::size_t pending_batches = 0;
  std::size_t in_flight = 0;  ///< proposed above the committed height
  bool stopping = false;
  bool ended = false;         ///< the epoch is over: committed is its last height
  std::vector<std::uint64_t> last_heard_ms;  ///< per member, monotonic; 0 never; self = now
};

class Replica {
 public:
  Replica(Config config, Recovered recovered);
  ~Replica();
  Replica(Replica&&) noexcept;

  /// Begin with a Tick. Inputs of one turn may be given one after the other and their effects carried out together.
  Effects step(const Input& input);
  /// The tick and then the input: what they make possible together is done once.
  Effects step(const Tick& tick, const Input& input);

  ReplicaStatus status() const;
  /// Records that restate the safety state, for the head of a new log segment.
  std::vector<SafetyRecord> safety_records() const;
  /// An uncommitted block that may still be voted for or committed waits for this batch.
  bool wants_batch(const Hash& digest) const;
  /// Once it has ended: what the Replica of the next epoch starts from. Put safety.records() of it into the log before
  /// anything of the new Replica; the rest is as the old one knows it. Pending batches are not carried over: a batch is
  /// signed for its epoch, so the shell makes new ones of the same transactions.
  Recovered next_epoch() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace galen::consensus
