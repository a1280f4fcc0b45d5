// Recovery in four steps: the files of the manifest, the frames in them, the chain of living segments, the replay.
#include "log_recovery.hpp"

#include <algorithm>
#include <set>

namespace galen::node {

using log_format::FrameHeader;
using log_format::FrameKind;
using log_format::kBlockBytes;
using log_format::ParsedRecord;

namespace {

constexpr std::uint64_t kScanChunkBytes = 1 << 20;
constexpr std::uint64_t kSegmentBytesMax = 1ULL << 32;

/// Both copies of one turn, as read.
struct Turn {
  Turn() = default;
  Turn(Turn&&) = default;  // moved only: the records point into the buffers
  Turn& operator=(Turn&&) = default;
  std::optional<FrameHeader> header;
  Bytes data, mirror;
  std::vector<ParsedRecord> records;      ///< of the first copy, a sound prefix with bad payloads marked
  std::map<LogSeq, ParsedRecord> second;  ///< of the mirror, sound ones only
  bool first_copy_whole = false;
};

class Recoverer {
 public:
  Recoverer(FileAccess& files, std::string directory, const ReplayFunction& on_record)
      : files_(files), directory_(std::move(directory)), on_record_(on_record) {}

  Result<LogRecovery> run() {
    GALEN_TRY(load_manifest());
    for (auto& segment : segments_) GALEN_TRY(scan(segment));
    GALEN_TRY(add_unlisted(unlisted_));
    GALEN_TRY(choose_chain());
    for (std::size_t i = 0; i < out_.live.size(); ++i) GALEN_TRY(replay_segment(i));
    finish();
    return std::move(out_);
  }

 private:
  void amnesia(const std::string& reason) {
    if (out_.verdict.kind == LogVerdict::Kind::amnesia) return;  // the first reason is the one to look into
    out_.verdict.kind = LogVerdict::Kind::amnesia;
    out_.verdict.reason = reason;
  }

  void concerns(std::string name) { out_.verdict.files.insert(std::move(name)); }
  /// Grows with everything that is found wrong with a turn.
  std::uint64_t complaints() const {
    const auto& verdict = out_.verdict;
    return verdict.records_lost + verdict.records_repaired + verdict.mirrors_bad + (verdict.torn_tail ? 1 : 0) +
           (verdict.kind == LogVerdict::Kind::amnesia ? 1 : 0);
  }

  Status load_manifest();
  Status add_unlisted(const std::map<std::uint32_t, std::string>& found);
  Status scan(LogSegment& segment);
  void scan_block(LogSegment& segment, ByteSpan block, std::uint64_t offset, std::uint64_t file_bytes);
  Status choose_chain();
  Result<bool> is_unborn(LogSegment& segment);
  Result<Turn> read_turn(LogSegment& segment, std::uint64_t turn);
  Status replay_segment(std::size_t index);
  void replay_turn(const Turn& turn);
  void drop_torn(const Turn& turn);
  void check_header(const FrameHeader& header);
  void deliver(const ParsedRecord& record);
  void link(const ParsedRecord& record);
  void finish();

  FileAccess& files_;
  const std::string directory_;
  const ReplayFunction& on_record_;
  LogRecovery out_;
  std::vector<LogSegment> segments_;
  std::map<std::uint32_t, std::string> unlisted_;  ///< segment files that the manifest does not name
  bool any_header_ = false;
  // While replaying:
  bool started_ = false;
  LogSeq next_seq_ = 0;
  std::optional<Hash> previous_hash_;
  LogSeq highest_seq_ = 0;            ///< delivered: a damaged log may give its seqs out of order
  std::vector<OwnedLogRecord> late_;  ///< of torn turns, delivered at the end
};

// ---- step 1: the files

Status Recoverer::load_manifest() {
  auto names = files_.list(directory_);
  if (!names && names.error().code != ErrorCode::NOT_FOUND) return names.error();
  std::map<std::uint32_t, std::string> found;
  bool has_manifest = false;
  for (const auto& name : names ? *names : std::vector<std::string>{}) {
    if (auto number = log_format::segment_number(name)) found[*number] = name;
    has_manifest = has_manifest || name == "manifest";
  }
  if (found.empty() && !has_manifest)
    return {ErrorCode::DATA_DIR_MISSING,
            "there is no log in " + directory_ + ": galend init makes one, nothing else does"};
  std::optional<log_format::Manifest> manifest;
  if (has_manifest) {
    GALEN_ASSIGN(auto bytes, files_.read_all(directory_ + "/manifest", 1 << 20));
    manifest = log_format::decode_manifest(bytes);
  }
  if (manifest) {
    out_.manifest = *manifest;
    any_header_ = true;  // the log's id is known
  } else {
    amnesia(has_manifest ? "the log's manifest is damaged" : "the log's manifest is missing");
    concerns("manifest");
    for (const auto& entry : found) out_.manifest.files.push_back(entry.first);
  }
  for (auto number : out_.manifest.files) {
    LogSegment segment;
    segment.number = number;
    if (found.find(number) == found.end()) {
      amnesia("the log file " + log_format::segment_name(number) + " is missing");
      concerns(log_format::segment_name(number));
      continue;
    }
    GALEN_ASSIGN(segment.file, files_.open(directory_ + "/" + log_format::segment_name(number)));
    segments_.push_back(std::move(segment));
    found.erase(number);
  }
  unlisted_ = std::move(found);
  return {};
}

// A file is listed before its first frame is written, so one with frames of this log shows an older manifest. It may hold the
// newest votes: what can be read is delivered. One without is left from an addition that a crash cut off.
Status Recoverer::add_unlisted(const std::map<std::uint32_t, std::string>& found) {
  for (const auto& [number, name] : found) {
    LogSegment segment;
    segment.number = number;
    GALEN_ASSIGN(segment.file, files_.open(directory_ + "/" + name));
    GALEN_ASSIGN(const auto bytes, segment.file->size());
    if (bytes != out_.manifest.segment_bytes) continue;  // never became a segment: its making was cut off
    GALEN_TRY(scan(segment));
    if (segment.empty()) continue;
    amnesia("the log's manifest is an older copy: " + name + " belongs to this log and is not in it");
    concerns("manifest");
    out_.manifest.files.push_back(number);
    segments_.push_back(std::move(segment));
  }
  std::sort(out_.manifest.files.begin(), out_.manifest.files.end());
  return {};
}

// ---- step 2: the frames

Status Recoverer::scan(LogSegment& segment) {
  // What a killed process wrote may sit in memory only: it counts once it is on the medium, and is read from there.
  GALEN_TRY(segment.file->sync_data());
  segment.file->drop_cache();
  GALEN_ASSIGN(const auto file_bytes, segment.file->size());
  if (out_.manifest.segment_bytes == 0) out_.manifest.segment_bytes = file_bytes;
  if (file_bytes != out_.manifest.segment_bytes || file_bytes > kSegmentBytesMax || file_bytes % kBlockBytes != 0) {
    amnesia("the log file " + log_format::segment_name(segment.number) + " has the wrong length");
    concerns(log_format::segment_name(segment.number));
    return {};
  }
  Bytes chunk(std::min(kScanChunkBytes, file_bytes));
  for (std::uint64_t offset = 0; offset < file_bytes; offset += chunk.size()) {
    const auto count = std::min<std::uint64_t>(chunk.size(), file_bytes - offset);
    GALEN_TRY(segment.file->read_at(offset, std::span(chunk).first(count)));
    for (std::uint64_t at = 0; at < count; at += kBlockBytes)
      scan_block(segment, ByteSpan(chunk).subspan(at, kBlockBytes), offset + at, file_bytes);
  }
  return {};
}

void Recoverer::scan_block(LogSegment& segment, ByteSpan block, std::uint64_t offset, std::uint64_t file_bytes) {
  auto header = log_format::decode_frame_header(block);
  if (!header || header->frame_bytes > file_bytes - offset) return;
  if (!any_header_) {
    out_.manifest.log_id = header->log_id;
    any_header_ = true;
  }
  if (header->log_id != out_.manifest.log_id) return;
  out_.generation_max = std::max(out_.generation_max, header->generation);
  out_.oldest_generation = std::max(out_.oldest_generation, header->oldest_generation);
  if (header->generation < segment.generation) return;  // left by an earlier use of the file
  if (header->generation > segment.generation) {
    segment.turns.clear();
    segment.mirrors.clear();
    segment.generation = header->generation;
  }
  auto& frames = header->kind == FrameKind::turn ? segment.turns : segment.mirrors;
  frames.emplace(header->turn, LogSegment::Located{*header, offset});
}

// ---- step 3: the chain

// A segment whose first and only turn is torn was being started when the process died.
Result<bool> Recoverer::is_unborn(LogSegment& segment) {
  const auto first = segment.any_header().segment_first_turn;
  if (segment.last_turn() != first) return false;
  GALEN_ASSIGN(auto turn, read_turn(segment, first));
  if (turn.first_copy_whole) return false;
  drop_torn(turn);
  return true;
}

Status Recoverer::choose_chain() {
  std::map<std::uint64_t, LogSegment> by_generation;
  const auto usable_bytes = out_.manifest.segment_bytes;
  for (auto& segment : segments_) {
    if (segment.empty()) {
      GALEN_ASSIGN(const auto bytes, segment.file->size());
      if (bytes == usable_bytes) out_.free.push_back(std::move(segment));
    } else if (!by_generation.emplace(segment.generation, std::move(segment)).second) {
      amnesia("two log files claim the same generation");
    }
  }
  segments_.clear();
  while (!by_generation.empty()) {
    auto top = std::prev(by_generation.end());
    GALEN_ASSIGN(const bool unborn, is_unborn(top->second));
    if (!unborn) break;
    concerns(log_format::segment_name(top->second.number));
    out_.torn.push_back(std::move(top->second));
    by_generation.erase(top);
  }
  if (by_generation.empty()) {
    amnesia("the log holds no readable turn");
    return {};
  }
  for (auto generation = by_generation.rbegin()->first;;) {
    auto found = by_generation.find(generation);
    if (found == by_generation.end()) {
      amnesia("a segment of the log is missing or unreadable (generation " + std::to_string(generation) + ")");
      break;
    }
    const auto previous = found->second.any_header().previous_generation;
    out_.live.insert(out_.live.begin(), std::move(found->second));
    by_generation.erase(found);
    if (previous == 0 || previous < out_.oldest_generation) break;
    generation = previous;
  }
  for (auto& [generation, segment] : by_generation) {
    if (out_.verdict.kind == LogVerdict::Kind::amnesia && generation >= out_.oldest_generation) {
      out_.live.insert(out_.live.begin(), std::move(segment));  // cut off from the chain, but worth reading
    } else {
      out_.free.push_back(std::move(segment));
    }
  }
  std::sort(out_.live.begin(), out_.live.end(),
            [](const auto& a, const auto& b) { return a.generation < b.generation; });
  return {};
}

// ---- step 4: the turns

Result<Turn> Recoverer::read_turn(LogSegment& segment, std::uint64_t number) {
  Turn turn;
  auto read = [&](const std::map<std::uint64_t, LogSegment::Located>& frames, Bytes& into) -> Result<bool> {
    auto found = frames.find(number);
    if (found == frames.end()) return false;
    if (!turn.header) turn.header = found->second.header;
    into.resize(found->second.header.frame_bytes - log_format::kFrameHeaderBytes);
    GALEN_TRY(segment.file->read_at(found->second.offset + log_format::kFrameHeaderBytes, into));
    return true;
  };
  GALEN_ASSIGN(const bool has_data, read(segment.turns, turn.data));
  GALEN_ASSIGN(const bool has_mirror, read(segment.mirrors, turn.mirror));
  if (has_data) {
    const auto& header = *turn.header;
    bool whole = true;
    const ParsedRecord* before = nullptr;
    auto parsed = log_format::parse_records(turn.data);
    for (auto& record : parsed) {
      // What an earlier use of the blocks left has another seq.
      if (record.header.seq != header.first_seq + turn.records.size()) break;
      if (turn.records.size() == header.record_count) break;
      whole = whole && record.payload_ok && (before == nullptr || record.header.previous == before->hash);
      turn.records.push_back(record);
      before = &record;
    }
    turn.first_copy_whole = whole && turn.records.size() == header.record_count;
  }
  if (has_mirror) {
    const auto& header = *turn.header;
    for (auto& record : log_format::parse_records(turn.mirror)) {
      const bool ours = record.header.seq >= header.first_seq && record.header.safety &&
                        record.header.seq - header.first_seq < header.record_count;
      if (ours && record.payload_ok) turn.second.emplace(record.header.seq, record);
    }
  }
  return turn;
}

Status Recoverer::replay_segment(std::size_t index) {
  auto& segment = out_.live[index];
  const bool last_segment = index + 1 == out_.live.size();
  const auto first = segment.any_header().segment_first_turn;
  const auto end = last_segment ? segment.last_turn() : out_.live[index + 1].any_header().segment_first_turn - 1;
  const auto name = log_format::segment_name(segment.number);
  segment.first_seq = segment.any_header().first_seq;
  for (auto number = first; number <= end; ++number) {
    GALEN_ASSIGN(auto turn, read_turn(segment, number));
    if (!turn.header) {  // the next header tells what is missing
      concerns(name);
      continue;
    }
    const auto before = complaints();
    check_header(*turn.header);
    // What a header misses was in this file or one before: that one is known by now, if it is still there.
    if (complaints() != before && out_.verdict.files.empty()) concerns(name);
    if (last_segment && number == end && !turn.first_copy_whole) {
      concerns(name);
      drop_torn(turn);
      break;
    }
    if (number == first) segment.first_seq = turn.header->first_seq;
    const auto with_header = complaints();
    replay_turn(turn);
    if (complaints() != with_header) concerns(name);
    out_.last_turn = number;
    if (turn.header->safety_count > 0) out_.last_safety_turn = number;
    segment.last_seq = next_seq_ - 1;
  }
  if (!last_segment) return {};
  out_.mirror_begin = out_.manifest.segment_bytes;
  for (const auto& [number, frame] : segment.mirrors) out_.mirror_begin = std::min(out_.mirror_begin, frame.offset);
  for (const auto& [number, frame] : segment.turns)
    out_.data_end = std::max(out_.data_end, frame.offset + log_format::round_up(frame.header.frame_bytes));
  return {};
}

// Every header names the last turn with safety records before it and its own first seq: so a lost turn cannot hide.
void Recoverer::check_header(const FrameHeader& header) {
  if (!started_) {
    const auto first = out_.live.front().any_header().segment_first_turn;
    if (header.previous_safety_turn >= first) amnesia("the first turn of the log's oldest segment is lost");
    if (header.turn > first) ++out_.verdict.records_lost;  // how many it held is not known
    out_.last_safety_turn = header.previous_safety_turn;
  } else {
    if (header.previous_safety_turn != out_.last_safety_turn)
      amnesia("turn " + std::to_string(header.previous_safety_turn) + " of the log, with safety records, is lost");
    if (header.first_seq < next_seq_) amnesia("the log's records are not in one sequence");
    if (header.first_seq > next_seq_) {
      out_.verdict.records_lost += header.first_seq - next_seq_;
      previous_hash_.reset();
    }
  }
  started_ = true;
  next_seq_ = header.first_seq;
}

void Recoverer::replay_turn(const Turn& turn) {
  const auto& header = *turn.header;
  std::uint64_t safety_found = 0;
  std::uint64_t lost = 0;
  for (std::uint32_t i = 0; i < header.record_count; ++i, ++next_seq_) {
    const ParsedRecord* first = i < turn.records.size() ? &turn.records[i] : nullptr;
    auto found = turn.second.find(next_seq_);
    const ParsedRecord* second = found == turn.second.end() ? nullptr : &found->second;
    const bool first_ok = first != nullptr && first->payload_ok;
    if (first_ok && second != nullptr && first->hash != second->hash)
      amnesia("two valid copies of record " + std::to_string(next_seq_) + " differ");
    const ParsedRecord* chosen = first_ok ? first : second;
    if (chosen == nullptr) {
      ++lost;
      if (first != nullptr) link(*first);
      previous_hash_.reset();
      continue;
    }
    if (chosen->header.safety) {
      ++safety_found;
      if (!first_ok) ++out_.verdict.records_repaired;
      if (second == nullptr) ++out_.verdict.mirrors_bad;
    }
    link(*chosen);
    previous_hash_ = chosen->hash;
    deliver(*chosen);
  }
  if (safety_found < header.safety_count)
    amnesia("a safety record in turn " + std::to_string(header.turn) + " of the log is bad in both copies");
  lost -=
      std::min<std::uint64_t>(lost, header.safety_count - std::min<std::uint64_t>(safety_found, header.safety_count));
  out_.verdict.records_lost += lost;
}

void Recoverer::link(const ParsedRecord& record) {
  if (previous_hash_ && record.header.previous != *previous_hash_)
    amnesia("the log's hash chain breaks at record " + std::to_string(record.header.seq));
}

void Recoverer::deliver(const ParsedRecord& record) {
  ++out_.verdict.records;
  highest_seq_ = std::max(highest_seq_, record.header.seq);
  on_record_(ReplayedRecord{record.header.seq, record.header.type, record.header.safety, false, record.payload});
}

// Called from the newest torn turn to the oldest: a start that died in its own first turn leaves two, and the older
// one's records come first.
void Recoverer::drop_torn(const Turn& turn) {
  out_.verdict.torn_tail = true;
  out_.must_roll = true;
  if (!turn.header) return;
  std::map<LogSeq, const ParsedRecord*> sound;
  for (const auto& [seq, record] : turn.second) sound[seq] = &record;
  for (const auto& record : turn.records) {
    if (!record.payload_ok || !record.header.safety) continue;
    auto [entry, inserted] = sound.emplace(record.header.seq, &record);
    if (!inserted && entry->second->hash != record.hash)
      amnesia("two valid copies of record " + std::to_string(record.header.seq) + " differ");
  }
  std::vector<OwnedLogRecord> older;
  for (const auto& [seq, record] : sound) older.push_back({record->header.type, true, to_bytes(record->payload)});
  late_.insert(late_.begin(), std::make_move_iterator(older.begin()), std::make_move_iterator(older.end()));
}

void Recoverer::finish() {
  auto& verdict = out_.verdict;
  const bool only_marker = verdict.records == 1 && late_.empty() && out_.last_turn == 1;
  // A log that is begun anew goes on behind everything that was delivered of this one.
  out_.last_seq = std::max(started_ ? next_seq_ - 1 : 0, highest_seq_);
  for (auto& record : late_) {
    // The newer of two torn turns begins with what the older one had left.
    const bool repeated = std::any_of(out_.recovered.begin(), out_.recovered.end(), [&](const OwnedLogRecord& other) {
      return other.type == record.type && other.payload == record.payload;
    });
    if (repeated) continue;
    ++verdict.records;
    // It is written again, maybe under a lower seq than the torn turn had given it, never below this one.
    on_record_(ReplayedRecord{out_.last_seq + 1, record.type, true, true, record.payload});
    out_.recovered.push_back(std::move(record));
  }
  if (previous_hash_) out_.last_hash = *previous_hash_;
  verdict.fresh = only_marker && verdict.kind != LogVerdict::Kind::amnesia;
  if (verdict.kind == LogVerdict::Kind::clean && verdict.records_lost > 0) {
    verdict.kind = LogVerdict::Kind::damaged;
    verdict.reason = std::to_string(verdict.records_lost) + " records of the log that are not safety records are lost";
  }
}

}  // namespace

Result<LogRecovery> recover_log(FileAccess& files, const std::string& wal_directory, const ReplayFunction& on_record) {
  return Recoverer(files, wal_directory, on_record).run();
}

}  // namespace galen::node
