// node.toml: what one hospital sets for its node (docs/operations.md). Consortium facts are in genesis.json, not here.
// Unknown keys are errors that name file, line and the nearest known key; relative paths are relative to the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "galen/base/result.hpp"

namespace galen::node {

struct Config {
  std::string member;            ///< name in genesis, or, of a member that came later, for logs and in others' [peers.addresses]
  std::string member_id;         ///< 64 hex digits; of a member that is not in genesis
  std::string genesis;           ///< path of genesis.json
  std::string data_dir;
  std::string log_level = "info";
  std::string log_file;          ///< empty: stderr

  struct Keys {
    std::string consensus;       ///< PKCS#8 PEM, 0600
    std::string consensus_next;  ///< empty, or the key to use from the epoch on that names it
    std::string tls_cert;        ///< peer mesh certificate chain, PEM
    std::string tls_key;
    std::string master;          ///< the vault's master key, made by galend init
  } keys;

  struct Peers {
    std::string listen;          ///< host:port
    std::map<std::string, std::string> addresses;  ///< member name -> host:port, resolved again at each dial
    std::map<std::string, std::string> cas;        ///< member name -> file of a CA certificate that is good for it as well
  } peers;

  struct Api {
    bool enabled = true;
    std::string listen;          ///< host:port of gRPC
    std::string cert;
    std::string key;
    std::string client_ca;       ///< CA of this member's client certificates
    bool reflection = true;
    std::string program;         ///< path of galend-api; empty: beside galend
    std::uint32_t memory_mib_max = 1024;
  } api;

  struct Limits {
    std::uint32_t open_writes_max = 20'000;  ///< calls of the front end in progress; these are the most as well
    std::uint32_t open_reads_max = 4'000;
    std::uint32_t log_segment_mib = 64;
    std::uint64_t log_segment_bytes() const { return std::uint64_t{log_segment_mib} << 20; }
    std::uint32_t peer_mib_per_second_max = 64;    ///< taken of each other member, a quarter of it kept for votes; 0: no bound
    std::uint32_t block_cache_mib = 64;            ///< of the ledger's rows, kept in memory; 0: none
  } limits;

  struct Scrub {
    std::uint32_t period_s = 7 * 24 * 3600;  ///< one full pass over ledger, log, vault and keyring; 0: no scrub
  } scrub;

  struct Sync {
    std::uint32_t snapshot_interval_blocks = 20'000;  ///< a snapshot about every so many blocks; 0: none are made
    std::uint32_t join_behind_blocks = 10'000;        ///< so far behind, the node joins by snapshot; 0: never
  } sync;

  std::string path;              ///< of the file itself
};

struct ConfigValue {
  std::string key;
  std::string value;             ///< secrets are paths, never contents
  std::string source;            ///< "file:line" or "default"
};

/// CONFIG_INVALID with file:line, the key, why, and the nearest known key for an unknown one.
Result<Config> load_config(const std::string& path);
/// Every setting with its value and where it comes from, for --print-config.
Result<std::vector<ConfigValue>> explain_config(const std::string& path);

}  // namespace galen::node
