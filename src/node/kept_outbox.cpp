#include "node/kept_outbox.hpp"

#include <algorithm>
#include <filesystem>

#include "galen/base/crc32c.hpp"
#include "galen/node/file_access.hpp"

namespace galen::node {
namespace {

constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kFileBytesMax = std::size_t{4} << 30;
constexpr std::size_t kRecordBytesMax = 64u << 20;

std::string path_in(const std::string& data_dir) { return data_dir + "/vault.outbox"; }

std::optional<KeptOutbox> decode_copy(ByteSpan copy) {
  ByteReader in(copy);
  const auto checksum = in.u32();
  if (!in.ok() || checksum != crc32c(copy.subspan(4)) || in.u16() != kVersion) return std::nullopt;
  KeptOutbox out;
  out.reach.log_id = in.fixed<RequestId>();
  out.reach.oldest_seq = in.u64();
  out.reach.started_over = in.u8() != 0;
  const auto count = in.u32();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    KeptOutbox::Record record;
    record.log_id = in.fixed<RequestId>();
    record.seq = in.u64();
    record.bytes = to_bytes(in.sized(kRecordBytesMax));
    out.records.push_back(std::move(record));
  }
  return in.done() ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace

LogSeq KeptOutbox::end_of(const RequestId& log_id) const {
  LogSeq out = 0;
  for (const auto& record : records)
    if (record.log_id == log_id) out = std::max(out, record.seq + 1);
  return out;
}

bool KeptOutbox::add(const RequestId& log_id, std::span<const LogReplay::Entry> of_log) {
  const std::size_t before = records.size();
  const auto end = end_of(log_id);  // both are in the order of the log
  for (const auto& entry : of_log)
    if (entry.seq >= end) records.push_back({log_id, entry.seq, entry.bytes});
  return records.size() > before;
}

Bytes KeptOutbox::encode() const {
  ByteWriter body;
  body.u16(kVersion).raw(reach.log_id.span()).u64(reach.oldest_seq).u8(reach.started_over ? 1 : 0);
  body.u32(static_cast<std::uint32_t>(records.size()));
  for (const auto& record : records) body.raw(record.log_id.span()).u64(record.seq).sized(record.bytes);
  ByteWriter out;
  for (int copy = 0; copy < 2; ++copy) out.u32(crc32c(body.bytes())).raw(body.bytes());
  return std::move(out).take();
}

Result<KeptOutbox> KeptOutbox::decode(ByteSpan bytes) {
  const auto half = bytes.size() / 2;
  auto first = decode_copy(bytes.first(half)), second = decode_copy(bytes.subspan(half));
  auto& whole = first ? first : second;
  if (!whole) return Error{ErrorCode::CORRUPT, "both of its copies are damaged"};
  whole->copy_damaged = !first || !second;
  return std::move(*whole);
}

Result<std::optional<KeptOutbox>> load_kept_outbox(const std::string& data_dir) {
  const auto path = path_in(data_dir);
  std::error_code error;
  if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found)
    return std::optional<KeptOutbox>();
  GALEN_ASSIGN(const auto bytes, posix_file_access().read_all(path, kFileBytesMax));
  auto kept = KeptOutbox::decode(bytes);
  if (kept) return std::optional(std::move(*kept));
  return Error{ErrorCode::CORRUPT,
               path + ", which keeps what the log held for a damaged vault: " + kept.error().message +
                   ". Keep it for people to look at, elsewhere, and start again: the keys in it are not taken up then"};
}

Status save_kept_outbox(const std::string& data_dir, const KeptOutbox& kept) {
  return posix_file_access().replace(path_in(data_dir), kept.encode());
}

Status remove_kept_outbox(const std::string& data_dir) { return posix_file_access().remove(path_in(data_dir)); }

}  // namespace galen::node
