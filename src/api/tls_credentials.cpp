// gRPC's own watcher of files (FileWatcherCertificateProvider) throws away what it has when what it reads cannot be
// used, and reads a key and its certificate one after the other. The C interface asks at each handshake, takes all of
// it at once, and keeps what it has if it cannot use the new; gRPC 1.51 has no C++ class for it.
#include "api/tls_credentials.hpp"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <mutex>
#include <vector>

namespace galen::api {
namespace {

/// What one port was given last: gRPC keeps a copy for each.
struct Port {
  explicit Port(const CertificateFiles& from) : files(from) {}
  const CertificateFiles& files;
  std::mutex mutex;
  std::shared_ptr<const CertificateFiles::Texts> given;
};

grpc_ssl_certificate_config_reload_status on_handshake(void* given_port, grpc_ssl_server_certificate_config** out) {
  auto& port = *static_cast<Port*>(given_port);
  auto texts = port.files.current();
  std::lock_guard lock(port.mutex);
  if (texts == port.given) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair{texts->key.c_str(), texts->certificate.c_str()};
  *out = grpc_ssl_server_certificate_config_create(texts->client_ca.c_str(), &pair, 1);
  port.given = std::move(texts);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

class TlsCredentials final : public grpc::ServerCredentials {
 public:
  explicit TlsCredentials(const CertificateFiles& files) : files_(files) {}
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    ports_.push_back(std::make_unique<Port>(files_));
    auto* options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, &on_handshake, ports_.back().get());
    auto* credentials = grpc_ssl_server_credentials_create_with_options(options);
    const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
    grpc_server_credentials_release(credentials);
    return port;
  }

  const CertificateFiles& files_;
  std::vector<std::unique_ptr<Port>> ports_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> make_tls_credentials(const CertificateFiles& files) {
  return std::make_shared<TlsCredentials>(files);
}

}  // namespace galen::api
