#include "galen/ledger/past_block.hpp"
#include "galen/ledger/scrub.hpp"

namespace galen::ledger {
namespace {

template <class Certificate>
void append(ByteWriter& out, const std::optional<Certificate>& certificate) {
  out.u8(certificate ? 1 : 0);
  if (certificate) out.sized(certificate->encode());
}

template <class Certificate>
Status read(ByteReader& in, std::optional<Certificate>& certificate) {
  const auto present = in.u8();
  if (present > 1) return make_error(ErrorCode::MALFORMED, "A stored block says neither that there is a certificate nor that there is none.");
  if (present == 0) return {};
  GALEN_ASSIGN(certificate, Certificate::decode(in.sized(limits::kFrameBytesMax)));
  return {};
}

}  // namespace

Bytes StoredBlock::encode() const {
  ByteWriter out(block.size() + outcomes.size() + 2048);
  out.sized(block).sized(outcomes);
  append(out, commit);
  append(out, executed);
  return std::move(out).take();
}

Result<StoredBlock> StoredBlock::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  StoredBlock out;
  out.block = to_bytes(in.sized(limits::kFrameBytesMax));
  out.outcomes = to_bytes(in.sized(limits::kFrameBytesMax));
  GALEN_TRY(read(in, out.commit));
  GALEN_TRY(read(in, out.executed));
  if (!in.done()) return make_error(ErrorCode::MALFORMED, "A stored block has a wrong length.");
  return out;
}

Result<StoredBlock> StoredBlock::of_past_block(ByteSpan bytes) {
  GALEN_ASSIGN(auto parts, split_past_block(bytes));
  StoredBlock out{to_bytes(parts.block), to_bytes(parts.outcomes), {}, {}};
  if (!parts.commit.empty()) {
    GALEN_ASSIGN(out.commit, QuorumCertificate::decode(parts.commit));
  }
  if (!parts.executed.empty()) {
    GALEN_ASSIGN(out.executed, ExecutedCertificate::decode(parts.executed));
  }
  return out;
}

Result<StoredBlock> StoredBlock::load(const View& view, Height height) {
  StoredBlock out;
  GALEN_ASSIGN(auto block, view.block_bytes(height));
  GALEN_ASSIGN(auto outcomes, view.outcomes(height));
  if (!block || !outcomes) return make_error(ErrorCode::NOT_FOUND, "There is no block at this height.");
  out.block = std::move(*block);
  out.outcomes = encode_outcomes(*outcomes);
  GALEN_ASSIGN(out.commit, view.commit_certificate(height));
  GALEN_ASSIGN(out.executed, view.executed_certificate(height));
  return out;
}

}  // namespace galen::ledger
