// Framing of the parts of evidence files (docs/spec/evidence.md 1): every count and length is checked against its limit
// and against the bytes left before anything is reserved.
#include "galen/types/proof.hpp"

#include "galen/types/batch.hpp"
#include "galen/types/block.hpp"
#include "galen/types/limits.hpp"

namespace galen {

namespace {

constexpr std::uint8_t kAtOnce = 1, kByHistory = 2;

void write_path(ByteWriter& out, const ProofPath& path) {
  GALEN_ASSERT(path.size() <= limits::kProofPathMax);
  out.u8(static_cast<std::uint8_t>(path.size()));
  for (const auto& sibling : path) out.raw(sibling);
}

std::vector<Hash> read_hashes(ByteReader& in, std::size_t count, std::size_t count_max) {
  std::vector<Hash> out;
  if (count > count_max || in.remaining() < count * Hash::kSize) {
    in.fail();
    return out;
  }
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(in.fixed<Hash>());
  return out;
}

ProofPath read_path(ByteReader& in) { return read_hashes(in, in.u8(), limits::kProofPathMax); }

/// Bytes of a length that has been read already; between min and max.
Bytes read_bytes(ByteReader& in, std::size_t length, std::size_t min, std::size_t max) {
  if (length < min || length > max) in.fail();
  return to_bytes(in.raw(length));
}

Bytes read_header(ByteReader& in) { return to_bytes(in.raw(kHeaderBytes)); }

Bytes read_certificate(ByteReader& in) { return to_bytes(in.sized(limits::kCertificateBytesMax)); }

template <class Part>
Bytes encode_part(const Part& part) {
  ByteWriter out;
  part.append_to(out);
  return std::move(out).take();
}

}  // namespace

void CertifiedHeader::append_to(ByteWriter& out) const {
  out.raw(header).u8(later ? 1 : 0);
  if (later) {
    out.raw(later->header);
    write_path(out, later->path);
  }
  out.sized(commit_certificate);
}

CertifiedHeader CertifiedHeader::read(ByteReader& in) {
  CertifiedHeader out;
  out.header = read_header(in);
  auto links = in.u8();
  if (links > 1) in.fail();
  if (links == 1) {
    out.later.emplace();
    out.later->header = read_header(in);
    out.later->path = read_path(in);
  }
  out.commit_certificate = read_certificate(in);
  return out;
}

void CertifiedBlock::append_to(ByteWriter& out) const {
  out.raw(header).u8(history ? kByHistory : kAtOnce);
  if (!history) {
    out.sized(executed_certificate);
    return;
  }
  write_path(out, history->path);
  history->confirming.append_to(out);
  GALEN_ASSERT(history->later_outcome_roots.size() <= limits::kLaterRootsMax);
  out.u16(static_cast<std::uint16_t>(history->later_outcome_roots.size()));
  for (const auto& root : history->later_outcome_roots) out.raw(root);
}

CertifiedBlock CertifiedBlock::read(ByteReader& in) {
  CertifiedBlock out;
  out.header = read_header(in);
  auto way = in.u8();
  if (way == kAtOnce) {
    out.executed_certificate = read_certificate(in);
  } else if (way == kByHistory) {
    out.history.emplace();
    out.history->path = read_path(in);
    out.history->confirming = CertifiedHeader::read(in);
    out.history->later_outcome_roots = read_hashes(in, in.u16(), limits::kLaterRootsMax);
  } else {
    in.fail();
  }
  return out;
}

Bytes CertifiedBlock::encode() const { return encode_part(*this); }

void TransactionProof::append_to(ByteWriter& out) const {
  out.u8(scheme).u16(static_cast<std::uint16_t>(authorization.size())).raw(authorization);
  out.u16(static_cast<std::uint16_t>(envelope.size())).raw(envelope);
  out.u16(operations).u16(code).u16(static_cast<std::uint16_t>(shown.size()));
  for (const auto& one : shown) {
    out.u16(one.index).u16(static_cast<std::uint16_t>(one.operation.size())).raw(one.operation);
    write_path(out, one.path);
    if (code != 0) continue;
    out.sized(one.result);
    write_path(out, one.result_path);
  }
  out.u32(item_index);
  write_path(out, item_path);
  out.raw(batch_header).u32(batch_index);
  write_path(out, batch_path);
  out.u32(outcome_index).u32(outcome_size);
  write_path(out, outcome_path);
  out.raw(previous_results_root);
}

TransactionProof TransactionProof::read(ByteReader& in) {
  TransactionProof out;
  out.scheme = in.u8();
  out.authorization = read_bytes(in, in.u16(), 0, limits::kAuthorizationBytesMax);
  out.envelope = read_bytes(in, in.u16(), 1, limits::kEnvelopeBytesMax);
  out.operations = in.u16();
  out.code = in.u16();
  std::size_t count = in.u16();
  if (out.operations < 1 || out.operations > limits::kOperationsPerTransactionMax) in.fail();
  if (count < 1 || count > out.operations) in.fail();
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    ShownOperation one;
    one.index = in.u16();
    if (one.index >= out.operations || (i > 0 && one.index <= out.shown.back().index)) in.fail();
    one.operation = read_bytes(in, in.u16(), 1, limits::kOperationBytesMax);
    one.path = read_path(in);
    if (out.code == 0) {
      one.result = to_bytes(in.sized(limits::kResultBytesMax));
      one.result_path = read_path(in);
    }
    out.shown.push_back(std::move(one));
  }
  out.item_index = in.u32();
  out.item_path = read_path(in);
  out.batch_header = to_bytes(in.raw(kBatchHeaderBytes));
  out.batch_index = in.u32();
  out.batch_path = read_path(in);
  out.outcome_index = in.u32();
  out.outcome_size = in.u32();
  out.outcome_path = read_path(in);
  out.previous_results_root = in.fixed<Hash>();
  return out;
}

Bytes TransactionProof::encode() const { return encode_part(*this); }

void StateRowProof::append_to(ByteWriter& out) const {
  out.u8(kind).u8(static_cast<std::uint8_t>(key.size())).raw(key).u8(value ? 1 : 0);
  if (value) out.sized(*value);
  out.sized(proof);
}

StateRowProof StateRowProof::read(ByteReader& in) {
  StateRowProof out;
  out.kind = in.u8();
  out.key = read_bytes(in, in.u8(), 0, limits::kStateKeyBytesMax);
  auto present = in.u8();
  if (present > 1) in.fail();
  if (present == 1) out.value = to_bytes(in.sized(limits::kStateValueBytesMax));
  out.proof = to_bytes(in.sized(limits::kStateProofBytesMax));
  return out;
}

Bytes StateRowProof::encode() const { return encode_part(*this); }

void ConsistencyProof::append_to(ByteWriter& out) const {
  out.raw(old_header);
  write_path(out, consistency_path);
  write_path(out, inclusion_path);
  now.append_to(out);
}

ConsistencyProof ConsistencyProof::read(ByteReader& in) {
  ConsistencyProof out;
  out.old_header = read_header(in);
  out.consistency_path = read_path(in);
  out.inclusion_path = read_path(in);
  out.now = CertifiedHeader::read(in);
  return out;
}

Bytes ConsistencyProof::encode() const { return encode_part(*this); }

}  // namespace galen
