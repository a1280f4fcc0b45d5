// What a node reads back from its own disk: frames and records of the log, its manifest, committed blocks in it, rows
// of the ledger. A flipped byte must not lead further than to an error.
#include "fuzz/fuzz.hpp"
#include "galen/base/crc32c.hpp"
#include "galen/ledger/history_tree.hpp"
#include "galen/ledger/rows.hpp"
#include "ledger/database.hpp"
#include "ledger/epoch_rows.hpp"
#include "ledger/past_store.hpp"
#include "node/log_format.hpp"
#include "node/log_records.hpp"

namespace galen {
namespace {

namespace format = node::log_format;

void expect_same(const Bytes& encoded, ByteSpan input) {
  GALEN_ASSERT(std::equal(encoded.begin(), encoded.end(), input.begin(), input.end()));
}

void check_frame(ByteSpan input) {
  if (auto header = format::decode_frame_header(input)) {
    std::uint8_t again[format::kFrameHeaderBytes];
    format::encode(*header, again);
    // Reserved bytes are not kept; the values are what must come back.
    GALEN_ASSERT(format::decode_frame_header(again) == header);
    input = input.subspan(format::kFrameHeaderBytes);
  }
  std::size_t bytes = 0;
  for (const auto& record : format::parse_records(input)) {
    GALEN_ASSERT(record.payload.size() == record.header.payload_bytes);
    bytes += format::kRecordHeaderBytes + record.payload.size();
  }
  GALEN_ASSERT(bytes <= input.size());
}

/// The last four bytes become the checksum of those before.
void seal(std::span<std::uint8_t> bytes) {
  if (bytes.size() < 4) return;
  auto sum = crc32c(bytes.first(bytes.size() - 4));
  for (std::size_t i = 0; i < 4; ++i) bytes[bytes.size() - 4 + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
}

/// Checksums stop nearly every mutation: the same input with right ones goes further.
Bytes with_checksums(ByteSpan input) {
  auto out = to_bytes(input);
  std::span<std::uint8_t> rest(out);
  if (rest.size() < format::kFrameHeaderBytes) return out;
  seal(rest.first(format::kFrameHeaderBytes));
  rest = rest.subspan(format::kFrameHeaderBytes);
  while (rest.size() >= format::kRecordHeaderBytes) {
    seal(rest.first(format::kRecordHeaderBytes));
    auto payload = ByteReader(ByteSpan(rest).subspan(12, 4)).u32();
    if (payload > rest.size() - format::kRecordHeaderBytes) break;
    rest = rest.subspan(format::kRecordHeaderBytes + payload);
  }
  return out;
}

}  // namespace

GALEN_FUZZ_TARGET(log_frame) {
  check_frame(input);
  check_frame(with_checksums(input));
}

GALEN_FUZZ_TARGET(log_manifest) {
  auto sealed = to_bytes(input);
  seal(sealed);
  for (auto bytes : {input, ByteSpan(sealed)})
    if (auto manifest = node::log_format::decode_manifest(bytes))
      expect_same(node::log_format::encode(*manifest), bytes);
}

GALEN_FUZZ_TARGET(log_committed) {
  auto record = node::decode_committed(crypto::Suite::p256_sha256, input);
  if (record) expect_same(node::encode_committed(record->skeleton, record->certificate), input);
}

GALEN_FUZZ_TARGET(ledger_rows) {
  if (auto info = ledger::BlockInfo::decode(input)) expect_same(info->encode(), input);
  if (auto row = ledger::TransactionRow::decode(input)) {
    auto again = ledger::TransactionRow::decode(row->encode());
    GALEN_ASSERT(again.has_value() && *again == *row);
  }
  if (auto outcomes = ledger::decode_outcomes(input)) expect_same(ledger::encode_outcomes(*outcomes), input);
  if (auto link = ledger::decode_epoch_row(input)) expect_same(ledger::encode_epoch_row(*link), input);
  if (auto position = ledger::PastPosition::decode(input)) expect_same(position->encode(), input);
  if (auto place = ledger::HeightAndHash::decode(input)) expect_same(place->encode(), input);
  ledger::decode_changes(input).has_value();
  ledger::HistoryTree::decode(crypto::Suite::p256_sha256, input).has_value();
}

}  // namespace galen
