// Who gets through the door: a bare OpenSSL client tries versions, certificates, and no TLS at all.
#include <signal.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <ctime>

#include "front_end.hpp"
#include "galen/socket/method.hpp"

namespace galen::api::test {
namespace {

// HTTP/2's preface and an empty SETTINGS frame; a server that accepts answers with its own.
const std::string kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

int connect_tcp(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const timeval patience{30, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

struct Attempt {
  int version_max = TLS1_3_VERSION;
  int version_min = TLS1_VERSION;
  std::optional<Identity> identity;
};

void use(SSL_CTX* context, const Identity& identity) {
  BIO* bio = BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  bio = BIO_new_mem_buf(identity.key.data(), static_cast<int>(identity.key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  EXPECT_EQ(SSL_CTX_use_certificate(context, certificate), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context, key), 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

/// True if the server speaks HTTP/2 with this client. Under TLS 1.3 a refusal shows only when the client reads.
bool accepted(int port, const Attempt& attempt) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);  // offers everything it can
  SSL_CTX_set_min_proto_version(context, attempt.version_min);
  SSL_CTX_set_max_proto_version(context, attempt.version_max);
  const unsigned char alpn[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn);
  if (attempt.identity) use(context, *attempt.identity);
  const int fd = connect_tcp(port);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  bool spoke = false;
  if (SSL_connect(ssl) == 1 && SSL_write(ssl, kPreface.data(), static_cast<int>(kPreface.size())) > 0) {
    unsigned char header[9];
    spoke = SSL_read(ssl, header, sizeof header) == sizeof header && header[3] == 4;  // SETTINGS
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  ::close(fd);
  return spoke;
}

class TlsTest : public FrontEndTest {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes into connections that were refused
    start([](const auto&) -> std::optional<galen::node::v1::Reply> { return galen::node::v1::Reply{}; });
  }
};

TEST_F(TlsTest, Tls13WithOurCertificateIsAccepted) {
  EXPECT_TRUE(accepted(port(), {.identity = client_}));
}

TEST_F(TlsTest, OlderTlsIsRefused) {
  for (int version : {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION})
    EXPECT_FALSE(accepted(port(), {.version_max = version, .identity = client_})) << version;
}

TEST_F(TlsTest, ForeignExpiredFutureOrMissingCertificatesAreRefused) {
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  EXPECT_FALSE(accepted(port(), {})) << "no certificate";
  EXPECT_FALSE(accepted(port(), {.identity = Pki().issue("client", principal_)})) << "another member's CA";
  EXPECT_FALSE(accepted(port(), {.identity = pki_.issue("old", principal_, now - 7200, now - 3600)})) << "expired";
  EXPECT_FALSE(accepted(port(), {.identity = pki_.issue("new", principal_, now + 3600, now + 7200)})) << "not yet";
  const auto key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
  const Identity self{crypto::make_ca_certificate(key, {.common_name = "self", .principal = principal_}), key.to_pem()};
  EXPECT_FALSE(accepted(port(), {.identity = self})) << "self-signed";
  EXPECT_TRUE(accepted(port(), {.identity = client_})) << "and it still serves";
}

TEST_F(TlsTest, ACertificateWithoutPrincipalConnectsButMayCallNothing) {
  const auto channel = connect(pki_.issue("nameless", std::nullopt));
  for (const auto& info : socket::kMethods) {
    const auto result = call(channel, "/" + std::string(info.service) + "/" + std::string(info.name));
    EXPECT_EQ(result.status.error_code(), grpc::UNAUTHENTICATED) << info.name;
    EXPECT_EQ(result.trailers.find("galen-reason")->second, "UNAUTHENTICATED");
  }
}

TEST_F(TlsTest, PlainTcpIsRefused) {
  const int fd = connect_tcp(port());
  ASSERT_EQ(::send(fd, kPreface.data(), kPreface.size(), MSG_NOSIGNAL), static_cast<ssize_t>(kPreface.size()));
  // At most a TLS alert comes back before the end, never an HTTP/2 frame.
  std::string got;
  char buffer[256];
  for (ssize_t n; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) got.append(buffer, static_cast<std::size_t>(n));
  EXPECT_TRUE(got.empty() || got[0] == 0x15) << got.size();
  ::close(fd);
  EXPECT_TRUE(accepted(port(), {.identity = client_}));
}

TEST_F(TlsTest, ARenewedCaIsTakenWithoutARestart) {
  const Pki renewed;
  const auto client = renewed.issue("client", principal_);
  ASSERT_FALSE(accepted(port(), {.identity = client}));
  pki_.write("ca.pem", pki_.ca() + renewed.ca());
  const auto until = std::chrono::steady_clock::now() + kPatience;
  bool taken = false;
  while (!taken && std::chrono::steady_clock::now() < until) taken = accepted(port(), {.identity = client});
  EXPECT_TRUE(taken);
  EXPECT_TRUE(accepted(port(), {.identity = client_}));
}

}  // namespace
}  // namespace galen::api::test
