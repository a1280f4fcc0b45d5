// Reading the log at start: which segments live, which turns are whole, what a crash cut off and what damage took away
// (docs/spec/log.md 4). Runs once, inside Log::open, on the store thread. Invariants:
// - only the last turn may be dropped as torn; anything older that is bad is repaired, reported as lost, or AMNESIA;
// - nothing is written: what a torn turn still held of safety records goes to the writer as `recovered`.
#pragma once

#include <functional>
#include <map>

#include "log_format.hpp"

namespace galen::node {

struct LogSegment {
  struct Located {
    log_format::FrameHeader header;
    std::uint64_t offset = 0;
  };
  std::uint32_t number = 0;
  std::unique_ptr<File> file;
  std::uint64_t generation = 0;  ///< 0: never used, or nothing readable in it
  LogSeq first_seq = 0;
  LogSeq last_seq = 0;
  std::map<std::uint64_t, Located> turns, mirrors;  ///< by turn number, of `generation` only

  bool empty() const { return turns.empty() && mirrors.empty(); }
  /// Any readable frame: the fields of the segment are the same in all.
  const log_format::FrameHeader& any_header() const {
    return turns.empty() ? mirrors.begin()->second.header : turns.begin()->second.header;
  }
  std::uint64_t last_turn() const {
    return std::max(turns.empty() ? 0 : turns.rbegin()->first, mirrors.empty() ? 0 : mirrors.rbegin()->first);
  }
};

struct LogRecovery {
  LogVerdict verdict;
  log_format::Manifest manifest;
  std::vector<LogSegment> live;  ///< oldest first
  std::vector<LogSegment> free;
  std::vector<LogSegment> torn;      ///< started but never whole: free once `recovered` is durable elsewhere
  std::uint64_t generation_max = 0;  ///< of any frame seen
  std::uint64_t oldest_generation = 0;
  std::uint64_t last_turn = 0;  ///< last whole turn
  std::uint64_t last_safety_turn = 0;
  LogSeq last_seq = 0;
  Hash last_hash;
  std::uint64_t data_end = 0;  ///< in the last live segment
  std::uint64_t mirror_begin = 0;
  bool must_roll = false;  ///< the torn turn's remains must not be written over
  std::vector<OwnedLogRecord> recovered;
};

using ReplayFunction = std::function<void(const ReplayedRecord&)>;
Result<LogRecovery> recover_log(FileAccess& files, const std::string& wal_directory, const ReplayFunction& on_record);

}  // namespace galen::node
