// What an operator writes, and certificates that somebody shows: node.toml and X.509.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "fuzz/fuzz.hpp"
#include "galen/crypto/pem.hpp"
#include "galen/crypto/x509.hpp"
#include "galen/node/config.hpp"

namespace galen {

GALEN_FUZZ_TARGET(node_toml) {
  static const std::string path = (std::filesystem::temp_directory_path() / ("galen-fuzz-" + std::to_string(::getpid()) + ".toml")).string();
  std::ofstream(path, std::ios::binary) << as_text(input);
  auto config = node::load_config(path);
  auto values = node::explain_config(path);
  std::filesystem::remove(path);
  GALEN_ASSERT(config.has_value() == values.has_value());
  if (config) GALEN_ASSERT(!config->member.empty() || !config->data_dir.empty());
  else GALEN_ASSERT(config.error().code == ErrorCode::CONFIG_INVALID && !config.error().message.empty());
}

GALEN_FUZZ_TARGET(x509) {
  crypto::parse_certificate(as_text(input)).has_value();
  crypto::parse_certificate_der(input).has_value();
  // What the strict reader takes, OpenSSL's takes too, and finds the same.
  if (auto der = crypto::read_strict_pem(as_text(input), "CERTIFICATE"); der && crypto::parse_certificate_der(*der))
    GALEN_ASSERT(*crypto::certificate_fingerprint(as_text(input)) == crypto::certificate_fingerprint_der(*der));
}

}  // namespace galen
