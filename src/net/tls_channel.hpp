// One TLS connection without a socket: ciphertext in, plaintext out, and the other way round. Owned by the net thread.
// Before the handshake is done it takes at most kHandshakeBytesMax from a stranger, and afterwards no handshake message
// at all: OpenSSL would answer every KeyUpdate within one read, without a bound. A failure is final and says why.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "net/tls_context.hpp"

namespace galen::net {

struct TlsFailure {
  Refusal reason = Refusal::TLS_ERROR;
  std::string detail;
};

class TlsChannel {
 public:
  static constexpr std::size_t kHandshakeBytesMax = 64 * 1024;

  /// `expected`: the member that was dialled; nothing on an accepted connection.
  TlsChannel(std::shared_ptr<const TlsContext> context, std::optional<MemberIndex> expected);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  /// Begins the handshake (dialler) or goes on with it; call feed for what the socket gave.
  void start() { handshake(); }
  void feed(ByteSpan ciphertext);
  bool established() const { return established_; }
  const std::optional<TlsFailure>& failure() const { return failure_; }
  /// The other side ended the TLS connection properly.
  bool ended() const { return ended_; }
  /// Decrypted bytes into `out`; 0 when there are none for now (or after a failure or the end).
  std::size_t read(std::span<std::uint8_t> out);
  /// Encrypts; only when established.
  void write(ByteSpan plaintext);
  /// Says that nothing more will be written.
  void end();
  /// Appends what must go to the socket.
  void take_output(Bytes& out);
  const PeerIdentity& identity() const { return session_.identity; }

 private:
  static void on_tls_message(int is_written, int version, int content_type, const void* bytes, std::size_t size,
                             SSL* ssl, void* channel);
  void handshake();
  void fail_with_openssl_error();

  std::shared_ptr<const TlsContext> context_;
  TlsContext::Session session_;
  SSL* ssl_ = nullptr;
  BIO* in_ = nullptr;   // owned by ssl_
  BIO* out_ = nullptr;  // owned by ssl_
  std::size_t handshake_bytes_ = 0;
  bool established_ = false;
  bool ended_ = false;
  bool renewed_ = false;  ///< a handshake message came after the handshake
  std::optional<TlsFailure> failure_;
};

}  // namespace galen::net
