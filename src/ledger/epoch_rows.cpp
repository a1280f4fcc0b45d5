#include "ledger/epoch_rows.hpp"

namespace galen::ledger {
namespace {

constexpr std::uint8_t kEpochRowFormat = 1;

}  // namespace

std::string epoch_key(Epoch epoch) {
  return to_string(ByteWriter(9).u8(static_cast<std::uint8_t>(kEpochKeyFirst)).u64(epoch).bytes());
}

Bytes encode_epoch_row(const EpochLink& link) {
  ByteWriter out(1 + kHeaderBytes + 8 + link.next_members.size() + link.commit_certificate.size());
  out.u8(kEpochRowFormat);
  link.append_to(out);
  return std::move(out).take();
}

Result<EpochLink> decode_epoch_row(ByteSpan bytes) {
  ByteReader in(bytes);
  const bool format_known = in.u8() == kEpochRowFormat;
  auto link = EpochLink::read(in);
  if (!format_known || !in.done()) return make_error(ErrorCode::CORRUPT, "The link to an epoch does not decode.");
  return link;
}

Result<std::optional<EpochLink>> load_epoch_link(const Database& database, Epoch epoch,
                                                 const rocksdb::Snapshot* snapshot) {
  GALEN_ASSIGN(auto row, database.get(Family::meta, epoch_key(epoch), snapshot));
  if (!row) return std::optional<EpochLink>{};
  GALEN_ASSIGN(auto link, decode_epoch_row(*row));
  return std::optional<EpochLink>(std::move(link));
}

Result<std::vector<EpochLink>> load_epoch_links(const Database& database, Epoch last,
                                                const rocksdb::Snapshot* snapshot) {
  std::vector<EpochLink> out;
  for (Epoch epoch = 2; epoch <= last; ++epoch) {
    GALEN_ASSIGN(auto link, load_epoch_link(database, epoch, snapshot));
    if (!link) return make_error(ErrorCode::CORRUPT, "The link to epoch " + std::to_string(epoch) + " is missing.");
    out.push_back(std::move(*link));
  }
  return out;
}

}  // namespace galen::ledger
