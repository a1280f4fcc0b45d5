// The write-ahead log (consensus.md 1.4, docs/spec/log.md): what must be durable before something is promised. The
// store thread owns it; nothing here is called from two threads. Invariants:
// - one turn is one write of its records, for safety records a second one far away in the same file, and one fdatasync;
// - append_turn returns only after the sync; a turn is kept whole or dropped whole, except that safety records of a
// torn
//   last turn are kept when either copy is sound (remembering a vote that never left harms nobody, forgetting one
//   does);
// - segments are zero-filled once and overwritten in place for ever; what an earlier use left is told by its
// generation;
// - only create() makes a log; damage that may have cost a safety record is AMNESIA and is never cut off and passed
// over;
// - after the first failed write or sync every call fails: the owner stops the process.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "galen/node/file_access.hpp"

namespace galen::node {

using LogSeq = std::uint64_t;

/// Kinds below 16 belong to the log, the others to its users, who number them in node/log_records.hpp.
using LogRecordType = std::uint16_t;
inline constexpr LogRecordType kLogFresh = 1;    ///< first record of a log made by create()
inline constexpr LogRecordType kLogAmnesia = 2;  ///< first record after start_over()
inline constexpr LogRecordType kLogFirstUserType = 16;

/// A record to append. `safety` marks votes, certificates, views: written twice, and their loss is AMNESIA.
struct LogRecord {
  LogRecordType type = 0;
  bool safety = false;
  ByteSpan payload;
};
/// The same with its own bytes.
struct OwnedLogRecord {
  LogRecordType type = 0;
  bool safety = false;
  Bytes payload;
  LogRecord view() const { return {type, safety, payload}; }
};

/// A record found by open(). The payload is valid during the call only.
struct ReplayedRecord {
  LogSeq seq = 0;
  LogRecordType type = 0;
  bool safety = false;
  /// From a torn last turn: it may never have left, and it is appended again by the next append_turn, at `seq` or
  /// later.
  bool recovered = false;
  ByteSpan payload;
};

struct LogVerdict {
  enum class Kind {
    clean,    ///< everything is there
    damaged,  ///< records that are not safety records are lost: fetch them from the others again
    amnesia,  ///< safety records may be lost: no vote until consensus.md 1.9 is through; see Log::start_over
  };
  Kind kind = Kind::clean;
  std::string reason;                  ///< one sentence for the operator; empty when clean
  bool torn_tail = false;              ///< the last turn was cut by a crash and dropped: normal
  bool fresh = false;                  ///< nothing but the FRESH marker: a log as create() made it
  std::uint64_t records = 0;           ///< delivered
  std::uint64_t records_lost = 0;      ///< of the damaged kind
  std::uint64_t records_repaired = 0;  ///< safety records read from their second copy
  std::uint64_t mirrors_bad = 0;       ///< second copies found damaged while the first is sound
  /// Names in DIR/wal of the files concerned by any of this, as far as it can be told which they are.
  std::set<std::string> files;
};

struct LogOptions {
  std::uint64_t segment_bytes = 64ULL << 20;  ///< for create(); open() reads it from the manifest. Multiple of 4 KiB
  std::uint32_t segments_initial = 2;         ///< made by create(); more are added when none is free
};

class Log {
 public:
  /// Makes DIR/wal and a FRESH log in it. ALREADY_EXISTS if there is anything that looks like a log.
  static Status create(const std::string& data_dir, const LogOptions& options = {},
                       FileAccess& files = posix_file_access());

  struct Opened {
    std::unique_ptr<Log> log;
    LogVerdict verdict;
  };
  /// Syncs, reads from the medium, and hands every record in order to `on_record`. Records may have been applied
  /// already by their user (a free segment is replayed until it is used again): users skip by height or seq.
  /// DATA_DIR_MISSING without a log, IO_ERROR. Under verdict amnesia what could be read is delivered all the same.
  static Result<Opened> open(const std::string& data_dir, const std::function<void(const ReplayedRecord&)>& on_record,
                             FileAccess& files = posix_file_access());

  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Called on the owner's thread when a turn starts a segment: what it returns goes first into that turn, so that
  /// older segments can be recycled without losing the safety state. Keep it below a sixteenth of a segment.
  using SnapshotSource = std::function<std::vector<OwnedLogRecord>()>;
  void set_snapshot_source(SnapshotSource source);

  struct Appended {
    LogSeq first = 0;  ///< seq of the caller's first record; the others follow one by one
    LogSeq last = 0;
    bool new_segment = false;
  };
  /// Durable on return. TOO_LARGE beyond turn_bytes_max, INVALID_ARGUMENT for an empty turn or a type below
  /// kLogFirstUserType, AMNESIA before start_over, IO_ERROR (then the process must stop).
  Result<Appended> append_turn(std::span<const LogRecord> records);
  Result<Appended> append_turn(std::span<const OwnedLogRecord> records);

  /// Segments whose records are all below `before` may be overwritten later. Call only after what they hold is durable
  /// elsewhere; the current segment always begins with the safety snapshot, so segment_first_seq() bounds safety.
  void recycle(LogSeq before);

  /// After verdict amnesia, or when the owner cannot make sense of its own safety records: a log of new segments, with
  /// the kLogAmnesia marker, then `safety_state`, which each of them begins with, then `carried` (the caller's choice
  /// of what it still needs), in as many turns as that takes; all older segments are void. Durable on return; after a
  /// crash before there is all of the old log and nothing of the new one.
  Status start_over(std::span<const OwnedLogRecord> safety_state, std::span<const LogRecord> carried = {});

  struct Stats {
    LogSeq next_seq = 1;
    LogSeq segment_first_seq = 0;  ///< first seq of the current segment
    LogSeq oldest_seq = 0;         ///< first seq still replayed by open()
    std::uint64_t live_bytes = 0;  ///< bytes of segments that are not free
    std::uint32_t segments = 0;
    std::uint32_t segments_free = 0;
    std::uint64_t turns = 0;  ///< since open, as are the following
    std::uint64_t syncs = 0;
    std::uint64_t bytes_written = 0;
  };
  Stats stats() const;
  std::size_t turn_bytes_max() const;
  /// Random, made by create(): positions in one log mean nothing in another.
  const RequestId& log_id() const;

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::node
