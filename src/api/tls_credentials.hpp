// The server side of TLS for gRPC, with certificates that may change while it serves.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "api/certificate_files.hpp"

namespace galen::api {

/// Mutual TLS with what is current at each handshake. The files must be loaded; they and these credentials must outlive
/// the server.
std::shared_ptr<grpc::ServerCredentials> make_tls_credentials(const CertificateFiles& files);

}  // namespace galen::api
