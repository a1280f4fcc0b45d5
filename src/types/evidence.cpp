// Layout of evidence files (docs/spec/evidence.md 2).
#include "galen/types/evidence.hpp"

#include <algorithm>

#include "galen/types/limits.hpp"

namespace galen {

namespace {

constexpr std::uint16_t kVersion = 1, kVersionWithEpochs = 2;
constexpr std::size_t kMagicBytes = 8;

struct FileKind {
  EvidenceKind kind;
  std::string_view magic;
  const char* name;
  std::size_t bytes_max;
};
constexpr FileKind kReceipt{EvidenceKind::receipt, "GALENRCP", "receipt", limits::kReceiptBytesMax};
constexpr FileKind kTransaction{EvidenceKind::transaction, "GALENTXP", "transaction proof", limits::kProofFileBytesMax};
constexpr FileKind kState{EvidenceKind::state, "GALENSTP", "state proof", limits::kProofFileBytesMax};
constexpr FileKind kConsistency{EvidenceKind::consistency, "GALENCON", "consistency proof", limits::kProofFileBytesMax};
constexpr FileKind kBundle{EvidenceKind::bundle, "GALENEVD", "evidence", limits::kEvidenceBytesMax};
constexpr FileKind kKinds[] = {kReceipt, kTransaction, kState, kConsistency, kBundle};

Error bad_file(const FileKind& kind, ErrorCode code, const char* sentence) {
  return {code, std::string(kind.name) + ": file: " + sentence};
}
Error bad_framing(const FileKind& kind) {
  return bad_file(kind, ErrorCode::MALFORMED, "it is cut short, longer than it says, or a count is out of range");
}

/// A count within its limit; 0 once the reader failed.
std::size_t read_count(ByteReader& in, std::size_t min, std::size_t max) {
  std::size_t count = in.u16();
  if (count < min || count > max) in.fail();
  return in.ok() ? count : 0;
}

/// Checks magic, version and limit, and takes what stands before the body; the reader then stands there.
Result<ByteReader> open(const FileKind& kind, ByteSpan file, Hash& chain_id, std::vector<EpochLink>& epochs) {
  ByteReader in(file);
  auto magic = in.raw(kMagicBytes);
  if (!in.ok() || as_text(magic) != kind.magic) return bad_file(kind, ErrorCode::MALFORMED, "its magic is another one");
  auto version = in.u16();
  if (!in.ok()) return bad_framing(kind);
  if (version != kVersion && version != kVersionWithEpochs)
    return bad_file(kind, ErrorCode::UNSUPPORTED_VERSION, "its version is unknown");
  if (in.remaining() > kind.bytes_max) return bad_file(kind, ErrorCode::TOO_LARGE, "it is longer than its limit");
  chain_id = in.fixed<Hash>();
  if (version == kVersion) return in;
  for (auto left = read_count(in, 1, limits::kEpochLinksMax); left > 0 && in.ok(); --left)
    epochs.push_back(EpochLink::read(in));
  return in;
}

ByteWriter start(const FileKind& kind, const Hash& chain_id, const std::vector<EpochLink>& epochs) {
  ByteWriter out;
  out.raw(kind.magic).u16(epochs.empty() ? kVersion : kVersionWithEpochs).raw(chain_id);
  if (!epochs.empty()) out.u16(static_cast<std::uint16_t>(epochs.size()));
  for (const auto& link : epochs) link.append_to(out);
  return out;
}

/// A part behind its length, which it must fill.
template <class Part>
Part read_sized(ByteReader& in) {
  ByteReader inner(in.sized(limits::kEvidenceBytesMax));
  auto part = Part::read(inner);
  if (!inner.done()) in.fail();
  return part;
}

void read_blocks_and_items(ByteReader& in, EvidenceBundle& out) {
  for (auto left = read_count(in, 1, limits::kEvidenceBlocksMax); left > 0 && in.ok(); --left)
    out.blocks.push_back(read_sized<CertifiedBlock>(in));
  for (auto left = read_count(in, 0, limits::kEvidenceItemsMax); left > 0 && in.ok(); --left) {
    auto block = in.u16();
    out.transactions.push_back({{block}, read_sized<TransactionProof>(in)});
  }
  for (auto left = read_count(in, 0, limits::kEvidenceItemsMax); left > 0 && in.ok(); --left) {
    auto block = in.u16();
    out.states.push_back({{block}, read_sized<StateRowProof>(in)});
  }
  for (auto left = read_count(in, 0, limits::kEvidenceConsistencyMax); left > 0 && in.ok(); --left)
    out.consistency.push_back(read_sized<ConsistencyProof>(in));
  for (auto left = read_count(in, 0, limits::kEvidenceItemsMax); left > 0 && in.ok(); --left) {
    EvidenceBundle::Opening opening;
    opening.state = in.u16();
    opening.record_key = in.fixed<Hash>();
    opening.document = to_bytes(in.sized(limits::kDocumentBytesMax));
    out.openings.push_back(std::move(opening));
  }
}

/// Something is shown, every block is there for something, and every reference leads somewhere.
bool references_hold(const EvidenceBundle& bundle) {
  std::vector<bool> used(bundle.blocks.size());
  auto use = [&](const EvidenceBundle::Item& item) {
    if (item.block >= used.size()) return false;
    used[item.block] = true;
    return true;
  };
  auto is_state = [&](const auto& opening) { return opening.state < bundle.states.size(); };
  return std::all_of(bundle.transactions.begin(), bundle.transactions.end(), use) &&
         std::all_of(bundle.states.begin(), bundle.states.end(), use) &&
         std::all_of(bundle.openings.begin(), bundle.openings.end(), is_state) &&
         std::find(used.begin(), used.end(), false) == used.end();
}

}  // namespace

std::optional<EvidenceKind> evidence_kind(ByteSpan file) {
  if (file.size() < kMagicBytes) return std::nullopt;
  for (const auto& kind : kKinds)
    if (as_text(file.first(kMagicBytes)) == kind.magic) return kind.kind;
  return std::nullopt;
}

Bytes TransactionProofFile::encode() const {
  auto out = start(kTransaction, chain_id, epochs);
  block.append_to(out);
  proof.append_to(out);
  return std::move(out).take();
}

Result<TransactionProofFile> TransactionProofFile::decode(ByteSpan file) {
  TransactionProofFile out;
  GALEN_ASSIGN(auto in, open(kTransaction, file, out.chain_id, out.epochs));
  out.block = CertifiedBlock::read(in);
  out.proof = TransactionProof::read(in);
  if (!in.done()) return bad_framing(kTransaction);
  return out;
}

Bytes StateProofFile::encode() const {
  auto out = start(kState, chain_id, epochs);
  block.append_to(out);
  proof.append_to(out);
  return std::move(out).take();
}

Result<StateProofFile> StateProofFile::decode(ByteSpan file) {
  StateProofFile out;
  GALEN_ASSIGN(auto in, open(kState, file, out.chain_id, out.epochs));
  out.block = CertifiedBlock::read(in);
  out.proof = StateRowProof::read(in);
  if (!in.done()) return bad_framing(kState);
  return out;
}

Bytes ConsistencyProofFile::encode() const {
  auto out = start(kConsistency, chain_id, epochs);
  proof.append_to(out);
  return std::move(out).take();
}

Result<ConsistencyProofFile> ConsistencyProofFile::decode(ByteSpan file) {
  ConsistencyProofFile out;
  GALEN_ASSIGN(auto in, open(kConsistency, file, out.chain_id, out.epochs));
  out.proof = ConsistencyProof::read(in);
  if (!in.done()) return bad_framing(kConsistency);
  return out;
}

void EvidenceBundle::add_epochs(const std::vector<EpochLink>& links) {
  if (links.size() > epochs.size()) epochs = links;
}

std::uint16_t EvidenceBundle::add_block(const CertifiedBlock& block) {
  auto found = std::find(blocks.begin(), blocks.end(), block);
  auto place = static_cast<std::uint16_t>(found - blocks.begin());
  if (found == blocks.end()) blocks.push_back(block);
  return place;
}

Bytes EvidenceBundle::encode() const {
  auto out = start(kBundle, chain_id, epochs);
  auto count = [&](std::size_t n) { out.u16(static_cast<std::uint16_t>(n)); };
  out.sized(as_bytes(summary)).sized(genesis);
  count(1);
  out.u64(epoch).sized(members);
  count(blocks.size());
  for (const auto& block : blocks) out.sized(block.encode());
  count(transactions.size());
  for (const auto& item : transactions) out.u16(item.block).sized(item.proof.encode());
  count(states.size());
  for (const auto& item : states) out.u16(item.block).sized(item.proof.encode());
  count(consistency.size());
  for (const auto& one : consistency) out.sized(one.encode());
  count(openings.size());
  for (const auto& one : openings) out.u16(one.state).raw(one.record_key).sized(one.document);
  return std::move(out).take();
}

Result<EvidenceBundle> EvidenceBundle::decode(ByteSpan file) {
  EvidenceBundle out;
  GALEN_ASSIGN(auto in, open(kBundle, file, out.chain_id, out.epochs));
  out.summary = to_string(in.sized(limits::kSummaryBytesMax));
  out.genesis = to_bytes(in.sized(limits::kGenesisBytesMax));
  if (!in.ok() || out.summary.empty() || out.genesis.empty()) return bad_framing(kBundle);
  (void)read_count(in, 1, 1);
  out.epoch = in.u64();
  out.members = to_bytes(in.sized(limits::kMemberSetBytesMax));
  read_blocks_and_items(in, out);
  if (!in.done() || !references_hold(out)) return bad_framing(kBundle);
  return out;
}

}  // namespace galen
