#include "net/tls_context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/crypto/x509_tls.hpp"
#include "net/wire.hpp"

namespace galen::net {

namespace {

constexpr unsigned char kAlpn[] = {7, 'g', 'a', 'l', 'e', 'n', '/', '1'};
constexpr int kChainDepthMax = 3;
constexpr int kSecurityLevel = 2;
constexpr long kPeerChainBytesMax = 32 * 1024;

/// Where a Session hangs on its SSL.
int session_slot() {
  static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return slot;
}

std::string openssl_reason() {
  auto code = ERR_peek_last_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return text ? text : "no reason given";
}

Error config_error(std::string message) { return make_error(ErrorCode::CONFIG_INVALID, std::move(message)); }

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) return config_error(fmt::format("cannot read {}", path));
  return text.str();
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;

std::string to_pem(X509* certificate) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::optional<Hash> fingerprint_of(X509* certificate) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned int bytes = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &bytes) != 1) return std::nullopt;
  return Hash::from(ByteSpan(digest.data(), bytes));
}

Refusal refusal_of(int verify_error) {
  switch (verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Refusal::EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Refusal::NOT_YET_VALID;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
      return Refusal::UNKNOWN_CA;
    default:
      return Refusal::BAD_CERTIFICATE;
  }
}

}  // namespace

TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const MeshOptions& options) {
  if (options.self >= options.members.size()) return config_error("this node is not among the members");
  std::shared_ptr<TlsContext> context(new TlsContext);
  ERR_clear_error();
  context->self_ = options.self;
  context->ctx_.reset(SSL_CTX_new(TLS_method()));
  if (!context->ctx_) return make_error(ErrorCode::INTERNAL, fmt::format("no TLS context: {}", openssl_reason()));
  context->apply_settings();
  GALEN_TRY(context->load_pins(options));
  GALEN_TRY(context->load_own(options));
  return std::shared_ptr<const TlsContext>(std::move(context));
}

void TlsContext::apply_settings() {
  SSL_CTX* ctx = ctx_.get();
  bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
            SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1;
  ok = ok && SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1;
  ok = ok && SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256:ECDSA+SHA384:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384") == 1;
  ok = ok && SSL_CTX_set_num_tickets(ctx, 0) == 1;
  ok = ok && SSL_CTX_set_alpn_protos(ctx, kAlpn, sizeof kAlpn) == 0;  // zero is success here
  GALEN_ASSERT(ok);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_early_data(ctx, 0);
  SSL_CTX_set_max_cert_list(ctx, kPeerChainBytesMax);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_security_level(ctx, kSecurityLevel);
  SSL_CTX_set_alpn_select_cb(ctx, &TlsContext::choose_alpn, nullptr);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, &TlsContext::verify_callback, this);
}

Status TlsContext::add_anchors(Pin& pin, const std::string& pem, bool all) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auto before = pin.anchors.size();
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    pin.anchors.emplace_back(certificate);
    if (!all) break;
  }
  if (pin.anchors.size() == before)
    return config_error(fmt::format("the CA certificate of member {} cannot be read: {}", pin.name, openssl_reason()));
  ERR_clear_error();  // the end of the text is one
  return {};
}

Status TlsContext::load_pins(const MeshOptions& options) {
  for (const auto& member : options.members) {
    Pin pin;
    pin.id = member.id;
    pin.name = member.name;
    pin.fingerprints = member.more_ca_fingerprints;
    if (member.ca_pem.empty())
      pin.fingerprints.push_back(member.ca_fingerprint);
    else
      GALEN_TRY(add_anchors(pin, member.ca_pem, false));
    for (const auto& pem : member.more_ca_pems) GALEN_TRY(add_anchors(pin, pem, true));
    pins_.push_back(std::move(pin));
  }
  former_ = options.former;
  return {};
}

Status TlsContext::load_own(const MeshOptions& options) {
  struct stat key_mode {};
  if (::stat(options.key_path.c_str(), &key_mode) != 0)
    return config_error(fmt::format("cannot read {}", options.key_path));
  if ((key_mode.st_mode & S_IRWXO) != 0)
    return make_error(ErrorCode::KEY_FILE_READABLE,
                      fmt::format("everybody on this machine may use the TLS key {}", options.key_path));
  if (SSL_CTX_use_certificate_chain_file(ctx_.get(), options.certificate_path.c_str()) != 1)
    return config_error(
        fmt::format("the TLS certificate {} cannot be used: {}", options.certificate_path, openssl_reason()));
  if (SSL_CTX_use_PrivateKey_file(ctx_.get(), options.key_path.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(ctx_.get()) != 1)
    return config_error(fmt::format("the TLS key {} cannot be used or is not the certificate's: {}", options.key_path,
                                    openssl_reason()));
  GALEN_ASSIGN(auto pem, read_file(options.certificate_path));
  GALEN_ASSIGN(auto info, crypto::parse_certificate(pem));
  if (info.principal != pins_[self_].id)
    return config_error(fmt::format("the TLS certificate {} does not name this member ({})", options.certificate_path,
                                    crypto::principal_uri(pins_[self_].id)));
  not_after_s_ = info.not_after_s;
  show_own_cas();
  return judge_own(options);
}

// As the others will: better now in the log than later as a mystery at every peer.
Status TlsContext::judge_own(const MeshOptions& options) const {
  const auto& pin = pins_[self_];
  const auto& member = options.members[self_];
  if (pin.anchors.empty()) {
    log::error("the CA certificate that is pinned for this member is not here: the others will refuse certificate={}",
               options.certificate_path);
    return {};
  }
  std::unique_ptr<X509_STORE, Release<X509_STORE, X509_STORE_free>> none(X509_STORE_new());
  std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX, X509_STORE_CTX_free>> presented(X509_STORE_CTX_new());
  STACK_OF(X509)* extra = nullptr;
  SSL_CTX_get_extra_chain_certs(ctx_.get(), &extra);
  if (!none || !presented ||
      X509_STORE_CTX_init(presented.get(), none.get(), SSL_CTX_get0_certificate(ctx_.get()), extra) != 1)
    return make_error(ErrorCode::INTERNAL, openssl_reason());
  int error = verify_chain(presented.get(), self_, true);
  if (error == X509_V_OK) error = verify_chain(presented.get(), self_, false);
  auto why = error == X509_V_OK ? Refusal::BAD_CERTIFICATE : refusal_of(error);
  if (error != X509_V_OK && why != Refusal::EXPIRED && why != Refusal::NOT_YET_VALID)
    return config_error(fmt::format("the TLS certificate {} will be refused by the others: {} ({})",
                                    options.certificate_path, meaning(why), X509_verify_cert_error_string(error)));
  if (error != X509_V_OK)
    log::error(
        "own TLS certificate is outside its validity, the others will refuse it certificate={} why={} not_after={}",
        options.certificate_path, to_reason(why), crypto::time_text(not_after_s_));
  // One that was away while its CA changed does not know it yet, and has to be able to show what the others expect.
  const auto pinned = member.ca_pem.empty() ? std::optional(member.ca_fingerprint) : fingerprint_of(pin.anchors.front().get());
  const bool below_the_pin = std::any_of(pin.anchors.begin(), pin.anchors.end(), [&](const auto& anchor) {
    return fingerprint_of(anchor.get()) == pinned && verify_to(anchor.get(), presented.get(), true) == X509_V_OK;
  });
  if (error == X509_V_OK && !below_the_pin)
    log::warn("own TLS certificate is not below the CA that the ledger here pins for this member: only who knows of a change of it "
              "lets this node in certificate={}",
              options.certificate_path);
  return {};
}

// Whoever knows only a fingerprint takes the certificate from here.
void TlsContext::show_own_cas() {
  for (const auto& ca : pins_[self_].anchors) {
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(ctx_.get(), &chain);
    bool is_shown = false;
    for (int i = 0; i < sk_X509_num(chain); ++i) is_shown |= X509_cmp(sk_X509_value(chain, i), ca.get()) == 0;
    // One that OpenSSL does not like in a chain may still be a good anchor: those who have it need not be shown it.
    if (!is_shown && SSL_CTX_add1_chain_cert(ctx_.get(), ca.get()) != 1)
      log::warn("the CA certificate cannot be shown to the other members error=\"{}\"", openssl_reason());
  }
}

SSL* TlsContext::new_ssl(Session& session, bool dialled) const {
  SSL* ssl = SSL_new(ctx_.get());
  GALEN_ASSERT(ssl != nullptr);
  session.context = this;
  GALEN_ASSERT(SSL_set_ex_data(ssl, session_slot(), &session) == 1);
  if (dialled)
    SSL_set_connect_state(ssl);
  else
    SSL_set_accept_state(ssl);
  return ssl;
}

int TlsContext::choose_alpn(SSL*, const unsigned char** out, unsigned char* out_bytes, const unsigned char* in,
                            unsigned int in_bytes, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kAlpn, sizeof kAlpn, in, in_bytes) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int TlsContext::verify_callback(X509_STORE_CTX* presented, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(presented, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* session = static_cast<Session*>(SSL_get_ex_data(ssl, session_slot()));
  session->context->judge(*session, presented);
  return session->identity.refusal ? 0 : 1;
}

void TlsContext::judge(Session& session, X509_STORE_CTX* presented) const {
  auto& identity = session.identity;
  auto refuse = [&](Refusal why, std::string detail, int error) {
    identity.refusal = why;
    identity.detail = std::move(detail);
    X509_STORE_CTX_set_error(presented, error);  // becomes the alert that the other side reads
  };
  X509* leaf = X509_STORE_CTX_get0_cert(presented);
  auto info = crypto::parse_certificate(to_pem(leaf));
  if (!info) return refuse(Refusal::BAD_CERTIFICATE, info.error().message, X509_V_ERR_UNSPECIFIED);
  identity.subject = wire::printable(info->subject);
  identity.issuer = wire::printable(info->issuer);
  identity.not_after_s = info->not_after_s;
  if (!info->principal)
    return refuse(Refusal::WRONG_MEMBER, "no urn:galen:principal name, or more than one",
                  X509_V_ERR_APPLICATION_VERIFICATION);
  std::optional<MemberIndex> member;
  for (std::size_t i = 0; i < pins_.size(); ++i)
    if (pins_[i].id == *info->principal) member = static_cast<MemberIndex>(i);
  // The alert of this error tells it so (wire.md 1); whether the certificate is good does not matter any more.
  if (!member && std::find(former_.begin(), former_.end(), *info->principal) != former_.end())
    return refuse(Refusal::MEMBER_REMOVED, "names a member that was removed", X509_V_ERR_CERT_REVOKED);
  if (!member)
    return refuse(Refusal::WRONG_MEMBER, "names a principal that is no member", X509_V_ERR_APPLICATION_VERIFICATION);
  if (*member == self_)
    return refuse(Refusal::WRONG_MEMBER, "names this node's own member", X509_V_ERR_APPLICATION_VERIFICATION);
  if (session.expected && *session.expected != *member)
    return refuse(Refusal::WRONG_MEMBER,
                  fmt::format("dialled {}, answered as {}", pins_[*session.expected].name, pins_[*member].name),
                  X509_V_ERR_APPLICATION_VERIFICATION);
  int error = verify_chain(presented, *member, !session.expected);
  if (error == X509_V_OK) {
    identity.member = member;
    return;
  }
  std::string detail = fmt::format("claims member {}: {}", pins_[*member].name, X509_verify_cert_error_string(error));
  for (const auto& pin : pins_)
    for (const auto& anchor : pin.anchors)
      if (pin.id != *info->principal && X509_check_issued(anchor.get(), leaf) == X509_V_OK)
        detail += fmt::format("; its issuer has the name of the CA of {}", pin.name);
  refuse(refusal_of(error), std::move(detail), error);
}

// Each pin by itself: two CAs of one hospital may have the same name, and another pin's chain is no reason to refuse this one's.
int TlsContext::verify_chain(X509_STORE_CTX* presented, MemberIndex member, bool peer_is_client) const {
  const auto& pin = pins_[member];
  int error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
  auto is_good = [&](X509* anchor) {
    const int found = verify_to(anchor, presented, peer_is_client);
    // What is wrong with a certificate of the right CA says more than that it is none of the others.
    if (found == X509_V_OK || refusal_of(error) == Refusal::UNKNOWN_CA) error = found;
    return found == X509_V_OK;
  };
  for (const auto& anchor : pin.anchors)
    if (is_good(anchor.get())) return X509_V_OK;
  STACK_OF(X509)* shown = X509_STORE_CTX_get0_untrusted(presented);
  for (int i = 0; i < sk_X509_num(shown); ++i) {
    const auto fingerprint = fingerprint_of(sk_X509_value(shown, i));
    if (!fingerprint || std::find(pin.fingerprints.begin(), pin.fingerprints.end(), *fingerprint) == pin.fingerprints.end()) continue;
    if (is_good(sk_X509_value(shown, i))) return X509_V_OK;
  }
  return error;
}

int TlsContext::verify_to(X509* anchor, X509_STORE_CTX* presented, bool peer_is_client) {
  std::unique_ptr<X509_STORE, Release<X509_STORE, X509_STORE_free>> store(X509_STORE_new());
  std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX, X509_STORE_CTX_free>> check(X509_STORE_CTX_new());
  if (!store || X509_STORE_add_cert(store.get(), anchor) != 1 || !check ||
      X509_STORE_CTX_init(check.get(), store.get(), X509_STORE_CTX_get0_cert(presented),
                          X509_STORE_CTX_get0_untrusted(presented)) != 1)
    return X509_V_ERR_OUT_OF_MEM;
  auto* parameters = X509_STORE_CTX_get0_param(check.get());
  // The pin is the anchor even when it is an intermediate of the hospital's own PKI.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_depth(parameters, kChainDepthMax);
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
  X509_STORE_CTX_set_default(check.get(), peer_is_client ? "ssl_client" : "ssl_server");
  ERR_clear_error();
  bool ok = X509_verify_cert(check.get()) == 1;
  int error = X509_STORE_CTX_get_error(check.get());
  ERR_clear_error();
  if (!ok && error == X509_V_OK) return X509_V_ERR_UNSPECIFIED;
  return ok ? X509_V_OK : error;
}

}  // namespace galen::net
