// The log's writer: where the next turn goes, when a segment is full, which ones may be used again. Data frames grow
// from the front of a segment, mirror frames from its end; a gap stays between them, so that the two copies of a record
// are never neighbours on the medium. After the first failure `failed` is set and nothing is written any more.
#include "galen/node/log.hpp"

#include <algorithm>
#include <deque>

#include "galen/crypto/random.hpp"
#include "log_recovery.hpp"

namespace galen::node {

using log_format::FrameHeader;
using log_format::FrameKind;
using log_format::kFrameHeaderBytes;
using log_format::kRecordHeaderBytes;
using log_format::round_up;

namespace {

constexpr std::uint64_t kSegmentBytesMin = 16 * log_format::kBlockBytes;

std::string segment_path(const std::string& directory, std::uint32_t number) {
  return directory + "/" + log_format::segment_name(number);
}

}  // namespace

struct Log::State {
  FileAccess& files;
  std::string directory;
  log_format::Manifest manifest;
  std::deque<LogSegment> live;      ///< oldest first; the last one is written
  std::deque<LogSegment> retiring;  ///< given up by recycle(), usable once a durable turn says so
  std::vector<LogSegment> free;
  std::vector<LogSegment> torn;  ///< may hold the only copy of `recovered`, free after the next turn
  std::uint64_t generation_max = 0;
  std::uint64_t oldest_generation = 0;
  std::uint64_t last_turn = 0;
  std::uint64_t last_safety_turn = 0;
  LogSeq last_seq = 0;
  Hash last_hash;
  std::uint64_t data_end = 0;
  std::uint64_t mirror_begin = 0;
  std::uint64_t segment_first_turn = 0;
  std::uint64_t previous_generation = 0;
  bool must_roll = false;
  bool amnesia = false;
  bool unnamed = false;            ///< being made by start_over: the manifest names its files when all of it stands
  std::uint32_t first_number = 1;  ///< of its files
  std::optional<Error> failed;
  std::vector<OwnedLogRecord> recovered;
  SnapshotSource snapshot_source;
  Stats stats;
  Bytes data, mirror;  ///< the turn being written, kept for their memory

  State(FileAccess& access, std::string wal_directory) : files(access), directory(std::move(wal_directory)) {}

  std::uint64_t gap() const { return std::max<std::uint64_t>(log_format::kBlockBytes, manifest.segment_bytes / 16); }
  std::size_t turn_bytes_max() const { return manifest.segment_bytes / 4; }
  bool fits(std::span<const LogRecord> records) const;
  bool fits_empty_segment(std::span<const LogRecord> records) const;
  Status roll();
  Result<LogSegment> take_segment();
  /// Writes the turn; `hash` and counters move only when it is durable.
  Status write_turn(std::span<const LogRecord> records);
  FrameHeader header_of_turn(std::span<const LogRecord> records) const;
  void after_durable(const FrameHeader& header, const Hash& last);
  Status write_anew(std::span<const OwnedLogRecord> safety_state, std::span<const LogRecord> carried);
  Status fail(Error error) {
    failed = error;
    return error;
  }
};

namespace {

struct FrameSizes {
  std::uint64_t data = kFrameHeaderBytes;
  std::uint64_t mirror = 0;
};
FrameSizes sizes_of(std::span<const LogRecord> records) {
  FrameSizes sizes;
  for (const auto& record : records) {
    const auto bytes = kRecordHeaderBytes + record.payload.size();
    sizes.data += bytes;
    if (record.safety) sizes.mirror += bytes;
  }
  if (sizes.mirror > 0) sizes.mirror += kFrameHeaderBytes;
  return sizes;
}

std::vector<LogRecord> views_of(std::span<const OwnedLogRecord> records) {
  std::vector<LogRecord> out;
  out.reserve(records.size());
  for (const auto& record : records) out.push_back(record.view());
  return out;
}

}  // namespace

bool Log::State::fits(std::span<const LogRecord> records) const {
  const auto sizes = sizes_of(records);
  return data_end + round_up(sizes.data) + gap() + round_up(sizes.mirror) <= mirror_begin;
}

bool Log::State::fits_empty_segment(std::span<const LogRecord> records) const {
  const auto sizes = sizes_of(records);
  return round_up(sizes.data) + gap() + round_up(sizes.mirror) <= manifest.segment_bytes;
}

Result<LogSegment> Log::State::take_segment() {
  if (!free.empty()) {
    auto segment = std::move(free.back());
    free.pop_back();
    return segment;
  }
  LogSegment segment;
  segment.number = manifest.files.empty() ? first_number : manifest.files.back() + 1;
  const auto path = segment_path(directory, segment.number);
  GALEN_TRY(files.create_zero_filled(path, manifest.segment_bytes));
  auto grown = manifest;
  grown.files.push_back(segment.number);
  if (!unnamed) GALEN_TRY(files.replace(directory + "/manifest", log_format::encode(grown)));
  manifest = std::move(grown);
  GALEN_ASSIGN(segment.file, files.open(path));
  return segment;
}

Status Log::State::roll() {
  GALEN_ASSIGN(auto segment, take_segment());
  previous_generation = live.empty() ? 0 : live.back().generation;
  segment.generation = ++generation_max;
  segment.turns.clear();
  segment.mirrors.clear();
  segment.first_seq = last_seq + 1;
  segment.last_seq = last_seq;
  live.push_back(std::move(segment));
  segment_first_turn = last_turn + 1;
  data_end = 0;
  mirror_begin = manifest.segment_bytes;
  must_roll = false;
  return {};
}

FrameHeader Log::State::header_of_turn(std::span<const LogRecord> records) const {
  FrameHeader header;
  header.log_id = manifest.log_id;
  header.generation = live.back().generation;
  header.previous_generation = previous_generation;
  header.oldest_generation = oldest_generation;
  header.turn = last_turn + 1;
  header.segment_first_turn = segment_first_turn;
  header.previous_safety_turn = last_safety_turn;
  header.first_seq = last_seq + 1;
  header.record_count = static_cast<std::uint32_t>(records.size());
  for (const auto& record : records) header.safety_count += record.safety ? 1 : 0;
  return header;
}

Status Log::State::write_turn(std::span<const LogRecord> records) {
  auto header = header_of_turn(records);
  data.clear();
  mirror.clear();
  data.resize(kFrameHeaderBytes);
  if (header.safety_count > 0) mirror.resize(kFrameHeaderBytes);
  Hash previous = last_hash;
  LogSeq seq = header.first_seq;
  for (const auto& record : records) {
    const auto start = data.size();
    previous = log_format::append_record(
        data, {seq++, record.type, record.safety, static_cast<std::uint32_t>(record.payload.size()), previous, 0},
        record.payload);
    if (record.safety) mirror.insert(mirror.end(), data.begin() + static_cast<std::ptrdiff_t>(start), data.end());
  }
  header.frame_bytes = static_cast<std::uint32_t>(data.size());
  log_format::encode(header, data.data());
  data.resize(round_up(data.size()));

  auto& file = *live.back().file;
  if (auto written = file.write_at(data_end, data); !written) return fail(written.error());
  if (header.safety_count > 0) {
    auto copy = header;
    copy.kind = FrameKind::mirror;
    copy.frame_bytes = static_cast<std::uint32_t>(mirror.size());
    log_format::encode(copy, mirror.data());
    mirror.resize(round_up(mirror.size()));
    if (auto written = file.write_at(mirror_begin - mirror.size(), mirror); !written) return fail(written.error());
  }
  if (auto synced = file.sync_data(); !synced) return fail(synced.error());
  after_durable(header, previous);
  return {};
}

void Log::State::after_durable(const FrameHeader& header, const Hash& last) {
  last_turn = header.turn;
  if (header.safety_count > 0) last_safety_turn = header.turn;
  last_seq = header.first_seq + header.record_count - 1;
  live.back().last_seq = last_seq;
  last_hash = last;
  data_end += data.size();
  mirror_begin -= mirror.size();
  ++stats.turns;
  ++stats.syncs;
  stats.bytes_written += data.size() + mirror.size();
  free.insert(free.end(), std::make_move_iterator(torn.begin()), std::make_move_iterator(torn.end()));
  torn.clear();
  while (!retiring.empty() && retiring.front().generation < header.oldest_generation) {
    free.push_back(std::move(retiring.front()));
    retiring.pop_front();
  }
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}
Log::~Log() = default;

Status Log::create(const std::string& data_dir, const LogOptions& options, FileAccess& files) {
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes % log_format::kBlockBytes != 0)
    return {ErrorCode::CONFIG_INVALID, "a log segment is a multiple of 4 KiB, at least 64 KiB"};
  State state(files, data_dir + "/wal");
  auto names = files.list(state.directory);
  if (!names) return names.error();
  for (const auto& name : *names)
    if (name == "manifest" || (log_format::segment_number(name) && !name.ends_with(".tmp")))
      return {ErrorCode::ALREADY_EXISTS, "there is a log in " + state.directory + " already; it is left as it is"};
  state.manifest.log_id = crypto::random_fixed<RequestId>();
  state.manifest.segment_bytes = options.segment_bytes;
  for (std::uint32_t number = 1; number <= std::max(options.segments_initial, 1U); ++number) {
    const auto path = segment_path(state.directory, number);
    GALEN_TRY(files.create_zero_filled(path, options.segment_bytes));
    LogSegment segment;
    segment.number = number;
    GALEN_ASSIGN(segment.file, files.open(path));
    state.manifest.files.push_back(number);
    state.free.insert(state.free.begin(), std::move(segment));
  }
  GALEN_TRY(state.roll());
  const LogRecord marker{kLogFresh, true, {}};
  GALEN_TRY(state.write_turn({&marker, 1}));
  // The manifest comes last: a creation that was interrupted never passes for a log.
  return files.replace(state.directory + "/manifest", log_format::encode(state.manifest));
}

Result<Log::Opened> Log::open(const std::string& data_dir, const std::function<void(const ReplayedRecord&)>& on_record,
                              FileAccess& files) {
  auto state = std::make_unique<State>(files, data_dir + "/wal");
  GALEN_ASSIGN(auto found, recover_log(files, state->directory, on_record));
  state->manifest = std::move(found.manifest);
  if (!found.live.empty()) {
    const auto& header = found.live.back().any_header();
    state->segment_first_turn = header.segment_first_turn;
    state->previous_generation = header.previous_generation;
  }
  state->live.assign(std::make_move_iterator(found.live.begin()), std::make_move_iterator(found.live.end()));
  state->free = std::move(found.free);
  state->torn = std::move(found.torn);
  for (auto& segment : state->live) {  // their frame lists have served
    segment.turns.clear();
    segment.mirrors.clear();
  }
  state->generation_max = found.generation_max;
  state->oldest_generation = found.oldest_generation;
  state->last_turn = found.last_turn;
  state->last_safety_turn = found.last_safety_turn;
  state->last_seq = found.last_seq;
  state->last_hash = found.last_hash;
  state->data_end = found.data_end;
  state->mirror_begin = found.mirror_begin;
  state->must_roll = found.must_roll;
  state->recovered = std::move(found.recovered);
  state->amnesia = found.verdict.kind == LogVerdict::Kind::amnesia;
  Opened opened{std::unique_ptr<Log>(new Log(std::move(state))), std::move(found.verdict)};
  return opened;
}

void Log::set_snapshot_source(SnapshotSource source) { state_->snapshot_source = std::move(source); }

Result<Log::Appended> Log::append_turn(std::span<const LogRecord> records) {
  auto& state = *state_;
  if (state.failed) return *state.failed;
  if (state.amnesia)
    return {ErrorCode::AMNESIA, "the log lost safety records: nothing is appended before it is started over"};
  if (records.empty()) return {ErrorCode::INVALID_ARGUMENT, "a turn without records"};
  for (const auto& record : records)
    if (record.type < kLogFirstUserType) return {ErrorCode::INVALID_ARGUMENT, "a record type the log keeps for itself"};
  if (sizes_of(records).data > state.turn_bytes_max())
    return {ErrorCode::TOO_LARGE, "a turn larger than a quarter of a log segment"};
  Appended out;
  if (!state.must_roll && state.fits(records)) {
    GALEN_TRY(state.write_turn(records));
  } else {
    out.new_segment = true;
    auto first = state.snapshot_source ? state.snapshot_source() : std::vector<OwnedLogRecord>{};
    first.insert(first.end(), state.recovered.begin(), state.recovered.end());
    auto all = views_of(first);
    all.insert(all.end(), records.begin(), records.end());
    if (!state.fits_empty_segment(all))
      return {ErrorCode::TOO_LARGE, "safety snapshot and turn together are larger than a log segment"};
    if (auto rolled = state.roll(); !rolled) {
      state.failed = rolled.error();
      return rolled.error();
    }
    GALEN_TRY(state.write_turn(all));
    state.recovered.clear();
  }
  out.last = state.last_seq;
  out.first = state.last_seq + 1 - records.size();
  return out;
}

Result<Log::Appended> Log::append_turn(std::span<const OwnedLogRecord> records) {
  const auto views = views_of(records);
  return append_turn(std::span<const LogRecord>(views));
}

void Log::recycle(LogSeq before) {
  auto& state = *state_;
  while (state.live.size() > 1 && state.live.front().last_seq < before) {
    state.oldest_generation = state.live[1].generation;
    state.retiring.push_back(std::move(state.live.front()));
    state.live.pop_front();
  }
}

// The marker stands alone with the safety state, which every further segment begins with too: the first one may be
// given up before the others.
Status Log::State::write_anew(std::span<const OwnedLogRecord> safety_state, std::span<const LogRecord> carried) {
  const auto state_views = views_of(safety_state);
  std::vector<LogRecord> turn{{kLogAmnesia, true, {}}};
  turn.insert(turn.end(), state_views.begin(), state_views.end());
  GALEN_TRY(roll());
  auto write = [&]() -> Status {
    if (!fits(turn) && data_end > 0) {
      GALEN_TRY(roll());
      turn.insert(turn.begin(), state_views.begin(), state_views.end());
    }
    if (!fits(turn)) return {ErrorCode::TOO_LARGE, "more to carry over in one record than a log segment holds"};
    GALEN_TRY(write_turn(turn));
    turn.clear();
    return {};
  };
  GALEN_TRY(write());
  const auto bytes_max = turn_bytes_max() / 4;  // so that several turns fill a segment, second copies and all
  std::size_t bytes = 0;
  for (const auto& record : carried) {
    const auto more = kRecordHeaderBytes + record.payload.size();
    if (!turn.empty() && bytes + more > bytes_max) {
      GALEN_TRY(write());
      bytes = 0;
    }
    turn.push_back(record);
    bytes += more;
  }
  return turn.empty() ? Status() : write();
}

// The new log gets an id of its own, so nothing of the old one can be taken for a part of it; the manifest is the
// switch, when all of it stands.
Status Log::start_over(std::span<const OwnedLogRecord> safety_state, std::span<const LogRecord> carried) {
  auto& state = *state_;
  if (state.failed) return *state.failed;
  auto fresh = std::make_unique<State>(state.files, state.directory);
  fresh->manifest.log_id = crypto::random_fixed<RequestId>();
  // Without a manifest the size is that of the first file, which may be cut off.
  const auto bytes = state.manifest.segment_bytes;
  const bool is_sane = bytes >= kSegmentBytesMin && bytes % log_format::kBlockBytes == 0;
  fresh->manifest.segment_bytes = is_sane ? bytes : LogOptions().segment_bytes;
  fresh->last_seq = state.last_seq;
  fresh->last_turn = state.last_turn;
  fresh->first_number = state.manifest.files.empty() ? 1 : state.manifest.files.back() + 1;
  fresh->unnamed = true;
  if (auto written = fresh->write_anew(safety_state, carried); !written) return state.fail(written.error());
  if (auto switched = state.files.replace(state.directory + "/manifest", log_format::encode(fresh->manifest));
      !switched)
    return state.fail(switched.error());
  fresh->unnamed = false;
  fresh->snapshot_source = std::move(state.snapshot_source);
  const auto old_files = state.manifest.files;
  state_ = std::move(fresh);
  for (auto old : old_files)
    state_->files.remove(segment_path(state_->directory, old)).ignore("a file outside the manifest is never read");
  return {};
}

Log::Stats Log::stats() const {
  auto stats = state_->stats;
  stats.next_seq = state_->last_seq + 1;
  if (!state_->live.empty()) {
    stats.segment_first_seq = state_->live.back().first_seq;
    stats.oldest_seq = state_->live.front().first_seq;
  }
  stats.live_bytes = state_->live.size() * state_->manifest.segment_bytes;
  stats.segments_free = static_cast<std::uint32_t>(state_->free.size() + state_->torn.size() + state_->retiring.size());
  stats.segments = static_cast<std::uint32_t>(state_->live.size()) + stats.segments_free;
  return stats;
}

std::size_t Log::turn_bytes_max() const { return state_->turn_bytes_max(); }
const RequestId& Log::log_id() const { return state_->manifest.log_id; }

}  // namespace galen::node
