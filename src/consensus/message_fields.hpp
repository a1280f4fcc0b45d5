// Fields of messages as bytes, where what is sent and what is signed have them in common (docs/spec/formats.md,
// docs/spec/wire.md).
#pragma once

#include "galen/consensus/messages.hpp"

namespace galen::consensus {

inline void put(ByteWriter& out, const VoteSubject& subject) {
  out.u64(subject.view).u64(subject.height).raw(subject.digest);
}

inline void put(ByteWriter& out, const std::optional<QuorumCertificate>& certificate) {
  out.u8(certificate ? 1 : 0);
  if (certificate) certificate->append_to(out);
}
inline void put(ByteWriter& out, const ViewChangeHeader& header) {
  out.u16(header.sender).u64(header.target);
  put(out, header.high);
  out.u64(header.commit_height).raw(header.signature);
}

inline void put_vote(ByteWriter& out, const SignedVote& vote) {
  out.u16(vote.sender);
  put(out, vote.subject);
  out.raw(vote.signature);
}

// Everything of STATUS that is signed as it stands, then everything that is signed by its hash.
inline void put_status_fields(ByteWriter& out, const StatusAnswer& a) {
  out.u16(a.sender).u16(a.asker).u64(a.nonce).u8(static_cast<std::uint8_t>(a.mode)).u64(a.view).u64(a.max_view_change);
  put(out, a.high);
  put(out, a.tip);
  out.u64(a.executed_height).u64(a.wall_ms);
}
inline void put_status_attachments(ByteWriter& out, const StatusAnswer& a) {
  put(out, a.high_qc);
  put(out, a.tip_qc);
  out.u8(a.seen_prepare ? 1 : 0);
  if (a.seen_prepare) put_vote(out, *a.seen_prepare);
  out.u8(a.seen_commit ? 1 : 0);
  if (a.seen_commit) put_vote(out, *a.seen_commit);
  out.u8(a.seen_view_change ? 1 : 0);
  if (a.seen_view_change) put(out, *a.seen_view_change);
}

}  // namespace galen::consensus
