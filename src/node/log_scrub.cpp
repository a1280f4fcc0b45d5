#include "node/log_scrub.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "node/log_format.hpp"

namespace galen::node {
namespace {

using log_format::FrameHeader;
using log_format::FrameKind;

/// The frames of a segment's present use, and what is wrong with them.
struct Segment {
  std::uint64_t generation = 0, oldest_generation = 0;
  std::set<std::uint64_t> turns, mirrors, bad;
  std::map<std::uint64_t, FrameHeader> headers;

  /// Turns from `void_from` on are said again in the next segment: a crash cut them off here.
  std::string damage(std::uint64_t void_from) const {
    if (headers.empty()) return {};
    const auto end = std::min(void_from, headers.rbegin()->first + 1);
    for (auto turn = headers.begin()->second.segment_first_turn; turn < end; ++turn) {
      const auto name = "turn " + std::to_string(turn);
      if (bad.contains(turn)) return name + " does not read";
      if (!turns.contains(turn)) return name + " is lost";
      if (headers.at(turn).safety_count > 0 && !mirrors.contains(turn))
        return "the second copy of " + name + " is lost";
    }
    return {};
  }
};

/// All records that the header counts are there, in sequence and sound.
bool frame_is_whole(const FrameHeader& header, ByteSpan records) {
  auto parsed = log_format::parse_records(records);
  const auto count = header.kind == FrameKind::turn ? header.record_count : header.safety_count;
  if (parsed.size() < count) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!parsed[i].payload_ok || (header.kind == FrameKind::turn && parsed[i].header.seq != header.first_seq + i))
      return false;
  }
  return true;
}

Result<Segment> read_segment(FileAccess& files, const std::string& path, const RequestId& log_id) {
  Segment out;
  GALEN_ASSIGN(auto file, files.open(path));
  file->drop_cache();
  GALEN_ASSIGN(const auto bytes, file->size());
  Bytes content(bytes);
  GALEN_TRY(file->read_at(0, content));
  for (std::uint64_t at = 0; at + log_format::kBlockBytes <= bytes; at += log_format::kBlockBytes) {
    auto header = log_format::decode_frame_header(ByteSpan(content).subspan(at, log_format::kFrameHeaderBytes));
    if (!header || header->log_id != log_id || header->frame_bytes > bytes - at ||
        header->frame_bytes < log_format::kFrameHeaderBytes || header->generation < out.generation)
      continue;
    if (header->generation > out.generation) out = Segment{.generation = header->generation};
    out.oldest_generation = std::max(out.oldest_generation, header->oldest_generation);
    out.headers.emplace(header->turn, *header);
    (header->kind == FrameKind::turn ? out.turns : out.mirrors).insert(header->turn);
    const auto records = ByteSpan(content).subspan(at + log_format::kFrameHeaderBytes,
                                                   header->frame_bytes - log_format::kFrameHeaderBytes);
    if (!frame_is_whole(*header, records)) out.bad.insert(header->turn);
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> find_log_damage(FileAccess& files, const std::string& wal_directory) {
  GALEN_ASSIGN(auto bytes, files.read_all(wal_directory + "/manifest", 1 << 20));
  auto manifest = log_format::decode_manifest(bytes);
  if (!manifest) return std::vector<std::string>{"the log's manifest is damaged"};
  std::map<std::uint64_t, std::pair<std::string, Segment>> by_generation;
  std::uint64_t oldest = 1;
  for (auto number : manifest->files) {
    const auto name = log_format::segment_name(number);
    GALEN_ASSIGN(auto segment, read_segment(files, wal_directory + "/" + name, manifest->log_id));
    oldest = std::max(oldest, segment.oldest_generation);
    if (!segment.headers.empty()) by_generation[segment.generation] = {name, std::move(segment)};
  }
  std::vector<std::string> out;
  for (auto it = by_generation.lower_bound(oldest); it != by_generation.end(); ++it) {
    const auto next = std::next(it);
    if (next == by_generation.end()) break;  // the one that is written
    const auto& [name, segment] = it->second;
    const auto void_from = next->second.second.headers.begin()->second.segment_first_turn;
    const auto damage = segment.damage(void_from);
    if (damage.empty()) continue;
    GALEN_ASSIGN(auto again, read_segment(files, wal_directory + "/" + name, manifest->log_id));
    if (again.generation == segment.generation && again.damage(void_from) == damage)
      out.push_back("wal/" + name + ": " + damage);
  }
  return out;
}

}  // namespace galen::node
