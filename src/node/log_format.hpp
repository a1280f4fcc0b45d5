// The bytes of the log: frames (one turn, or the second copy of its safety records) and the records in them
// (docs/spec/log.md 2). A frame starts on a 4 KiB block; all integers are big-endian. Pure functions, any thread.
#pragma once

#include <optional>
#include <vector>

#include "galen/crypto/hash.hpp"
#include "galen/node/log.hpp"

namespace galen::node::log_format {

inline constexpr std::size_t kBlockBytes = 4096;
inline constexpr std::size_t kFrameHeaderBytes = 112;
inline constexpr std::size_t kRecordHeaderBytes = 56;
inline constexpr std::uint16_t kFlagSafety = 1;

constexpr std::uint64_t round_up(std::uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

enum class FrameKind : std::uint8_t { turn = 1, mirror = 2 };

struct FrameHeader {
  FrameKind kind = FrameKind::turn;
  RequestId log_id;                       ///< random per log: what records contain cannot pass for a frame
  std::uint64_t generation = 0;           ///< of the segment's present use; grows with every use of any segment
  std::uint64_t previous_generation = 0;  ///< of the segment before; 0: none
  std::uint64_t oldest_generation = 0;    ///< segments below are free
  std::uint64_t turn = 0;
  std::uint64_t segment_first_turn = 0;    ///< turns from this one on in earlier segments are void
  std::uint64_t previous_safety_turn = 0;  ///< last turn before this one with safety records; 0: none
  LogSeq first_seq = 0;
  std::uint32_t record_count = 0;  ///< of the turn
  std::uint32_t safety_count = 0;  ///< of them
  std::uint32_t frame_bytes = 0;   ///< header and records, without the padding to a block
  bool operator==(const FrameHeader&) const = default;
};
void encode(const FrameHeader& header, std::uint8_t* out);
/// Nothing unless magic, version and checksum are right.
std::optional<FrameHeader> decode_frame_header(ByteSpan bytes);

struct RecordHeader {
  LogSeq seq = 0;
  LogRecordType type = 0;
  bool safety = false;
  std::uint32_t payload_bytes = 0;
  Hash previous;  ///< hash of the record before
  std::uint32_t payload_crc = 0;
};
/// Appends header and payload; returns the record's hash, SHA-256 over both.
Hash append_record(Bytes& out, RecordHeader header, ByteSpan payload);

struct ParsedRecord {
  RecordHeader header;
  ByteSpan payload;
  Hash hash;
  bool payload_ok = false;
};
/// Reads records until the end or the first unreadable header; a bad payload is passed over. Payloads point into
/// `body`.
std::vector<ParsedRecord> parse_records(ByteSpan body);

/// DIR/wal/manifest: which files belong to the log. Written only when a file is added.
struct Manifest {
  RequestId log_id;
  std::uint64_t segment_bytes = 0;
  std::vector<std::uint32_t> files;  ///< numbers, ascending
};
Bytes encode(const Manifest& manifest);
std::optional<Manifest> decode_manifest(ByteSpan bytes);
std::string segment_name(std::uint32_t number);
std::optional<std::uint32_t> segment_number(std::string_view name);

}  // namespace galen::node::log_format
