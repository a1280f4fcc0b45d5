#include "galen/consensus/messages.hpp"

#include "consensus/message_fields.hpp"
#include "galen/types/equivocation.hpp"
#include "galen/types/limits.hpp"

namespace galen::consensus {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kOfEpoch = 48;  ///< in place of a kind: an epoch stands before the message

/// First byte on the wire: the number of the signed message, or of a repair message from 32 on. Never renumbered.
enum class Kind : std::uint8_t {
  pre_prepare = 2,
  prepare = 3,
  commit = 4,
  view_change = 5,
  status_answer = 6,
  executed = 7,
  status_request = 32,
  fetch_skeleton = 33,
  skeleton = 34,
  fetch_certificate = 35,
  certificate = 36,
};

Error malformed(const char* what) { return make_error(ErrorCode::MALFORMED, what); }

VoteSubject get_subject(ByteReader& in) {
  VoteSubject out;
  out.view = in.u64();
  out.height = in.u64();
  out.digest = in.fixed<Hash>();
  return out;
}

/// A flag byte that is 0 or 1 and nothing else: one value, one encoding.
Result<bool> get_flag(ByteReader& in) {
  auto flag = in.u8();
  if (!in.ok() || flag > 1) return malformed("message: a presence flag is neither 0 nor 1");
  return flag == 1;
}
Result<std::optional<QuorumCertificate>> get_certificate(ByteReader& in) {
  GALEN_ASSIGN(bool present, get_flag(in));
  if (!present) return std::optional<QuorumCertificate>();
  GALEN_ASSIGN(auto certificate, QuorumCertificate::read(in));
  return std::optional<QuorumCertificate>(std::move(certificate));
}

constexpr std::size_t kViewChangeHeaderBytes = 2 + 8 + 48 + 8 + Signature::kSize;
ViewChangeHeader get_view_change_header(ByteReader& in) {
  ViewChangeHeader out;
  out.sender = in.u16();
  out.target = in.u64();
  out.high = get_subject(in);
  out.commit_height = in.u64();
  out.signature = in.fixed<Signature>();
  return out;
}

template <class Vote>
Vote get_vote(ByteReader& in) {
  Vote out;
  out.sender = in.u16();
  out.subject = get_subject(in);
  out.signature = in.fixed<Signature>();
  return out;
}

void put_justification(ByteWriter& out, const Justification& justification) {
  out.u8(static_cast<std::uint8_t>(justification.kind));
  if (justification.kind == Justification::Kind::none) return;
  if (justification.kind == Justification::Kind::new_view) {
    out.u16(static_cast<std::uint16_t>(justification.view_changes.size()));
    for (const auto& header : justification.view_changes) put(out, header);
  }
  put(out, justification.certificate);
}
Result<Justification> get_justification(ByteReader& in) {
  Justification out;
  auto kind = in.u8();
  if (!in.ok() || kind > 3) return malformed("pre-prepare: justification");
  out.kind = static_cast<Justification::Kind>(kind);
  if (out.kind == Justification::Kind::none) return out;
  if (out.kind == Justification::Kind::new_view) {
    std::size_t count = in.u16();
    if (!in.ok() || count > limits::kMembersMax || in.remaining() < count * kViewChangeHeaderBytes)
      return malformed("pre-prepare: count of view changes");
    out.view_changes.reserve(count);
    for (std::size_t i = 0; i < count; ++i) out.view_changes.push_back(get_view_change_header(in));
  }
  GALEN_ASSIGN(out.certificate, get_certificate(in));
  return out;
}

struct Encoder {
  ByteWriter out;
  void begin(Kind kind) { out.u8(static_cast<std::uint8_t>(kind)).u8(kVersion); }

  void operator()(const PrePrepare& m) {
    begin(Kind::pre_prepare);
    out.u16(m.sender).u64(m.view);
    m.block.append_to(out);
    put_justification(out, m.justification);
    out.raw(m.signature);
  }
  void operator()(const Prepare& m) { begin(Kind::prepare), put_vote(out, m); }
  void operator()(const Commit& m) { begin(Kind::commit), put_vote(out, m); }
  void operator()(const ViewChange& m) {
    begin(Kind::view_change);
    put(out, m.header);
    put(out, m.high_qc);
  }
  void operator()(const StatusRequest& m) {
    begin(Kind::status_request);
    out.u64(m.nonce).u64(m.view).u64(m.commit_height);
  }
  void operator()(const StatusAnswer& m) {
    begin(Kind::status_answer);
    put_status_fields(out, m);
    put_status_attachments(out, m);
    out.raw(m.signature);
  }
  void operator()(const Executed& m) {
    begin(Kind::executed);
    out.u16(m.sender).u64(m.subject.height).raw(m.subject.digest).raw(m.subject.state_root);
    out.raw(m.subject.results_root).raw(m.signature);
  }
  void operator()(const FetchSkeleton& m) { begin(Kind::fetch_skeleton), out.raw(m.digest); }
  void operator()(const Skeleton& m) { begin(Kind::skeleton), m.block.append_to(out); }
  void operator()(const FetchCertificate& m) { begin(Kind::fetch_certificate), out.u64(m.height); }
  void operator()(const Certificate& m) { begin(Kind::certificate), m.certificate.append_to(out); }
};

Result<Message> decode_pre_prepare(crypto::Suite suite, ByteReader& in) {
  PrePrepare out;
  out.sender = in.u16();
  out.view = in.u64();
  GALEN_ASSIGN(out.block, BlockSkeleton::read(suite, in));
  GALEN_ASSIGN(out.justification, get_justification(in));
  out.signature = in.fixed<Signature>();
  if (in.ok()) out.digest = out.block.header.digest(suite);
  return Message(std::move(out));
}

Result<Message> decode_view_change(ByteReader& in) {
  ViewChange out;
  out.header = get_view_change_header(in);
  GALEN_ASSIGN(out.high_qc, get_certificate(in));
  return Message(std::move(out));
}

Result<Message> decode_status(ByteReader& in) {
  StatusAnswer out;
  out.sender = in.u16();
  out.asker = in.u16();
  out.nonce = in.u64();
  auto mode = in.u8();
  if (mode > static_cast<std::uint8_t>(Mode::diverged)) return malformed("status: mode");
  out.mode = static_cast<Mode>(mode);
  out.view = in.u64();
  out.max_view_change = in.u64();
  out.high = get_subject(in);
  out.tip = get_subject(in);
  out.executed_height = in.u64();
  out.wall_ms = in.u64();
  GALEN_ASSIGN(out.high_qc, get_certificate(in));
  GALEN_ASSIGN(out.tip_qc, get_certificate(in));
  GALEN_ASSIGN(bool has_prepare, get_flag(in));
  if (has_prepare) out.seen_prepare = get_vote<Prepare>(in);
  GALEN_ASSIGN(bool has_commit, get_flag(in));
  if (has_commit) out.seen_commit = get_vote<Commit>(in);
  GALEN_ASSIGN(bool has_view_change, get_flag(in));
  if (has_view_change) out.seen_view_change = get_view_change_header(in);
  out.signature = in.fixed<Signature>();
  return Message(std::move(out));
}

Message decode_executed(ByteReader& in) {
  Executed out;
  out.sender = in.u16();
  out.subject.height = in.u64();
  out.subject.digest = in.fixed<Hash>();
  out.subject.state_root = in.fixed<Hash>();
  out.subject.results_root = in.fixed<Hash>();
  out.signature = in.fixed<Signature>();
  return out;
}

Result<Message> decode_body(Kind kind, crypto::Suite suite, ByteReader& in) {
  switch (kind) {
    case Kind::pre_prepare: return decode_pre_prepare(suite, in);
    case Kind::prepare: return Message(get_vote<Prepare>(in));
    case Kind::commit: return Message(get_vote<Commit>(in));
    case Kind::view_change: return decode_view_change(in);
    case Kind::status_answer: return decode_status(in);
    case Kind::executed: return decode_executed(in);
    case Kind::status_request: {
      StatusRequest out;
      out.nonce = in.u64();
      out.view = in.u64();
      out.commit_height = in.u64();
      return Message(out);
    }
    case Kind::fetch_skeleton: return Message(FetchSkeleton{in.fixed<Hash>()});
    case Kind::skeleton: {
      GALEN_ASSIGN(auto block, BlockSkeleton::read(suite, in));
      return Message(Skeleton{std::move(block)});
    }
    case Kind::fetch_certificate: return Message(FetchCertificate{in.u64()});
    case Kind::certificate: {
      GALEN_ASSIGN(auto certificate, QuorumCertificate::read(in));
      return Message(Certificate{std::move(certificate)});
    }
  }
  return malformed("message: unknown kind");
}

}  // namespace

Bytes Justification::encode() const {
  ByteWriter out;
  put_justification(out, *this);
  return std::move(out).take();
}

Bytes encode(const Message& message) {
  Encoder encoder;
  std::visit(encoder, message);
  return std::move(encoder.out).take();
}

Result<Message> decode(crypto::Suite suite, ByteSpan bytes) {
  ByteReader in(bytes);
  auto kind = static_cast<Kind>(in.u8());
  auto version = in.u8();
  if (!in.ok()) return malformed("message: too short");
  if (version != kVersion) return Error{ErrorCode::UNSUPPORTED_VERSION, "message: unknown version"};
  GALEN_ASSIGN(auto message, decode_body(kind, suite, in));
  if (!in.done()) return malformed("message: wrong length");
  return message;
}

Bytes encode_in(Epoch epoch, const Message& message) {
  auto bytes = encode(message);
  if (epoch == 1) return bytes;
  ByteWriter out(10 + bytes.size());
  out.u8(kOfEpoch).u8(kVersion).u64(epoch).raw(bytes);
  return std::move(out).take();
}

Result<MessageOfEpoch> decode_of_epoch(crypto::Suite suite, ByteSpan bytes) {
  MessageOfEpoch out;
  if (!bytes.empty() && bytes[0] == kOfEpoch) {
    ByteReader in(bytes);
    in.u8();
    auto version = in.u8();
    out.epoch = in.u64();
    if (!in.ok()) return malformed("message: too short");
    if (version != kVersion) return Error{ErrorCode::UNSUPPORTED_VERSION, "message: unknown version"};
    if (out.epoch <= 1) return malformed("message: the first epoch is not named");  // one value, one encoding
    bytes = bytes.subspan(bytes.size() - in.remaining());
  }
  GALEN_ASSIGN(out.message, decode(suite, bytes));
  return out;
}

}  // namespace galen::consensus
