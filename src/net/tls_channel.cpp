#include "net/tls_channel.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

namespace galen::net {

namespace {

constexpr std::uint8_t kRecordAlert = 21, kRecordHandshake = 22;

/// The first error OpenSSL queued is the cause; later ones say where it surfaced.
TlsFailure explain(unsigned long code) {
  const char* text = ERR_reason_error_string(code);
  TlsFailure failure{Refusal::TLS_ERROR, text ? text : "unknown TLS error"};
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return failure;
  int reason = ERR_GET_REASON(code);
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      failure.reason = Refusal::NO_CERTIFICATE;
      break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      failure.reason = Refusal::TLS_VERSION;
      break;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      failure.reason = Refusal::NOT_TLS;
      break;
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL:
      failure.reason = Refusal::ALPN;
      break;
    case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REVOKED:
      failure.reason = Refusal::MEMBER_REMOVED;
      break;
    default:
      if (reason > SSL_AD_REASON_OFFSET) failure.reason = Refusal::REFUSED_BY_PEER;
  }
  return failure;
}

}  // namespace

TlsChannel::TlsChannel(std::shared_ptr<const TlsContext> context, std::optional<MemberIndex> expected)
    : context_(std::move(context)) {
  session_.expected = expected;
  ssl_ = context_->new_ssl(session_, expected.has_value());
  in_ = BIO_new(BIO_s_mem());
  out_ = BIO_new(BIO_s_mem());
  GALEN_ASSERT(in_ != nullptr && out_ != nullptr);
  SSL_set_bio(ssl_, in_, out_);
  SSL_set_msg_callback(ssl_, &TlsChannel::on_tls_message);
  SSL_set_msg_callback_arg(ssl_, this);
}

// Called for each message, before OpenSSL acts on it: what is buffered behind it is not worth an answer any more.
void TlsChannel::on_tls_message(int is_written, int, int content_type, const void*, std::size_t, SSL*, void* channel) {
  auto& self = *static_cast<TlsChannel*>(channel);
  if (is_written != 0 || content_type != SSL3_RT_HANDSHAKE || !self.established_) return;
  self.renewed_ = true;
  BIO_reset(self.in_);
}

TlsChannel::~TlsChannel() { SSL_free(ssl_); }

void TlsChannel::feed(ByteSpan ciphertext) {
  if (failure_ || ciphertext.empty()) return;
  if (!established_) {
    bool first = handshake_bytes_ == 0;
    handshake_bytes_ += ciphertext.size();
    // A dialled server may answer with an alert at once; a client never does.
    if (first && ciphertext[0] != kRecordHandshake && !(session_.expected && ciphertext[0] == kRecordAlert)) {
      failure_ = TlsFailure{Refusal::NOT_TLS, fmt::format("first byte {:#04x}", ciphertext[0])};
      return;
    }
    if (handshake_bytes_ > kHandshakeBytesMax) {
      failure_ =
          TlsFailure{Refusal::TOO_MANY_BYTES, fmt::format("more than {} bytes of handshake", kHandshakeBytesMax)};
      return;
    }
  }
  auto taken = BIO_write(in_, ciphertext.data(), static_cast<int>(ciphertext.size()));
  GALEN_ASSERT(taken == static_cast<int>(ciphertext.size()));
  if (!established_) handshake();
}

void TlsChannel::handshake() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    const unsigned char* protocol = nullptr;
    unsigned int bytes = 0;
    SSL_get0_alpn_selected(ssl_, &protocol, &bytes);
    if (bytes == 0) {
      failure_ = TlsFailure{Refusal::ALPN, "no protocol chosen"};
    } else if (!session_.identity.member) {
      failure_ = TlsFailure{Refusal::NO_CERTIFICATE, "no certificate was checked"};
    } else {
      established_ = true;
    }
    return;
  }
  auto error = SSL_get_error(ssl_, result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) fail_with_openssl_error();
}

void TlsChannel::fail_with_openssl_error() {
  if (session_.identity.refusal) {
    failure_ = TlsFailure{*session_.identity.refusal, session_.identity.detail};
  } else {
    failure_ = explain(ERR_peek_error());
    // Before the handshake is through anybody on the way may have said so.
    if (!established_ && failure_->reason == Refusal::MEMBER_REMOVED) failure_->reason = Refusal::REFUSED_BY_PEER;
  }
  ERR_clear_error();
}

std::size_t TlsChannel::read(std::span<std::uint8_t> out) {
  if (failure_ || ended_ || !established_) return 0;
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl_, out.data(), out.size(), &count);
  if (renewed_) {
    failure_ = TlsFailure{Refusal::MALFORMED, "a TLS handshake message after the handshake"};
    ERR_clear_error();
    return 0;
  }
  if (result == 1) return count;
  switch (SSL_get_error(ssl_, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return 0;
    case SSL_ERROR_ZERO_RETURN:
      ended_ = true;
      return 0;
    default:
      fail_with_openssl_error();
      return 0;
  }
}

void TlsChannel::write(ByteSpan plaintext) {
  if (failure_ || plaintext.empty()) return;
  GALEN_ASSERT(established_);
  ERR_clear_error();
  std::size_t written = 0;
  // A memory BIO takes everything, so this is all or nothing.
  if (SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &written) != 1 || written != plaintext.size())
    fail_with_openssl_error();
}

void TlsChannel::end() {
  if (established_ && !failure_) SSL_shutdown(ssl_);
  ERR_clear_error();
}

void TlsChannel::take_output(Bytes& out) {
  auto pending = BIO_ctrl_pending(out_);
  if (pending == 0) return;
  auto at = out.size();
  out.resize(at + pending);
  auto taken = BIO_read(out_, out.data() + at, static_cast<int>(pending));
  GALEN_ASSERT(taken == static_cast<int>(pending));
}

}  // namespace galen::net
