// Encoding and decoding of frames, records and the manifest. Decoders accept nothing whose checksum is wrong and read
// no length before it is known to lie inside the input.
#include "log_format.hpp"

#include <cstdio>
#include <cstring>

#include "galen/base/crc32c.hpp"

namespace galen::node::log_format {
namespace {

constexpr std::string_view kFrameMagic = "GALENLOG";
constexpr std::string_view kManifestMagic = "GALENWAL";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kManifestFilesMax = 100'000;

template <class Integer>
std::uint8_t* put(std::uint8_t* out, Integer value) {
  for (int shift = static_cast<int>(sizeof(Integer)) * 8 - 8; shift >= 0; shift -= 8)
    *out++ = static_cast<std::uint8_t>(value >> shift);
  return out;
}
std::uint8_t* put(std::uint8_t* out, ByteSpan bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}
void seal(std::uint8_t* begin, std::size_t bytes) { put(begin + bytes - 4, crc32c({begin, bytes - 4})); }
bool sealed(ByteSpan bytes) { return ByteReader(bytes.last(4)).u32() == crc32c(bytes.first(bytes.size() - 4)); }

}  // namespace

void encode(const FrameHeader& header, std::uint8_t* out) {
  std::memset(out, 0, kFrameHeaderBytes);
  auto* at = put(out, as_bytes(kFrameMagic));
  at = put(at, kVersion);
  at = put(at, static_cast<std::uint8_t>(header.kind));
  at = put(at, std::uint8_t{0});
  at = put(at, header.log_id.span());
  for (auto value : {header.generation, header.previous_generation, header.oldest_generation, header.turn,
                     header.segment_first_turn, header.previous_safety_turn, header.first_seq})
    at = put(at, value);
  for (auto value : {header.record_count, header.safety_count, header.frame_bytes}) at = put(at, value);
  GALEN_ASSERT(at <= out + kFrameHeaderBytes - 4);
  seal(out, kFrameHeaderBytes);
}

std::optional<FrameHeader> decode_frame_header(ByteSpan bytes) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  bytes = bytes.first(kFrameHeaderBytes);
  if (as_text(bytes.first(kFrameMagic.size())) != kFrameMagic || !sealed(bytes)) return std::nullopt;
  ByteReader in(bytes.subspan(kFrameMagic.size()));
  if (in.u16() != kVersion) return std::nullopt;
  FrameHeader header;
  header.kind = static_cast<FrameKind>(in.u8());
  if (header.kind != FrameKind::turn && header.kind != FrameKind::mirror) return std::nullopt;
  in.u8();
  header.log_id = in.fixed<RequestId>();
  for (auto* field : {&header.generation, &header.previous_generation, &header.oldest_generation, &header.turn,
                      &header.segment_first_turn, &header.previous_safety_turn, &header.first_seq})
    *field = in.u64();
  for (auto* field : {&header.record_count, &header.safety_count, &header.frame_bytes}) *field = in.u32();
  const bool sane = header.safety_count <= header.record_count && header.frame_bytes >= kFrameHeaderBytes &&
                    header.segment_first_turn <= header.turn && header.previous_safety_turn < header.turn;
  if (!in.ok() || !sane) return std::nullopt;
  return header;
}

Hash append_record(Bytes& out, RecordHeader header, ByteSpan payload) {
  const auto start = out.size();
  out.resize(start + kRecordHeaderBytes);
  auto* begin = out.data() + start;
  auto* at = put(begin, header.seq);
  at = put(at, header.type);
  at = put(at, header.safety ? kFlagSafety : std::uint16_t{0});
  at = put(at, static_cast<std::uint32_t>(payload.size()));
  at = put(at, header.previous.span());
  put(at, crc32c(payload));
  seal(begin, kRecordHeaderBytes);
  out.insert(out.end(), payload.begin(), payload.end());
  return crypto::hash(crypto::Suite::p256_sha256, ByteSpan(out).subspan(start));
}

std::vector<ParsedRecord> parse_records(ByteSpan body) {
  std::vector<ParsedRecord> out;
  while (body.size() >= kRecordHeaderBytes) {
    const auto head = body.first(kRecordHeaderBytes);
    if (!sealed(head)) break;
    ByteReader in(head);
    ParsedRecord record;
    record.header.seq = in.u64();
    record.header.type = in.u16();
    record.header.safety = (in.u16() & kFlagSafety) != 0;
    record.header.payload_bytes = in.u32();
    record.header.previous = in.fixed<Hash>();
    record.header.payload_crc = in.u32();
    if (record.header.payload_bytes > body.size() - kRecordHeaderBytes) break;
    record.payload = body.subspan(kRecordHeaderBytes, record.header.payload_bytes);
    record.payload_ok = crc32c(record.payload) == record.header.payload_crc;
    if (record.payload_ok)
      record.hash =
          crypto::hash(crypto::Suite::p256_sha256, body.first(kRecordHeaderBytes + record.header.payload_bytes));
    body = body.subspan(kRecordHeaderBytes + record.header.payload_bytes);
    out.push_back(record);
  }
  return out;
}

Bytes encode(const Manifest& manifest) {
  ByteWriter out;
  out.raw(kManifestMagic).u16(kVersion).raw(manifest.log_id.span()).u64(manifest.segment_bytes);
  out.u32(static_cast<std::uint32_t>(manifest.files.size()));
  for (auto number : manifest.files) out.u32(number);
  out.u32(crc32c(out.bytes()));
  return std::move(out).take();
}

std::optional<Manifest> decode_manifest(ByteSpan bytes) {
  if (bytes.size() < kManifestMagic.size() + 4 || !sealed(bytes)) return std::nullopt;
  ByteReader in(bytes.first(bytes.size() - 4));
  if (as_text(in.raw(kManifestMagic.size())) != kManifestMagic || in.u16() != kVersion) return std::nullopt;
  Manifest manifest;
  manifest.log_id = in.fixed<RequestId>();
  manifest.segment_bytes = in.u64();
  const auto count = in.u32();
  if (count > kManifestFilesMax || in.remaining() != count * 4ULL) return std::nullopt;
  for (std::uint32_t i = 0; i < count; ++i) manifest.files.push_back(in.u32());
  if (!in.done() || manifest.segment_bytes == 0 || manifest.segment_bytes % kBlockBytes != 0) return std::nullopt;
  return manifest;
}

std::string segment_name(std::uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "segment-%06u", number);
  return name;
}

std::optional<std::uint32_t> segment_number(std::string_view name) {
  constexpr std::string_view kPrefix = "segment-";
  if (name.size() < kPrefix.size() + 6 || name.size() > kPrefix.size() + 9 || !name.starts_with(kPrefix))
    return std::nullopt;
  std::uint32_t number = 0;
  for (char c : name.substr(kPrefix.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return segment_name(number) == name ? std::optional(number) : std::nullopt;
}

}  // namespace galen::node::log_format
