// The state a member must never forget, and the log records that carry it (docs/spec/consensus.md 4). SafetyState is a
// fold over the records: the core folds what it persists, and whoever owns the log may fold the same records into a second
// one, so that a new log segment can begin with records() and older segments be used again. No thread of its own.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "galen/consensus/messages.hpp"

namespace galen::consensus {

/// One byte at the start of each record's payload, after u16 version 1 and u64 epoch. Never renumbered.
enum class RecordKind : std::uint8_t {
  mode = 1,         ///< u8 mode: voting (a fresh log may vote), recovering (amnesia) or fresh (follows, never signed)
  view = 2,         ///< view entered, with the highQC held then
  prepare = 3,      ///< a PREPARE as sent, with the block's skeleton
  commit = 4,       ///< a COMMIT as sent, with the certificate it rests on
  view_change = 5,  ///< a VIEW-CHANGE as sent
  resumed = 6,      ///< end of amnesia: floor, highQC
  promise = 7,      ///< a VIEW-CHANGE of the past that still binds COMMITs (R5): target, reported (view, height)
};

/// Payload of a log record of the core; the log's own type number for it is the shell's business. All are safety records.
struct SafetyRecord {
  Bytes payload;
  bool operator==(const SafetyRecord&) const = default;
};

struct PreparedBlock {
  Prepare message;
  BlockSkeleton block;
};

class SafetyState {
 public:
  explicit SafetyState(Epoch epoch = 1, crypto::Suite suite = crypto::Suite::p256_sha256)
      : epoch_(epoch), suite_(suite) {}

  /// Records of other epochs are passed over. CORRUPT if the bytes are none of ours: treat the log as lost.
  Status apply(const SafetyRecord& record);
  /// The smallest list of records that folds to this state.
  std::vector<SafetyRecord> records() const;
  /// Forgets votes for heights that are committed (and durable in the ledger or in the log).
  void prune(Height committed);

  SafetyRecord mode_record(Mode mode) const;
  SafetyRecord view_record(View view, const std::optional<QuorumCertificate>& high_qc) const;
  SafetyRecord prepare_record(const Prepare& message, const BlockSkeleton& block) const;
  SafetyRecord commit_record(const Commit& message, const QuorumCertificate& certificate) const;
  SafetyRecord view_change_record(const ViewChange& message) const;
  SafetyRecord resumed_record(View floor, const std::optional<QuorumCertificate>& high_qc) const;

  Epoch epoch() const { return epoch_; }
  crypto::Suite suite() const { return suite_; }
  /// fresh until a record says otherwise, then voting or recovering.
  Mode mode() const { return mode_; }
  /// The log holds some record of this epoch. A log that holds none, beside a ledger that is not empty, is a lost one.
  bool recorded() const { return recorded_; }
  /// Highest view entered; nothing if none ever was.
  const std::optional<View>& view() const { return view_; }
  /// No vote and no VIEW-CHANGE below it (amnesia recovery).
  View floor() const { return floor_; }
  const std::optional<QuorumCertificate>& high_qc() const { return high_qc_; }
  const std::optional<ViewChange>& view_change() const { return view_change_; }
  View max_view_change() const { return view_change_ ? view_change_->header.target : 0; }
  /// Highest PREPARE and COMMIT ever signed, by (view, height).
  const std::optional<VoteSubject>& last_prepare() const { return last_prepare_; }
  const std::optional<VoteSubject>& last_commit() const { return last_commit_; }
  /// Votes for heights not yet pruned, by (view, height).
  using VoteKey = std::pair<View, Height>;
  const std::map<VoteKey, PreparedBlock>& prepares() const { return prepares_; }
  const std::map<VoteKey, Commit>& commits() const { return commits_; }
  /// R5: no VIEW-CHANGE above the view reported a highQC below (view, height).
  bool commit_allowed(View view, Height height) const;

 private:
  SafetyRecord record(RecordKind kind, ByteSpan body) const;
  Status apply_body(RecordKind kind, ByteReader& in);
  void raise_high_qc(const QuorumCertificate& certificate);
  void add_promise(View target, VoteKey reported);

  Epoch epoch_;
  crypto::Suite suite_;
  Mode mode_ = Mode::fresh;
  bool recorded_ = false;
  std::optional<View> view_;
  View floor_ = 0;
  std::optional<QuorumCertificate> high_qc_;
  std::optional<ViewChange> view_change_;
  std::optional<VoteSubject> last_prepare_;
  std::optional<VoteSubject> last_commit_;
  std::map<VoteKey, PreparedBlock> prepares_;
  std::map<VoteKey, Commit> commits_;
  /// Target of a VIEW-CHANGE sent -> what it reported; ascending in both, at most kPromisesMax, merged towards refusal.
  std::map<View, VoteKey> promises_;
};

inline constexpr std::size_t kPromisesMax = 64;

/// Folds the records of a log in order. CORRUPT: treat the log as lost.
Result<SafetyState> recover(Epoch epoch, crypto::Suite suite, std::span<const SafetyRecord> records);
/// What a log made anew after amnesia begins with: nobody may take its emptiness for a fresh one.
SafetyRecord amnesia_record(Epoch epoch);

/// What a member may know of itself in the epoch that `end` opens, from its state in the one `end` ended (consensus.md
/// 11). `was_member`: of the ended one.
SafetyState next_epoch(const SafetyState& ended, const BlockHeader& end, bool was_member);
/// The state at start in the epoch that the tip of the chain leads to: the fold of its records, or, if the log ends with
/// the end of the epoch before, what follows from that. `was_member`: of the tip's epoch. CORRUPT: treat the log as lost.
Result<SafetyState> recover_in(crypto::Suite suite, std::span<const SafetyRecord> records, const BlockHeader& tip,
                               bool was_member);

}  // namespace galen::consensus
