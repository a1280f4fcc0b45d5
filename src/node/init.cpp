#include "galen/node/init.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "galen/base/log.hpp"
#include "galen/execution/executor.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/file_access.hpp"
#include "galen/node/log.hpp"
#include "galen/types/limits.hpp"
#include "galen/vault/keyring.hpp"
#include "galen/vault/master_key.hpp"
#include "galen/vault/record_index.hpp"

namespace galen::node {

std::string genesis_copy_path(const std::string& data_dir) { return data_dir + "/genesis.json"; }

namespace {

namespace fs = std::filesystem;

Error invalid(const Config& config, std::string_view what) {
  return {ErrorCode::CONFIG_INVALID, fmt::format("{}: {}", config.path, what)};
}

Result<PrincipalId> find_member(const Config& config, const Genesis& genesis) {
  const auto id = PrincipalId::parse_hex(config.member_id);
  if (!config.member_id.empty() && !id) return invalid(config, "member_id must be 64 hex digits");
  for (const auto& member : genesis.members) {
    if (member.name != config.member) continue;
    if (id && *id != member.id)
      return invalid(config, fmt::format("member_id is not that of member \"{}\" in {}; a member of genesis needs none",
                                         config.member, config.genesis));
    return member.id;
  }
  if (!id)
    return invalid(config, fmt::format("member \"{}\" is not in {}; one that joins later needs member_id as well",
                                       config.member, config.genesis));
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

Error of_setting(const Config& config, std::string_view setting, const std::string& path, const Error& error) {
  const auto code = error.code == ErrorCode::NOT_FOUND ? ErrorCode::CONFIG_INVALID : error.code;
  const auto rights = ::access(path.c_str(), R_OK) != 0 ? about_rights(path, errno) : std::string();
  return {code, fmt::format("{}: {}: {}{}", config.path, setting, error.message, rights)};
}

Error of_genesis(const Config& config, Error error) {
  if (error.code != ErrorCode::WRONG_CHAIN) return error;
  return {error.code,
          fmt::format("{}: genesis: the ledger in {} is of another chain than {}: put back the genesis.json of "
                      "the chain of this data directory",
                      config.path, config.data_dir, config.genesis)};
}

Status check_copy(const Config& config, const Genesis& genesis) {
  const auto copy = Genesis::load(genesis_copy_path(config.data_dir));
  if (!copy || copy->chain_id == genesis.chain_id) return {};
  return {ErrorCode::WRONG_CHAIN, fmt::format("{}: genesis: {} is of another chain than the copy in {}: put back the "
                                              "genesis.json of the chain of this data directory",
                                              config.path, config.genesis, config.data_dir)};
}

Result<Genesis> load_genesis(const Config& config) {
  auto genesis = Genesis::load(config.genesis);
  if (!genesis) return of_setting(config, "genesis", config.genesis, genesis.error());
  return genesis;
}

Result<Checked> check_config(const Config& config) {
  GALEN_ASSIGN(auto genesis, load_genesis(config));
  GALEN_ASSIGN(const auto id, find_member(config, genesis));
  std::vector<crypto::PrivateKey> keys;
  const auto load = [&](std::string_view setting, const std::string& path) -> Status {
    auto key = crypto::PrivateKey::load(genesis.suite, path);
    if (!key) return of_setting(config, setting, path, key.error());
    keys.push_back(std::move(*key));
    return {};
  };
  GALEN_TRY(load("keys.consensus", config.keys.consensus));
  if (!config.keys.consensus_next.empty()) GALEN_TRY(load("keys.consensus_next", config.keys.consensus_next));
  // Who may not look asks nothing of genesis: there may be a ledger that knows better.
  std::error_code error;
  if (fs::status(config.data_dir + "/ledger", error).type() == fs::file_type::not_found)
    GALEN_TRY(check_against_genesis(config, genesis, id, keys));
  return Checked{std::move(genesis), id, std::move(keys)};
}

namespace {

Status write_block_zero(const Genesis& genesis, ledger::Store& store) {
  execution::Executor executor(genesis, store);
  GALEN_ASSIGN(auto height, executor.start());
  (void)height;
  GALEN_ASSIGN(auto durable, store.checkpoint());
  (void)durable;
  return {};
}

}  // namespace

Status create_ledger(const std::string& data_dir, const Genesis& genesis) {
  GALEN_ASSIGN(auto store, ledger::Store::create({.directory = data_dir, .context = genesis.context()}));
  return write_block_zero(genesis, *store);
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

namespace {

Result<bool> is_there(const std::string& path) {
  std::error_code error;
  const auto type = fs::status(path, error).type();
  if (type == fs::file_type::not_found) return false;
  if (error) return Error{ErrorCode::IO_ERROR, fmt::format("cannot look at {}: {}", path, error.message())};
  return true;
}

/// Whether a database is in the folder. ALREADY_EXISTS: files without the one that names them. No init that failed
/// leaves them so, and a new database would remove them.
Result<bool> has_database(const std::string& folder) {
  GALEN_ASSIGN(const bool present, is_there(folder + "/CURRENT"));
  if (present) return true;
  std::error_code error;
  fs::directory_iterator file(folder, error);
  for (; !error && file != fs::directory_iterator(); file.increment(error))
    if (file->path().filename() != "lost+found")
      return Error{ErrorCode::ALREADY_EXISTS,
                   fmt::format("{} holds files and no whole database, and is left as it is: move it away before galend "
                               "init is run again",
                               folder)};
  return false;
}

/// What there is before init makes anything.
struct Parts {
  bool ledger = false, master = false, keyring = false, index = false;
};

Result<Parts> find_parts(const Config& config) {
  Parts out;
  GALEN_ASSIGN(out.ledger, has_database(config.data_dir + "/ledger"));
  GALEN_ASSIGN(out.index, has_database(config.data_dir + "/vault/index"));
  GALEN_ASSIGN(out.keyring, is_there(config.data_dir + "/keyring/keyring.bin"));
  GALEN_ASSIGN(out.master, is_there(config.keys.master));
  return out;
}

// Each part is made after the one that it needs, so what stands without that one was not left by an init that failed. A
// new one in its place would pass for the lost one until it is too late.
Status check_parts(const Config& config, const Parts& parts) {
  const auto& dir = config.data_dir;
  if (parts.index && !parts.keyring)
    return {ErrorCode::ALREADY_EXISTS,
            fmt::format("{0}/vault has an index, and there is no keyring in {0}/keyring: put back the newest backup of "
                        "keyring/, nothing makes its keys again",
                        dir)};
  if (parts.keyring && !parts.master)
    return of_setting(
        config, "keys.master", config.keys.master,
        {ErrorCode::NOT_FOUND, fmt::format("{} is not there, and {}/keyring was made under it: correct the "
                                           "path, or put the file back from its backup",
                                           config.keys.master, dir)});
  if (parts.master && !parts.keyring && !parts.ledger)
    return {
        ErrorCode::ALREADY_EXISTS,
        fmt::format("the master key {} is there, and {} holds nothing: this member had a data directory before. Mount "
                    "its volume or put it back; to begin anew move the master key away first",
                    config.keys.master, dir)};
  return {};
}

/// What is half made when `make` fails goes again, so that the next init finds nothing of it. What lay in the folder
/// before is nobody's to remove.
Status make_in(const std::string& folder, const std::function<Status()>& make) {
  std::error_code error;
  const bool was_empty = fs::is_empty(folder, error) && !error;
  auto made = make();
  if (made || !was_empty) return made;
  std::vector<fs::path> files;
  fs::directory_iterator file(folder, error);
  for (; !error && file != fs::directory_iterator(); file.increment(error)) files.push_back(file->path());
  for (const auto& path : files) fs::remove_all(path, error);
  return made;
}

/// One that is there has at least block 0 when this returns.
Status finish_ledger(const std::string& data_dir, const Genesis& genesis) {
  GALEN_ASSIGN(auto store, ledger::Store::open({.directory = data_dir, .context = genesis.context()}));
  return write_block_zero(genesis, *store);
}

Status make_ledger(const Config& config, const Genesis& genesis, bool present) {
  const auto& dir = config.data_dir;
  auto made =
      present ? finish_ledger(dir, genesis) : make_in(dir + "/ledger", [&] { return create_ledger(dir, genesis); });
  if (made) return {};
  auto error = of_genesis(config, std::move(made).error());
  const bool advised = error.message.find(ledger::kRepairAdvice) != std::string::npos;
  if (error.code == ErrorCode::CORRUPT && !advised) error.message.append(" ").append(ledger::kRepairAdvice);
  return error;
}

Result<vault::MasterKey> make_master_key(const Config& config, bool present) {
  const auto& path = config.keys.master;
  if (present) log::info("the master key that is there is used file={}", path);
  if (auto made = present ? Status() : vault::MasterKey::create(path); !made)
    return of_setting(config, "keys.master", path, made.error());
  auto key = vault::MasterKey::load(path);
  if (!key) return of_setting(config, "keys.master", path, key.error());
  return key;
}

/// A part that is there is opened, so that one which a start would refuse is told of here.
Status make_vault(const Config& config, const DataDir& dir, crypto::Suite suite, const Parts& parts) {
  GALEN_ASSIGN(const auto master, make_master_key(config, parts.master));
  if (!parts.keyring) GALEN_TRY(vault::Keyring::create(dir.keyring(), master, suite));
  GALEN_ASSIGN([[maybe_unused]] const auto keyring, vault::Keyring::open(dir.keyring(), master, suite));
  if (!parts.index) return make_in(dir.vault(), [&] { return vault::RecordIndex::create(dir.vault()); });
  GALEN_ASSIGN([[maybe_unused]] const auto index, vault::RecordIndex::open(dir.vault()));
  return {};
}

/// A log without its manifest may be that of a node, which goes on with it.
Status make_log(const Config& config, const Genesis& genesis) {
  const auto& dir = config.data_dir;
  auto made = make_in(dir + "/wal", [&] { return create_log(dir, config, genesis); });
  if (!made && made.error().code == ErrorCode::ALREADY_EXISTS)
    made.error().message +=
        ", and it has no manifest: a node that wrote it starts with it. If none ever ran here, move its "
        "files away and run galend init again";
  return made;
}

}  // namespace

Status init_data_dir(const Config& config) {
  GALEN_ASSIGN(auto checked, check_config(config));
  // What is refused is refused before anything is made: empty folders where a volume is not mounted look like a loss.
  GALEN_TRY(DataDir::check_new(config.data_dir));
  GALEN_ASSIGN(const auto parts, find_parts(config));
  GALEN_TRY(check_parts(config, parts));
  GALEN_TRY(DataDir::create(config.data_dir));
  GALEN_ASSIGN(auto lock, DataDir::open(config.data_dir));
  GALEN_TRY(make_ledger(config, checked.genesis, parts.ledger));
  GALEN_TRY(make_vault(config, lock, checked.genesis.suite, parts));
  GALEN_ASSIGN(bool written, keep_genesis_copy(config));
  (void)written;
  // The log comes last: a directory without one was never finished, and refuses to start.
  return make_log(config, checked.genesis);
}

}  // namespace galen::node
