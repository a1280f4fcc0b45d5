// The TLS settings of the mesh and the pins of its members: TLS 1.3 only, mutual, no tickets, ALPN "galen/1". A peer is
// accepted only if its certificate names exactly one member (SAN URI) and chains to a CA certificate pinned for that
// very member. A pin is that certificate, or its fingerprint: each side shows its CA certificate with its own. Immutable after
// make, shared by all connections; a renewed certificate, or one more pin, is a new context (D18, reliability 6.1).
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "galen/net/mesh.hpp"

namespace galen::net {

/// What the certificate check found out about the other side, filled during the handshake.
struct PeerIdentity {
  std::optional<MemberIndex> member;  ///< set only when everything fits
  std::optional<Refusal> refusal;
  std::string detail;
  std::string subject, issuer;  ///< printable; empty if no certificate was shown
  std::int64_t not_after_s = 0;
};

class TlsContext {
 public:
  static Result<std::shared_ptr<const TlsContext>> make(const MeshOptions& options);
  ~TlsContext();

  /// A new TLS state for one connection; `identity` and `expected` must outlive it.
  struct Session {
    const TlsContext* context = nullptr;
    std::optional<MemberIndex> expected;  ///< the member that was dialled
    PeerIdentity identity;
  };
  SSL* new_ssl(Session& session, bool dialled) const;
  std::int64_t not_after_s() const { return not_after_s_; }

 private:
  TlsContext() = default;
  Status load_pins(const MeshOptions& options);
  Status load_own(const MeshOptions& options);
  Status judge_own(const MeshOptions& options) const;
  void show_own_cas();
  void apply_settings();
  void judge(Session& session, X509_STORE_CTX* presented) const;
  /// An X509_V_* error of the chain from the presented certificate to one of the member's pins.
  int verify_chain(X509_STORE_CTX* presented, MemberIndex member, bool peer_is_client) const;
  static int verify_to(X509* anchor, X509_STORE_CTX* presented, bool peer_is_client);
  static int verify_callback(X509_STORE_CTX* presented, void* context);
  static int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_bytes, const unsigned char* in,
                         unsigned int in_bytes, void*);

  template <class T, void (*release)(T*)>
  struct Release {
    void operator()(T* object) const { release(object); }
  };
  struct Pin {
    PrincipalId id;
    std::string name;
    std::vector<std::unique_ptr<X509, Release<X509, X509_free>>> anchors;
    std::vector<Hash> fingerprints;  ///< of further anchors, if they are shown
  };
  static Status add_anchors(Pin& pin, const std::string& pem, bool all);
  std::unique_ptr<SSL_CTX, Release<SSL_CTX, SSL_CTX_free>> ctx_;
  std::vector<Pin> pins_;
  std::vector<PrincipalId> former_;
  MemberIndex self_ = 0;
  std::int64_t not_after_s_ = 0;
};

}  // namespace galen::net
