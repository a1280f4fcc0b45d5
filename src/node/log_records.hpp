// The node's record types in the write-ahead log, above those of the log itself (docs/spec/log.md). Never renumbered.
#pragma once

#include "galen/node/log.hpp"
#include "galen/types/block.hpp"
#include "galen/types/certificate.hpp"

namespace galen::node {

inline constexpr LogRecordType kLogConsensus = 16;  ///< a record of the core (consensus/safety.hpp); safety
inline constexpr LogRecordType kLogBatch = 17;      ///< a batch body, Batch::bytes()
inline constexpr LogRecordType kLogOutbox = 18;     ///< a vault outbox record: the one place of its key until the index is flushed; safety
inline constexpr LogRecordType kLogCommitted = 19;  ///< a committed block: skeleton ‖ COMMIT-QC of it or a descendant

inline Bytes encode_committed(const BlockSkeleton& skeleton, const QuorumCertificate& certificate) {
  ByteWriter out;
  skeleton.append_to(out);
  certificate.append_to(out);
  return std::move(out).take();
}

struct CommittedRecord {
  BlockSkeleton skeleton;
  QuorumCertificate certificate;
};
inline Result<CommittedRecord> decode_committed(crypto::Suite suite, ByteSpan payload) {
  ByteReader in(payload);
  GALEN_ASSIGN(auto skeleton, BlockSkeleton::read(suite, in));
  GALEN_ASSIGN(auto certificate, QuorumCertificate::read(in));
  if (!in.done()) return Error{ErrorCode::MALFORMED, "a committed record has a wrong length"};
  return CommittedRecord{std::move(skeleton), std::move(certificate)};
}

}  // namespace galen::node
