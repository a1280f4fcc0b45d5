// What each message's signature covers (docs/spec/formats.md).
#include "consensus/message_fields.hpp"
#include "galen/types/equivocation.hpp"

namespace galen::consensus {
namespace {

Bytes joined(Bytes prefix, const ByteWriter& fields) {
  prefix.insert(prefix.end(), fields.bytes().begin(), fields.bytes().end());
  return prefix;
}

}  // namespace

Bytes pre_prepare_sign_bytes(const ChainContext& context, const PrePrepare& m) {
  const auto& header = m.block.header;
  const auto kind = static_cast<std::uint8_t>(m.justification.kind);
  return proposal_sign_bytes(context, m.sender, {m.view, header.height, header.digest(context.suite)},
                             justification_mark(context.suite, kind, m.justification.encode()));
}

Bytes view_change_sign_bytes(const ChainContext& context, const ViewChangeHeader& header) {
  ByteWriter fields(80);
  fields.u16(header.sender).u64(header.target);
  put(fields, header.high);
  fields.u64(header.commit_height);
  return joined(sign_prefix(context, MessageType::view_change), fields);
}

Bytes status_sign_bytes(const ChainContext& context, const StatusAnswer& answer) {
  ByteWriter attachments;
  put_status_attachments(attachments, answer);
  ByteWriter fields(192);
  put_status_fields(fields, answer);
  fields.raw(crypto::hash_tagged(context.suite, "galen/1 status", {attachments.bytes()}));
  return joined(sign_prefix(context, MessageType::status), fields);
}

Bytes sign_bytes(const ChainContext& context, const Prepare& m) {
  return vote_sign_bytes(context, VotePhase::prepare, m.sender, m.subject);
}
Bytes sign_bytes(const ChainContext& context, const Commit& m) {
  return vote_sign_bytes(context, VotePhase::commit, m.sender, m.subject);
}
Bytes sign_bytes(const ChainContext& context, const Executed& m) {
  return executed_sign_bytes(context, m.sender, m.subject);
}

}  // namespace galen::consensus
