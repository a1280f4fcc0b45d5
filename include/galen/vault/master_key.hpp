// The member's master key: one file outside the index and the ledger, made by init, under which every key of the
// keyring is wrapped. Whoever holds this file and the keyring can open every commitment; whoever destroys it has erased
// all.
#pragma once

#include <string>

#include "galen/base/result.hpp"
#include "galen/crypto/aead.hpp"

namespace galen::vault {

class MasterKey {
 public:
  /// Writes a random key to a new file, mode 0600, synced. ALREADY_EXISTS, IO_ERROR.
  static Status create(const std::string& path);
  /// KEY_FILE_READABLE when others than owner and group can read it, NOT_FOUND, CONFIG_INVALID for foreign content.
  static Result<MasterKey> load(const std::string& path);

  const crypto::AeadKey& key() const { return key_; }

 private:
  crypto::AeadKey key_{};
};

}  // namespace galen::vault
