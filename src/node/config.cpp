// Reading node.toml. One table of settings drives parsing, the unknown-key check and --print-config.

#include "galen/node/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>

// The library asserts that a name begins as names do, of what somebody wrote ("[^a]"): that must end in a sentence, not in SIGABRT.
#define TOML_ASSERT(expr) static_cast<void>((expr) ? 0 : throw std::logic_error("toml++"))
#include <toml++/toml.h>

#include "galen/base/nearest.hpp"
#include "galen/net/address.hpp"
#include "galen/socket/front_end_limits.hpp"

namespace galen::node {
namespace {

enum class Kind { text, path, flag, number };

struct Range {
  std::int64_t min, max;
};

struct Setting {
  const char* key;
  Kind kind;
  bool required;
  Range range;  ///< of a number
  std::function<void(Config&, const toml::node&)> set;
  std::function<std::string(Config&)> get;
};

template <class Member>
Setting text_setting(const char* key, bool required, Member member, Kind kind = Kind::text) {
  return {key,
          kind,
          required,
          {},
          [member](Config& c, const toml::node& n) { member(c) = *n.value<std::string>(); },
          [member](Config& c) { return member(c); }};
}
template <class Member>
Setting path_setting(const char* key, bool required, Member member) {
  return text_setting(key, required, member, Kind::path);
}
template <class Member>
Setting number_setting(const char* key, Range range, Member member) {
  return {
      key,
      Kind::number,
      false,
      range,
      [member](Config& c, const toml::node& n) { member(c) = static_cast<std::uint32_t>(*n.value<std::int64_t>()); },
      [member](Config& c) { return std::to_string(member(c)); }};
}
template <class Member>
Setting flag_setting(const char* key, Member member) {
  return {key,
          Kind::flag,
          false,
          {},
          [member](Config& c, const toml::node& n) { member(c) = *n.value<bool>(); },
          [member](Config& c) { return std::string(member(c) ? "true" : "false"); }};
}

// What lies outside cannot be meant, or fails later and elsewhere: in the front end, which refuses its arguments, or at
// the first start, which takes a longer file of the log for a damaged one (log_recovery.cpp).
constexpr Range kApiMemoryMib = {socket::kFrontEndMemoryMibMin, socket::kFrontEndMemoryMibMax};
constexpr Range kOpenWrites = {1, socket::kWriteCreditsMax};
constexpr Range kOpenReads = {1, socket::kReadCreditsMax};
constexpr Range kPeerMibPerSecond = {0, 65'536};
constexpr Range kLogSegmentMib = {1, 4'096};
constexpr Range kBlockCacheMib = {0, 1'048'576};
constexpr Range kScrubPeriodS = {0, 366 * 24 * 3600};
constexpr Range kBlocks = {0, 1'000'000'000};

#define FIELD(expr) [](Config& c) -> auto& { return c.expr; }

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = {
      text_setting("member", true, FIELD(member)),
      text_setting("member_id", false, FIELD(member_id)),
      path_setting("genesis", true, FIELD(genesis)),
      path_setting("data_dir", true, FIELD(data_dir)),
      text_setting("log_level", false, FIELD(log_level)),
      path_setting("log_file", false, FIELD(log_file)),
      path_setting("keys.consensus", true, FIELD(keys.consensus)),
      path_setting("keys.consensus_next", false, FIELD(keys.consensus_next)),
      path_setting("keys.tls_cert", true, FIELD(keys.tls_cert)),
      path_setting("keys.tls_key", true, FIELD(keys.tls_key)),
      path_setting("keys.master", true, FIELD(keys.master)),
      text_setting("peers.listen", true, FIELD(peers.listen)),
      flag_setting("api.enabled", FIELD(api.enabled)),
      text_setting("api.listen", true, FIELD(api.listen)),
      path_setting("api.cert", true, FIELD(api.cert)),
      path_setting("api.key", true, FIELD(api.key)),
      path_setting("api.client_ca", true, FIELD(api.client_ca)),
      flag_setting("api.reflection", FIELD(api.reflection)),
      path_setting("api.program", false, FIELD(api.program)),
      number_setting("api.memory_mib_max", kApiMemoryMib, FIELD(api.memory_mib_max)),
      number_setting("limits.open_writes_max", kOpenWrites, FIELD(limits.open_writes_max)),
      number_setting("limits.open_reads_max", kOpenReads, FIELD(limits.open_reads_max)),
      number_setting("limits.peer_mib_per_second_max", kPeerMibPerSecond, FIELD(limits.peer_mib_per_second_max)),
      number_setting("limits.log_segment_mib", kLogSegmentMib, FIELD(limits.log_segment_mib)),
      number_setting("limits.block_cache_mib", kBlockCacheMib, FIELD(limits.block_cache_mib)),
      number_setting("scrub.period_s", kScrubPeriodS, FIELD(scrub.period_s)),
      number_setting("sync.snapshot_interval_blocks", kBlocks, FIELD(sync.snapshot_interval_blocks)),
      number_setting("sync.join_behind_blocks", kBlocks, FIELD(sync.join_behind_blocks)),
  };
  return all;
}

#undef FIELD

constexpr const char* kAddressesTable = "peers.addresses";
constexpr const char* kCasTable = "peers.cas";

std::string nearest_key(const std::string& key) {
  std::vector<std::string> keys;
  for (const auto& setting : settings()) keys.push_back(setting.key);
  return nearest(key, keys);
}

Error at(const std::string& path, const toml::node& node, const std::string& what) {
  return make_error(ErrorCode::CONFIG_INVALID, fmt::format("{}:{}: {}", path, node.source().begin.line, what));
}

std::string what_fits(const Setting& setting) {
  switch (setting.kind) {
    case Kind::flag: return "true or false";
    case Kind::number:
      return fmt::format("a whole number from {} to {}", setting.range.min, setting.range.max);
    default: return "a text in quotes";
  }
}

bool fits(const Setting& setting, const toml::node& node) {
  if (setting.kind == Kind::flag) return node.is_boolean();
  if (setting.kind != Kind::number) return node.is_string();
  auto value = node.value<std::int64_t>();
  return node.is_integer() && value && *value >= setting.range.min && *value <= setting.range.max;
}

Status check_keys(const std::string& path, const toml::table& table, const std::string& prefix) {
  for (const auto& [name, node] : table) {
    std::string key = prefix + std::string(name.str());
    if (key == kAddressesTable) {
      if (!node.is_table()) return at(path, node, "peers.addresses must be a table of member = \"host:port\"");
      continue;
    }
    if (key == kCasTable) {
      if (!node.is_table()) return at(path, node, "peers.cas must be a table of member = \"file\"");
      continue;
    }
    if (node.is_table()) {
      GALEN_TRY(check_keys(path, *node.as_table(), key + "."));
      continue;
    }
    auto known = std::find_if(settings().begin(), settings().end(), [&](const Setting& s) { return key == s.key; });
    if (known == settings().end())
      return at(path, node, fmt::format("unknown key \"{}\"; did you mean \"{}\"?", key, nearest_key(key)));
    if (!fits(*known, node)) return at(path, node, fmt::format("{} must be {}", key, what_fits(*known)));
  }
  return {};
}

std::string resolve(const std::string& base, const std::string& value) {
  namespace fs = std::filesystem;
  if (value.empty() || fs::path(value).is_absolute()) return value;
  return (fs::path(base) / value).lexically_normal().string();
}

enum class Use { listen, dial };

// The libraries would take a port for its last 16 bits, or a missing one for 443.
Status check_address(const std::string& path, const toml::node& node, std::string_view key, const std::string& address,
                     Use use) {
  auto parts = net::split_address(address);
  if (!parts) return at(path, node, fmt::format("{} must be \"host:port\": {}", key, parts.error().message));
  if (parts->port.find_first_not_of('0') == std::string::npos)
    return at(path, node, fmt::format("{}: address \"{}\": port 0 is none that others could know", key, address));
  if (parts->host.empty() && use == Use::dial)
    return at(path, node, fmt::format("{} must be \"host:port\": address \"{}\": the host is missing", key, address));
  return {};
}

Status check_own_addresses(const std::string& path, const toml::table& root, const Config& config) {
  const auto check = [&](const char* key, const std::string& address) {
    return check_address(path, *root.at_path(key).node(), key, address, Use::listen);
  };
  GALEN_TRY(check("peers.listen", config.peers.listen));
  return config.api.enabled ? check("api.listen", config.api.listen) : Status();
}

Status read_addresses(const std::string& path, const toml::table& root, Config& config) {
  const auto* addresses = root.at_path(kAddressesTable).as_table();
  if (addresses == nullptr)
    return Error{ErrorCode::CONFIG_INVALID, fmt::format("{}: the table [peers.addresses] is missing", path)};
  for (const auto& [name, node] : *addresses) {
    const auto key = fmt::format("{}.{}", kAddressesTable, std::string(name.str()));
    auto value = node.value<std::string>();
    if (!value) return at(path, node, fmt::format("{} must be \"host:port\"", key));
    GALEN_TRY(check_address(path, node, key, *value, Use::dial));
    config.peers.addresses[std::string(name.str())] = *value;
  }
  return {};
}

Status read_cas(const std::string& path, const toml::table& root, Config& config) {
  const auto* cas = root.at_path(kCasTable).as_table();
  if (cas == nullptr) return {};
  for (const auto& [name, node] : *cas) {
    auto value = node.value<std::string>();
    if (!node.is_string() || value->empty())
      return at(path, node, fmt::format("peers.cas.{} must be the path of a CA certificate", std::string(name.str())));
    config.peers.cas[std::string(name.str())] = *value;
  }
  return {};
}

// The log library takes a misspelt level for "off".
Status check_log_level(const std::string& path, const toml::table& root, const std::string& level) {
  for (const char* known : {"trace", "debug", "info", "warn", "error"})
    if (level == known) return {};
  return at(path, *root.at_path("log_level").node(), "log_level must be trace, debug, info, warn or error");
}

/// The line of a character that TOML has no place for: outside of comments and of strings of one line all is ASCII. The
/// library would take some of those for what its tables do not cover, which is undefined.
std::optional<std::size_t> find_foreign_character(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::size_t line = 1;
  char within = 0;  // the quote that ends a string, or '#'
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      within = 0;
    } else if (within == '"' && c == '\\') {
      if (i + 1 < text.size() && text[i + 1] != '\n') ++i;
    } else if (within == 0 && (c == '"' || c == '\'' || c == '#')) {
      within = c;
    } else if (within == c && c != '#') {
      within = 0;
    } else if (within == 0 && static_cast<unsigned char>(c) >= 0x80) {
      return line;
    }
  }
  return std::nullopt;
}

struct Loaded {
  Config config;
  std::vector<ConfigValue> values;
};

Result<Loaded> load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (const auto line = find_foreign_character(text))
    return Error{
        ErrorCode::CONFIG_INVALID,
        fmt::format("{}:{}: a character that is not ASCII stands outside of quotes and comments", path, *line)};
  toml::table root;
  try {
    root = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return Error{ErrorCode::CONFIG_INVALID,
                 fmt::format("{}:{}: {}", path, error.source().begin.line, error.description())};
  } catch (const std::logic_error&) {
    return Error{ErrorCode::CONFIG_INVALID,
                 fmt::format("{}: a key or [table] begins with what is no letter, digit, -, _ or quote", path)};
  }
  GALEN_TRY(check_keys(path, root, ""));
  Loaded out;
  out.config.path = path;
  std::string base = std::filesystem::absolute(path).parent_path().string();
  for (const auto& setting : settings()) {
    auto view = root.at_path(setting.key);
    std::string source = "default";
    if (view) {
      setting.set(out.config, *view.node());
      source = fmt::format("{}:{}", path, view.node()->source().begin.line);
    } else if (setting.required) {
      return Error{ErrorCode::CONFIG_INVALID, fmt::format("{}: the key \"{}\" is missing", path, setting.key)};
    }
    out.values.push_back({setting.key, setting.get(out.config), source});
  }
  GALEN_TRY(check_log_level(path, root, out.config.log_level));
  GALEN_TRY(check_own_addresses(path, root, out.config));
  GALEN_TRY(read_addresses(path, root, out.config));
  GALEN_TRY(read_cas(path, root, out.config));
  for (const auto& [name, address] : out.config.peers.addresses)
    out.values.push_back({fmt::format("{}.{}", kAddressesTable, name), address, path});
  auto& c = out.config;
  for (std::string* file : {&c.genesis, &c.data_dir, &c.log_file, &c.keys.consensus, &c.keys.consensus_next, &c.keys.tls_cert, &c.keys.tls_key,
                            &c.keys.master, &c.api.cert, &c.api.key, &c.api.client_ca, &c.api.program})
    *file = resolve(base, *file);
  for (auto& [name, file] : c.peers.cas) {
    out.values.push_back({fmt::format("{}.{}", kCasTable, name), file, path});
    file = resolve(base, file);
  }
  return out;
}

}  // namespace

Result<Config> load_config(const std::string& path) {
  GALEN_ASSIGN(Loaded loaded, load(path));
  return std::move(loaded.config);
}

Result<std::vector<ConfigValue>> explain_config(const std::string& path) {
  GALEN_ASSIGN(Loaded loaded, load(path));
  return std::move(loaded.values);
}

}  // namespace galen::node
