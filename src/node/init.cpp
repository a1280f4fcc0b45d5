#include "galen/node/init.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "galen/base/log.hpp"
#include "galen/execution/executor.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/file_access.hpp"
#include "galen/node/log.hpp"
#include "galen/types/limits.hpp"
#include "galen/vault/records.hpp"

namespace galen::node {

std::string genesis_copy_path(const std::string& data_dir) { return data_dir + "/genesis.json"; }

namespace {

Error invalid(const Config& config, std::string_view what) {
  return {ErrorCode::CONFIG_INVALID, fmt::format("{}: {}", config.path, what)};
}

Result<PrincipalId> find_member(const Config& config, const Genesis& genesis) {
  for (const auto& member : genesis.members)
    if (member.name == config.member) return member.id;
  if (config.member_id.empty())
    return invalid(config, fmt::format("member \"{}\" is not in {}; one that joins later needs member_id as well",
                                       config.member, config.genesis));
  auto id = PrincipalId::parse_hex(config.member_id);
  if (!id) return invalid(config, "member_id must be 64 hex digits");
  if (genesis.member_set.index_of(*id))
    return invalid(config, fmt::format("member_id is that of a member of {} with another name", config.genesis));
  return *id;
}

// Without a ledger genesis is all that can be asked. Later members come and go, and so do their keys and addresses.
Status check_against_genesis(const Config& config, const Genesis& genesis, const PrincipalId& id,
                             const std::vector<crypto::PrivateKey>& keys) {
  for (const auto& member : genesis.members)
    if (!config.peers.addresses.contains(member.name))
      return invalid(config, fmt::format("[peers.addresses] has no line for member \"{}\"", member.name));
  // A name that genesis does not have may be misspelt, or be a hospital's that joined since: the ledger that knows is
  // not there.
  const auto warn_unknown = [&](std::string_view table, const std::map<std::string, std::string>& lines) {
    for (const auto& [name, value] : lines) {
      const bool known = name == config.member || std::any_of(genesis.members.begin(), genesis.members.end(),
                                                              [&name = name](const auto& m) { return m.name == name; });
      if (!known)
        log::warn("{}: {}.{} is no member of {}: fine if it came later", config.path, table, name, config.genesis);
    }
  };
  warn_unknown("peers.addresses", config.peers.addresses);
  warn_unknown("peers.cas", config.peers.cas);
  const auto self = genesis.member_set.index_of(id);
  if (!self) return {};
  // Nor is it an error: the ledger may be made anew by a member that has had another key since.
  const auto& named = genesis.members[*self].consensus_key;
  if (std::none_of(keys.begin(), keys.end(), [&](const auto& key) { return key.public_key() == named; }))
    log::warn("{}: not the consensus key that genesis names for member \"{}\"; this node votes from the epoch on that names it",
              config.keys.consensus, config.member);
  return {};
}

}  // namespace

Result<Checked> check_config(const Config& config) {
  GALEN_ASSIGN(auto genesis, Genesis::load(config.genesis));
  GALEN_ASSIGN(const auto id, find_member(config, genesis));
  std::vector<crypto::PrivateKey> keys;
  GALEN_ASSIGN(auto key, crypto::PrivateKey::load(genesis.suite, config.keys.consensus));
  keys.push_back(std::move(key));
  if (!config.keys.consensus_next.empty()) {
    GALEN_ASSIGN(auto next, crypto::PrivateKey::load(genesis.suite, config.keys.consensus_next));
    keys.push_back(std::move(next));
  }
  if (!std::filesystem::exists(config.data_dir + "/ledger")) GALEN_TRY(check_against_genesis(config, genesis, id, keys));
  return Checked{std::move(genesis), id, std::move(keys)};
}

Status create_ledger(const std::string& data_dir, const Genesis& genesis) {
  GALEN_ASSIGN(auto store, ledger::Store::create({.directory = data_dir, .context = genesis.context()}));
  execution::Executor executor(genesis, *store);
  GALEN_ASSIGN(auto height, executor.start());
  (void)height;
  GALEN_ASSIGN(auto durable, store->checkpoint());
  (void)durable;
  return {};
}

Status create_log(const std::string& data_dir, const Config& config, const Genesis& genesis) {
  const auto segment_bytes = config.limits.log_segment_bytes();
  const auto batch_bytes = std::min<std::uint64_t>(
      {genesis.parameters.block_bytes_max, genesis.parameters.member_block_bytes_max, limits::kBatchBytesMax});
  // One write takes a quarter of a file at most, and a batch with its frame is one write: a node that cannot store one
  // stops.
  if (segment_bytes < 5 * batch_bytes)
    log::warn(
        "{}: limits.log_segment_mib = {} is too little for this chain's largest batches of {} KiB: at least {} is "
        "needed",
        config.path, config.limits.log_segment_mib, batch_bytes >> 10, (batch_bytes * 5 >> 20) + 1);
  return Log::create(data_dir, {.segment_bytes = segment_bytes});
}

Result<bool> keep_genesis_copy(const Config& config) {
  const auto path = genesis_copy_path(config.data_dir);
  auto& files = posix_file_access();
  // Read as a stream: the original may lie where nothing can be written.
  std::ifstream from(config.genesis, std::ios::binary);
  const Bytes genesis{std::istreambuf_iterator<char>(from), std::istreambuf_iterator<char>()};
  if (!from && !from.eof()) return Error{ErrorCode::IO_ERROR, "cannot read " + config.genesis};
  auto copy = files.read_all(path, limits::kGenesisBytesMax);
  if (copy && *copy == genesis) return false;
  GALEN_TRY(files.replace(path, genesis));
  return true;
}

Status init_data_dir(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  GALEN_TRY(DataDir::create(config.data_dir));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  GALEN_TRY(create_ledger(lock.path(), checked.genesis));
  GALEN_TRY(vault::RecordVault::create({.keyring_directory = lock.keyring(),
                                        .vault_directory = lock.vault(),
                                        .master_key_file = config.keys.master,
                                        .suite = checked.genesis.suite}));
  GALEN_ASSIGN(bool written, keep_genesis_copy(config));
  (void)written;
  // The log comes last: a directory without one was never finished, and refuses to start.
  return create_log(lock.path(), config, checked.genesis);
}

}  // namespace galen::node
