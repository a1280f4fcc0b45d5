// The log against a disk that tears, flips, loses and refuses, and against kill -9 on the real one.
#include "galen/node/log.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "galen/node/data_dir.hpp"
#include "memory_disk.hpp"
#include "node/log_format.hpp"

namespace galen::node {
namespace {

constexpr LogRecordType kBody = 16, kVote = 17;
constexpr LogOptions kSmall{64 * 1024, 2};
const std::string kDir = "d", kFirst = "d/wal/segment-000001", kSecond = "d/wal/segment-000002";

struct Seen {
  LogSeq seq;
  LogRecordType type;
  bool safety, recovered;
  std::string text;
};
struct Reading {
  std::unique_ptr<Log> log;
  LogVerdict verdict;
  std::vector<Seen> seen;
  std::optional<Error> error;

  std::vector<std::string> texts(bool safety_only = false) const {
    std::vector<std::string> out;
    for (const auto& record : seen)
      if (record.type >= kLogFirstUserType && (record.safety || !safety_only)) out.push_back(record.text);
    return out;
  }
  bool has(const std::string& text) const {
    for (const auto& record : seen)
      if (record.text == text) return true;
    return false;
  }
};

Reading read(FileAccess& files, const std::string& dir = kDir) {
  Reading out;
  auto opened = Log::open(
      dir,
      [&](const ReplayedRecord& r) {
        out.seen.push_back({r.seq, r.type, r.safety, r.recovered, to_string(r.payload)});
      },
      files);
  if (!opened) {
    out.error = opened.error();
    return out;
  }
  out.log = std::move(opened->log);
  out.verdict = opened->verdict;
  return out;
}

OwnedLogRecord body(std::string text) { return {kBody, false, to_bytes(text)}; }
OwnedLogRecord vote(std::string text) { return {kVote, true, to_bytes(text)}; }
std::string filled(const std::string& name, std::size_t size) {
  std::string out = name + ":";
  while (out.size() < size) out += static_cast<char>('a' + out.size() % 26);
  return out;
}

void append(Log& log, std::vector<OwnedLogRecord> records) {
  auto done = log.append_turn(records);
  ASSERT_TRUE(done) << done.error().message;
}

/// Four turns: a body, a body with a vote, a vote alone, and a last one with both over two blocks.
struct Sample {
  MemoryDisk disk;
  Bytes before, after;  ///< the first segment without and with the last turn
  std::vector<std::string> early{filled("b1", 300), filled("b2", 5000), filled("v2", 200), filled("v3", 150)};
  std::vector<std::string> last{filled("b4", 4200), filled("v4", 170), filled("b4x", 40)};

  Sample() {
    EXPECT_TRUE(Log::create(kDir, kSmall, disk));
    auto log = read(disk).log;
    append(*log, {body(early[0])});
    append(*log, {body(early[1]), vote(early[2])});
    append(*log, {vote(early[3])});
    before = disk.contents[kFirst]->medium;
    append(*log, {body(last[0]), vote(last[1]), body(last[2])});
    after = disk.contents[kFirst]->medium;
  }
  void set_first(const Bytes& bytes) { disk.contents[kFirst]->medium = disk.contents[kFirst]->cache = bytes; }
  void reset_second() { disk.contents[kSecond]->medium = disk.contents[kSecond]->cache = Bytes(kSmall.segment_bytes); }
};

TEST(LogTest, OnlyCreateMakesALog) {
  MemoryDisk disk;
  auto missing = read(disk);
  ASSERT_TRUE(missing.error);
  EXPECT_EQ(missing.error->code, ErrorCode::DATA_DIR_MISSING);
  ASSERT_TRUE(Log::create(kDir, kSmall, disk));
  auto again = Log::create(kDir, kSmall, disk);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::ALREADY_EXISTS);
  for (int i = 0; i < 3; ++i) {
    auto reading = read(disk);
    EXPECT_TRUE(reading.verdict.fresh);
    EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::clean);
    ASSERT_EQ(reading.seen.size(), 1U);
    EXPECT_EQ(reading.seen[0].type, kLogFresh);
  }
  auto log = read(disk).log;
  append(*log, {body("x")});
  EXPECT_FALSE(read(disk).verdict.fresh);
}

TEST(LogTest, ReplaysWhatWasAppendedInOrder) {
  Sample sample;
  auto reading = read(sample.disk);
  auto expected = sample.early;
  expected.insert(expected.end(), sample.last.begin(), sample.last.end());
  EXPECT_EQ(reading.texts(), expected);
  EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::clean);
  EXPECT_EQ(reading.verdict.mirrors_bad, 0U);
  for (std::size_t i = 0; i < reading.seen.size(); ++i) EXPECT_EQ(reading.seen[i].seq, i + 1);
}

TEST(LogTest, OneSyncATurn) {
  MemoryDisk disk;
  ASSERT_TRUE(Log::create(kDir, kSmall, disk));
  auto log = read(disk).log;
  const auto syncs = disk.syncs, writes = disk.writes;
  append(*log, {body("one"), body("two")});
  EXPECT_EQ(disk.writes - writes, 1U);
  append(*log, {body("one"), vote("two")});
  EXPECT_EQ(disk.syncs - syncs, 2U);
  EXPECT_EQ(disk.writes - writes, 3U);
}

TEST(LogTest, RefusesWhatItCannotHold) {
  MemoryDisk disk;
  ASSERT_TRUE(Log::create(kDir, kSmall, disk));
  auto log = read(disk).log;
  const OwnedLogRecord large{kVote, true, Bytes(log->turn_bytes_max())};
  EXPECT_EQ(log->append_turn({&large, 1}).error().code, ErrorCode::TOO_LARGE);
  const OwnedLogRecord reserved{kLogFresh, true, {}};
  EXPECT_EQ(log->append_turn({&reserved, 1}).error().code, ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(log->append_turn(std::span<const LogRecord>{}).error().code, ErrorCode::INVALID_ARGUMENT);
  const OwnedLogRecord largest{kVote, true, Bytes(log->turn_bytes_max() - 200)};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(log->append_turn({&largest, 1}));
}

// The bytes of the last turn arrive in writing order up to any point.
TEST(LogTest, LastTurnTornAtEveryByte) {
  Sample sample;
  std::vector<std::size_t> changed;
  for (std::size_t i = 0; i < sample.after.size(); ++i)
    if (sample.after[i] != sample.before[i]) changed.push_back(i);
  ASSERT_GT(changed.size(), 4000U);
  auto torn = sample.before;
  for (auto at : changed) {
    const bool complete_first = at > sample.after.size() / 2;  // the first copy is written whole before the mirror
    sample.set_first(torn);
    sample.reset_second();
    auto reading = read(sample.disk);
    ASSERT_EQ(reading.verdict.kind, LogVerdict::Kind::clean) << at << " " << reading.verdict.reason;
    auto texts = reading.texts();
    for (std::size_t i = 0; i < sample.early.size(); ++i) ASSERT_EQ(texts[i], sample.early[i]) << at;
    if (complete_first) {
      ASSERT_EQ(texts.size(), 7U) << at;
    } else {
      for (std::size_t i = 4; i < texts.size(); ++i) ASSERT_EQ(texts[i], sample.last[1]) << at;  // the vote or nothing
    }
    append(*reading.log, {vote("after")});
    auto again = read(sample.disk);
    ASSERT_EQ(again.verdict.kind, LogVerdict::Kind::clean) << at << " " << again.verdict.reason;
    texts.push_back("after");
    ASSERT_EQ(again.texts(), texts) << at;
    for (std::size_t i = 0; i < again.seen.size(); ++i) ASSERT_EQ(again.seen[i].seq, i + 1) << at;
    torn[at] = sample.after[at];
  }
}

// One flipped bit anywhere in what is written: nothing false is delivered, and no safety record is lost.
TEST(LogTest, FlippedByteAnywhere) {
  Sample sample;
  auto expected = sample.early;
  expected.insert(expected.end(), sample.last.begin(), sample.last.end());
  std::size_t repaired = 0, damaged = 0, torn = 0;
  for (std::size_t at = 0; at < sample.after.size(); ++at) {
    if (sample.after[at] == 0 && at % 64 != 0) continue;
    auto bytes = sample.after;
    bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    sample.set_first(bytes);
    auto reading = read(sample.disk);
    ASSERT_NE(reading.verdict.kind, LogVerdict::Kind::amnesia) << at << " " << reading.verdict.reason;
    for (const auto& text : reading.texts())
      ASSERT_NE(std::find(expected.begin(), expected.end(), text), expected.end()) << at;
    for (const auto& text : {sample.early[2], sample.early[3], sample.last[1]}) ASSERT_TRUE(reading.has(text)) << at;
    for (std::size_t i = 0; i < reading.seen.size(); ++i)
      ASSERT_TRUE(i == 0 || reading.seen[i].seq > reading.seen[i - 1].seq) << at;
    repaired += reading.verdict.records_repaired;
    damaged += reading.verdict.kind == LogVerdict::Kind::damaged ? 1 : 0;
    torn += reading.verdict.torn_tail ? 1 : 0;
    const bool whole = reading.verdict.kind == LogVerdict::Kind::clean && !reading.verdict.torn_tail;
    ASSERT_TRUE(!whole || reading.texts() == expected) << at;
  }
  EXPECT_GT(repaired, 100U);
  EXPECT_GT(damaged, 1000U);
  EXPECT_GT(torn, 1000U);
}

/// Offset of a text in the image, from the front or from the back.
std::size_t find(const Bytes& image, const std::string& text, bool last) {
  const auto view = as_text(image);
  return last ? view.rfind(text) : view.find(text);
}

TEST(LogTest, SafetyRecordBadInBothCopiesIsAmnesia) {
  for (const char* name : {"v2:", "v3:"}) {
    Sample sample;
    auto bytes = sample.after;
    const auto first = find(bytes, name, false), second = find(bytes, name, true);
    ASSERT_NE(first, second);
    ASSERT_GT(second - first, kSmall.segment_bytes / 16);
    bytes[first + 5] ^= 1;
    bytes[second + 5] ^= 1;
    sample.set_first(bytes);
    auto reading = read(sample.disk);
    EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::amnesia) << name;
    EXPECT_TRUE(reading.has(sample.last[0])) << "what can be read is delivered";
    const auto refused = reading.log->append_turn(std::vector<OwnedLogRecord>{vote("x")});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::AMNESIA);
    EXPECT_EQ(read(sample.disk).verdict.kind, LogVerdict::Kind::amnesia) << "it does not heal by itself";
  }
}

TEST(LogTest, BothHeadersOfASafetyTurnBadIsAmnesia) {
  Sample sample;
  auto bytes = sample.after;
  std::size_t hit = 0;
  for (std::size_t at = 0; at < bytes.size(); at += log_format::kBlockBytes) {
    auto header = log_format::decode_frame_header(ByteSpan(bytes).subspan(at));
    if (header && header->turn == 3) {
      bytes[at + 20] ^= 1;
      ++hit;
    }
  }
  ASSERT_EQ(hit, 2U);
  sample.set_first(bytes);
  EXPECT_EQ(read(sample.disk).verdict.kind, LogVerdict::Kind::amnesia);
}

/// Writes another record with right checksums over the one that holds `text`.
void forge(Bytes& image, std::size_t text_at, const std::string& text) {
  const auto start = text_at - log_format::kRecordHeaderBytes;
  auto parsed = log_format::parse_records(ByteSpan(image).subspan(start, log_format::kRecordHeaderBytes + text.size()));
  ASSERT_EQ(parsed.size(), 1U);
  Bytes record;
  auto other = text;
  other.back() ^= 1;
  log_format::append_record(record, parsed[0].header, as_bytes(other));
  std::copy(record.begin(), record.end(), image.begin() + static_cast<std::ptrdiff_t>(start));
}

TEST(LogTest, TwoValidCopiesThatDifferAreAmnesia) {
  Sample sample;
  auto bytes = sample.after;
  forge(bytes, find(bytes, "v3:", true), sample.early[3]);
  sample.set_first(bytes);
  auto reading = read(sample.disk);
  EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::amnesia);
  EXPECT_NE(reading.verdict.reason.find("differ"), std::string::npos) << reading.verdict.reason;
}

TEST(LogTest, BrokenHashChainIsAmnesia) {
  Sample sample;
  auto bytes = sample.after;
  forge(bytes, find(bytes, "b1:", false), sample.early[0]);
  sample.set_first(bytes);
  auto reading = read(sample.disk);
  EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::amnesia);
  EXPECT_NE(reading.verdict.reason.find("chain"), std::string::npos) << reading.verdict.reason;
}

TEST(LogTest, LostFilesAreAmnesiaUntilStartedOver) {
  for (const auto& [what, path] : std::vector<std::pair<int, std::string>>{
           {0, kFirst}, {0, kSecond}, {1, kFirst}, {0, "d/wal/manifest"}, {2, kFirst}, {2, "d/wal/manifest"}}) {
    Sample sample;
    auto log = read(sample.disk).log;
    for (int i = 0; i < 20; ++i) append(*log, {vote(filled("w", 3000))});  // into the second segment and the third
    ASSERT_GE(log->stats().segments, 3U);
    const auto next = log->stats().next_seq;
    const auto id = log->log_id();
    log.reset();
    auto& content = sample.disk.contents[path];
    if (what == 0) sample.disk.contents.erase(path);
    if (what == 1) content->medium.resize(4096), content->cache.resize(4096);
    if (what == 2) content->medium = content->cache = Bytes(content->medium.size(), 0x5a);
    auto reading = read(sample.disk);
    ASSERT_FALSE(reading.error);
    EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::amnesia) << what << path;
    EXPECT_FALSE(reading.verdict.reason.empty());

    const std::vector<OwnedLogRecord> carried{body("carried"), vote("floor")};
    ASSERT_TRUE(reading.log->start_over(carried));
    EXPECT_GE(reading.log->stats().next_seq, path == kFirst || path == "d/wal/manifest" ? next : 2);
    EXPECT_NE(reading.log->log_id(), id);
    append(*reading.log, {vote("on")});
    auto again = read(sample.disk);
    EXPECT_EQ(again.verdict.kind, LogVerdict::Kind::clean) << again.verdict.reason;
    ASSERT_EQ(again.seen.size(), 4U);
    EXPECT_EQ(again.seen[0].type, kLogAmnesia);
    EXPECT_EQ(again.texts(), (std::vector<std::string>{"carried", "floor", "on"}));
    EXPECT_FALSE(again.verdict.fresh);
  }
}

TEST(LogTest, AnOlderManifestIsAmnesiaAndHidesNoVote) {
  Sample sample;
  const auto older = to_bytes(sample.disk.contents["d/wal/manifest"]->cache);
  auto log = read(sample.disk).log;
  for (int i = 0; i < 40; ++i) append(*log, {vote(filled("w" + std::to_string(i), 3000))});  // into a third segment
  ASSERT_NE(sample.disk.contents["d/wal/manifest"]->cache, older);
  const auto next = log->stats().next_seq;
  log.reset();
  ASSERT_TRUE(sample.disk.replace("d/wal/manifest", older));
  auto reading = read(sample.disk);
  EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::amnesia);
  EXPECT_NE(reading.verdict.reason.find("older copy"), std::string::npos) << reading.verdict.reason;
  EXPECT_TRUE(reading.has(filled("w39", 3000)));
  EXPECT_EQ(reading.log->stats().next_seq, next);
  ASSERT_TRUE(reading.log->start_over({}));
  EXPECT_EQ(read(sample.disk).verdict.kind, LogVerdict::Kind::clean);
}

// A crash between a new file and the manifest that names it: the file is no part of the log.
TEST(LogTest, AFileThatNoManifestNamesYetIsNoDamage) {
  Sample sample;
  ASSERT_TRUE(sample.disk.create_zero_filled("d/wal/segment-000003", kSmall.segment_bytes));
  auto reading = read(sample.disk);
  EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::clean) << reading.verdict.reason;
  for (int i = 0; i < 40; ++i) append(*reading.log, {vote(filled("w", 3000))});
  EXPECT_EQ(read(sample.disk).verdict.kind, LogVerdict::Kind::clean);
}

// Its owner may find records unreadable that the log finds sound.
TEST(LogTest, ASoundLogMayBeStartedOver) {
  Sample sample;
  auto log = read(sample.disk).log;
  const auto next = log->stats().next_seq;
  ASSERT_TRUE(log->start_over({}));
  append(*log, {vote("on")});
  auto again = read(sample.disk);
  EXPECT_EQ(again.verdict.kind, LogVerdict::Kind::clean);
  ASSERT_EQ(again.seen.size(), 2U);
  EXPECT_EQ(again.seen[0].type, kLogAmnesia);
  EXPECT_EQ(again.seen[0].seq, next);
  EXPECT_EQ(again.texts(), std::vector<std::string>{"on"});
}

std::vector<OwnedLogRecord> much_to_carry() {
  std::vector<OwnedLogRecord> out;
  for (int i = 0; i < 60; ++i) {
    const auto text = filled("c" + std::to_string(i), i % 10 == 0 ? 14'000 : 2'000);
    out.push_back(i % 3 == 0 ? body(text) : vote(text));
  }
  return out;
}

std::vector<LogRecord> views_of(const std::vector<OwnedLogRecord>& records) {
  std::vector<LogRecord> out;
  for (const auto& record : records) out.push_back(record.view());
  return out;
}

// What the owner still needs may be more than a segment holds.
TEST(LogTest, MuchIsCarriedOverInSeveralSegments) {
  Sample sample;
  const auto carried = much_to_carry();
  std::vector<std::string> expected;
  for (const auto& record : carried) expected.push_back(to_string(record.payload));
  auto log = read(sample.disk).log;
  const auto oldest = log->stats().next_seq;
  ASSERT_TRUE(log->start_over(std::vector{vote("floor")}, views_of(carried)));
  EXPECT_GT(log->stats().segments, 3U);
  EXPECT_EQ(log->stats().oldest_seq, oldest);
  EXPECT_FALSE(sample.disk.contents.contains(kFirst));
  append(*log, {vote("on")});
  auto again = read(sample.disk);
  EXPECT_EQ(again.verdict.kind, LogVerdict::Kind::clean) << again.verdict.reason;
  EXPECT_EQ(again.seen.front().type, kLogAmnesia);
  EXPECT_EQ(again.seen.front().seq, oldest);
  auto texts = again.texts();
  EXPECT_GT(std::erase(texts, "floor"), 3) << "each segment begins with it";
  expected.push_back("on");
  EXPECT_EQ(texts, expected);

  log->recycle(log->stats().segment_first_seq);
  for (int i = 0; i < 60; ++i) append(*log, {vote(filled("w" + std::to_string(i), 2000))});
  again = read(sample.disk);
  EXPECT_EQ(again.verdict.kind, LogVerdict::Kind::clean) << again.verdict.reason;
  EXPECT_FALSE(again.has(expected.front()));
  EXPECT_TRUE(again.has("floor")) << "the first of the segments is not needed for it";
}

// Wherever the power goes, there is the old log whole or the new one, and then it is begun anew once more.
TEST(LogTest, PowerLossesWhileALogIsBegunAnew) {
  const auto carried = much_to_carry();
  int interrupted = 0;
  for (std::uint64_t cut = 0;; ++cut) {
    Sample sample;
    Rng rng(cut + 1);
    auto reading = read(sample.disk);
    const auto old_texts = reading.texts();
    const auto old_id = reading.log->log_id();
    (cut % 2 == 0 ? sample.disk.power_off_at_sync : sample.disk.fail_write_at) =
        (cut % 2 == 0 ? sample.disk.syncs : sample.disk.writes) + cut / 2;
    const bool done = reading.log->start_over(std::vector{vote("floor")}, views_of(carried)).has_value();
    reading.log.reset();
    sample.disk.power_off_at_sync = sample.disk.fail_write_at = UINT64_MAX;
    sample.disk.crash(rng);
    auto after = read(sample.disk);
    ASSERT_FALSE(after.error);
    EXPECT_EQ(after.verdict.kind, LogVerdict::Kind::clean) << cut << after.verdict.reason;
    if (done) {
      EXPECT_NE(after.log->log_id(), old_id);
      EXPECT_TRUE(after.has(to_string(carried.back().payload)));
      break;
    }
    ++interrupted;
    EXPECT_EQ(after.log->log_id(), old_id);
    EXPECT_EQ(after.texts(), old_texts);
    ASSERT_TRUE(after.log->start_over(std::vector{vote("floor")}, views_of({carried.begin(), carried.begin() + 5})));
    auto again = read(sample.disk);
    EXPECT_EQ(again.verdict.kind, LogVerdict::Kind::clean) << again.verdict.reason;
    EXPECT_TRUE(again.has(to_string(carried[4].payload)));
    EXPECT_FALSE(again.has(to_string(carried[5].payload)));
  }
  EXPECT_GT(interrupted, 20);
}

// Without manifest and files nothing says how long a segment is.
TEST(LogTest, ALogWithoutASegmentIsStartedOver) {
  Sample sample;
  auto& manifest = sample.disk.contents["d/wal/manifest"];
  sample.disk.contents = {{"d/wal/manifest", manifest}};
  sample.disk.contents["d/wal/manifest"]->cache[20] ^= 1;
  auto reading = read(sample.disk);
  ASSERT_EQ(reading.verdict.kind, LogVerdict::Kind::amnesia);
  ASSERT_TRUE(reading.log->start_over({}));
  EXPECT_EQ(read(sample.disk).verdict.kind, LogVerdict::Kind::clean);
}

// Its owner counts on the seq it was told: what it is told must not lie above where the record stands afterwards.
TEST(LogTest, ARecoveredRecordStandsWhereItWasSaidToOrLater) {
  MemoryDisk disk;
  ASSERT_TRUE(Log::create(kDir, kSmall, disk));
  auto log = read(disk).log;
  append(*log, {vote("kept")});
  disk.power_off_at_sync = disk.syncs;
  ASSERT_FALSE(log->append_turn(std::vector{body(filled("b1", 4500)), body("b2"), vote("outbox")}));
  log.reset();
  disk.power_off_at_sync = UINT64_MAX;
  auto& content = *disk.contents[kFirst];
  content.cache[2 * 4096 + 300] ^= 1;  // of the body
  content.medium = content.cache;
  content.dirty.clear();
  auto seq_of = [](const Reading& reading) {
    for (const auto& record : reading.seen)
      if (record.text == "outbox") return record.seq;
    return LogSeq{0};
  };
  auto reading = read(disk);
  EXPECT_TRUE(reading.verdict.torn_tail);
  const auto told = seq_of(reading);
  ASSERT_GT(told, 0U);
  append(*reading.log, {vote("on")});
  EXPECT_GE(seq_of(read(disk)), told);
}

TEST(LogTest, SegmentsAreRecycledBehindTheSafetySnapshot) {
  MemoryDisk disk;
  ASSERT_TRUE(Log::create(kDir, kSmall, disk));
  auto log = read(disk).log;
  int turn = 0;
  log->set_snapshot_source([&] { return std::vector<OwnedLogRecord>{vote("snapshot " + std::to_string(turn))}; });
  int rolled = 0;
  for (; turn < 400; ++turn) {
    const std::vector<OwnedLogRecord> records{body(filled("b", 2500)), vote("vote " + std::to_string(turn))};
    auto done = log->append_turn(records);
    ASSERT_TRUE(done);
    if (!done->new_segment) continue;
    ++rolled;
    log->recycle(log->stats().segment_first_seq);
  }
  EXPECT_GT(rolled, 50);
  EXPECT_LE(log->stats().segments, 3U);
  auto reading = read(disk);
  EXPECT_EQ(reading.verdict.kind, LogVerdict::Kind::clean) << reading.verdict.reason;
  EXPECT_TRUE(reading.has("vote 399"));
  EXPECT_FALSE(reading.has("vote 300"));
  EXPECT_EQ(reading.seen.front().text.substr(0, 8), "snapshot");
}

TEST(LogTest, AfterAFailureNothingIsWrittenAnyMore) {
  for (const bool write : {true, false}) {
    MemoryDisk disk;
    ASSERT_TRUE(Log::create(kDir, kSmall, disk));
    auto log = read(disk).log;
    append(*log, {vote("kept")});
    (write ? disk.fail_write_at : disk.fail_sync_at) = write ? disk.writes + 1 : disk.syncs;  // the mirror, or the sync
    const std::vector<OwnedLogRecord> records{vote("lost")};
    EXPECT_EQ(log->append_turn(records).error().code, ErrorCode::IO_ERROR);
    disk.fail_write_at = disk.fail_sync_at = UINT64_MAX;
    const auto writes = disk.writes, syncs = disk.syncs;
    EXPECT_EQ(log->append_turn(records).error().code, ErrorCode::IO_ERROR);
    EXPECT_EQ(disk.writes, writes);
    EXPECT_EQ(disk.syncs, syncs);
    log.reset();
    auto reading = read(disk);
    EXPECT_TRUE(reading.has("kept"));
    // A page whose sync failed reads well from memory; only the medium counts.
    EXPECT_EQ(reading.has("lost"), write);
  }
}

// Power losses in the middle of turns, again and again: what was acknowledged is there, in order, and never AMNESIA.
TEST(LogTest, PowerLossesNeverCostAnAcknowledgedRecord) {
  constexpr int kSeeds = 400;
  std::uint64_t torn = 0, recovered = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Rng rng(seed);
    MemoryDisk disk;
    ASSERT_TRUE(Log::create(kDir, kSmall, disk));
    std::vector<std::string> acknowledged;  // safety records, and bodies since the last recycling
    std::uint64_t count = 0;
    for (int life = 0; life < 12; ++life) {
      auto reading = read(disk);
      ASSERT_EQ(reading.verdict.kind, LogVerdict::Kind::clean) << "seed " << seed << " " << reading.verdict.reason;
      torn += reading.verdict.torn_tail ? 1 : 0;
      auto texts = reading.texts();
      auto at = texts.begin();
      for (const auto& text : acknowledged) {
        at = std::find(at, texts.end(), text);
        ASSERT_NE(at, texts.end()) << "seed " << seed << " life " << life << " lost " << text.substr(0, 12);
        ++at;
      }
      for (const auto& record : reading.seen) recovered += record.recovered ? 1 : 0;
      acknowledged = texts;  // what survived unacknowledged must survive from now on
      auto& log = *reading.log;
      log.set_snapshot_source([&] {
        std::vector<OwnedLogRecord> out{vote("s" + std::to_string(count))};
        return out;
      });
      const auto turns = rng.below(12);
      for (std::uint64_t turn = 0; turn <= turns; ++turn) {
        std::vector<OwnedLogRecord> records;
        for (std::uint64_t i = 0; i <= rng.below(4); ++i) {
          const auto text = filled((rng.chance(1, 2) ? "v" : "b") + std::to_string(++count), rng.below(3500));
          records.push_back(text[0] == 'v' ? vote(text) : body(text));
        }
        if (turn == turns) {  // power goes while the turn is on its way: before the mirror is written, or after
          disk.fail_write_at = disk.writes + 1 + rng.below(2);
          disk.power_off_at_sync = disk.syncs;
          ASSERT_FALSE(log.append_turn(records));
          break;
        }
        auto done = log.append_turn(records);
        ASSERT_TRUE(done);
        for (const auto& record : records) acknowledged.push_back(to_string(record.payload));
        if (done->new_segment && rng.chance(1, 2)) {
          acknowledged.clear();
          for (const auto& record : records) acknowledged.push_back(to_string(record.payload));
          log.recycle(log.stats().segment_first_seq);
        }
      }
      reading.log.reset();
      disk.fail_write_at = disk.power_off_at_sync = UINT64_MAX;
      disk.crash(rng);
    }
  }
  EXPECT_GT(torn, 100U);
  EXPECT_GT(recovered, 50U);
}

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-log-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The child appends numbered turns and reports each number once it is durable.
[[noreturn]] void append_until_killed(const std::string& dir, int report, std::uint64_t from) {
  auto reading = read(posix_file_access(), dir);
  if (!reading.log) ::_exit(2);
  for (std::uint64_t number = from;; ++number) {
    const std::vector<OwnedLogRecord> records{body(filled("b" + std::to_string(number), 9000)),
                                              vote("v" + std::to_string(number))};
    auto done = reading.log->append_turn(records);
    if (!done) ::_exit(3);
    if (done->new_segment) reading.log->recycle(reading.log->stats().segment_first_seq);
    if (::write(report, &number, sizeof(number)) != sizeof(number)) ::_exit(4);
  }
}

TEST(LogTest, KilledWhileAppending) {
  TempDir temp;
  const auto dir = temp.path() + "/node";
  ASSERT_TRUE(DataDir::create(dir));
  ASSERT_TRUE(Log::create(dir, {256 * 1024, 2}));
  Rng rng(static_cast<std::uint64_t>(::getpid()));
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 25; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) append_until_killed(dir, ends[1], acknowledged + 1);
    ::close(ends[1]);
    std::uint64_t number = 0;
    const auto wanted = acknowledged + 1 + rng.below(8);
    while (number < wanted && ::read(ends[0], &number, sizeof(number)) == sizeof(number)) acknowledged = number;
    ::kill(child, SIGKILL);
    while (::read(ends[0], &number, sizeof(number)) == sizeof(number)) acknowledged = number;
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
    auto reading = read(posix_file_access(), dir);
    ASSERT_FALSE(reading.error);
    ASSERT_EQ(reading.verdict.kind, LogVerdict::Kind::clean) << reading.verdict.reason;
    ASSERT_TRUE(reading.has("v" + std::to_string(acknowledged))) << "round " << round;
    ASSERT_TRUE(reading.has(filled("b" + std::to_string(acknowledged), 9000)));
    while (reading.has("v" + std::to_string(acknowledged + 1))) ++acknowledged;
  }
  EXPECT_GE(acknowledged, 25U);
}

TEST(DataDirTest, OneOwnerAndClearRefusals) {
  TempDir temp;
  const auto dir = temp.path() + "/a/node";
  EXPECT_EQ(DataDir::open(dir).error().code, ErrorCode::DATA_DIR_MISSING);
  ASSERT_TRUE(DataDir::create(dir));
  EXPECT_TRUE(DataDir::create(dir)) << "an init that failed may be run again";
  ASSERT_TRUE(Log::create(dir, {256 * 1024, 2}));
  EXPECT_EQ(DataDir::create(dir).error().code, ErrorCode::ALREADY_EXISTS);
  {
    auto first = DataDir::open(dir);
    ASSERT_TRUE(first);
    auto second = DataDir::open(dir);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::DATA_DIR_LOCKED);
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
    DataDir moved = std::move(*first);
    EXPECT_FALSE(DataDir::open(dir));
  }
  EXPECT_TRUE(DataDir::open(dir));
}

}  // namespace
}  // namespace galen::node
