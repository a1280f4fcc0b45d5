// The file holds one line that says what it is and one with the key in hexadecimal, so that an operator who opens it
// sees what must not be shown.
#include "galen/vault/master_key.hpp"

#include "galen/crypto/random.hpp"
#include "posix_store.hpp"

namespace galen::vault {
namespace {
constexpr std::string_view kTitle = "galen vault master key 1: keep secret\n";
}

Status MasterKey::create(const std::string& path) {
  const auto key = crypto::random_fixed<crypto::AeadKey>();
  return create_private_file(path, as_bytes(std::string(kTitle) + key.hex() + "\n"));
}

Result<MasterKey> MasterKey::load(const std::string& path) {
  GALEN_TRY(check_not_world_readable(path));
  GALEN_ASSIGN(const auto bytes, read_file(path, 4096));
  auto text = as_text(bytes);
  const Error foreign{ErrorCode::CONFIG_INVALID, "the file " + path + " is not a vault master key"};
  if (!text.starts_with(kTitle) || !text.ends_with('\n')) return foreign;
  text.remove_prefix(kTitle.size());
  text.remove_suffix(1);
  const auto key = crypto::AeadKey::parse_hex(text);
  if (!key) return foreign;
  MasterKey out;
  out.key_ = *key;
  return out;
}

}  // namespace galen::vault
