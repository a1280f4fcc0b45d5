// What `galenctl ledger verify` checks beside the ledger: the log, the keyring, the vault's index (docs/spec/log.md 4,
// docs/spec/commitments.md 4 and 5). Of a stopped node; reads only, and needs no key. One thread.
#pragma once

#include <string>
#include <vector>

namespace galen::node {

struct FileFinding {
  std::string where;  ///< "log", "keyring", "vault"
  std::string file;   ///< its path, or the folder's where it is not known which file it is
  std::string what;   ///< one sentence
};

/// `data_dir` is locked by the caller. Empty: whole, as far as checksums and copies tell, and the parts fit each other.
std::vector<FileFinding> verify_files(const std::string& data_dir);

}  // namespace galen::node
