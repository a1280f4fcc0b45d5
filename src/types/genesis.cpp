// Reading and checking genesis.json: every key must be there, none may be unknown, every value stands in its range. The
// ranges are those of docs/spec/formats.md 1.2. Writing it is genesis_json.cpp's.
#include "galen/types/genesis.hpp"

#include <cstdio>
#include <memory>
#include <set>

#include "galen/crypto/merkle.hpp"
#include "galen/crypto/pem.hpp"
#include "galen/crypto/x509.hpp"
#include "galen/types/limits.hpp"
#include "types/genesis_keys.hpp"
#include "types/json_tree.hpp"

namespace galen {

namespace {

constexpr std::size_t kNameCharactersMax = 64, kCaPemBytesMax = 16 * 1024;

Error invalid(const std::string& path, const std::string& what) {
  return {ErrorCode::CONFIG_INVALID,
          "genesis.json: " + (path.empty() ? std::string("the document") : path) + ": " + what};
}

/// Reads an object key by key; `finish` refuses the keys nobody asked for.
class ObjectReader {
 public:
  explicit ObjectReader(const JsonNode& node) : node_(node) {}

  Result<const JsonNode*> get(std::string_view key, JsonNode::Kind kind, const char* kind_name) {
    if (node_.kind != JsonNode::Kind::object) return invalid(node_.path, "must be an object");
    asked_.insert(key);
    const auto* found = node_.find(key);
    if (found == nullptr) return invalid(path_of(key), "missing");
    if (found->kind != kind) return invalid(found->path, std::string("must be ") + kind_name);
    return found;
  }
  Result<std::string> text(std::string_view key) {
    GALEN_ASSIGN(const auto* node, get(key, JsonNode::Kind::string, "a string"));
    return node->text;
  }
  Result<std::uint64_t> number(std::string_view key, std::uint64_t min, std::uint64_t max) {
    GALEN_ASSIGN(const auto* node, get(key, JsonNode::Kind::number, "an integer"));
    if (node->number < min || node->number > max)
      return invalid(node->path, "must lie between " + std::to_string(min) + " and " + std::to_string(max));
    return node->number;
  }
  Result<bool> boolean(std::string_view key) {
    GALEN_ASSIGN(const auto* node, get(key, JsonNode::Kind::boolean, "true or false"));
    return node->boolean;
  }
  template <class Fixed>
  Result<Fixed> hex(std::string_view key) {
    GALEN_ASSIGN(auto digits, text(key));
    auto value = Fixed::parse_hex(digits);
    if (!value || value->hex() != digits)
      return invalid(path_of(key), "must be " + std::to_string(2 * Fixed::kSize) + " lower-case hexadecimal digits");
    if (value->is_zero()) return invalid(path_of(key), "must not be zero");
    return *value;
  }
  Status finish() const {
    for (const auto& [key, value] : node_.fields)
      if (asked_.count(key) == 0) return invalid(value.path, "unknown key");
    return {};
  }
  std::string path_of(std::string_view key) const {
    return node_.path.empty() ? std::string(key) : node_.path + "." + std::string(key);
  }

 private:
  const JsonNode& node_;
  std::set<std::string_view> asked_;
};

/// UTF-8 is already checked; characters are counted, not bytes.
bool is_printable_name(std::string_view name) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    auto byte = static_cast<unsigned char>(name[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (byte == 0xc2 && i + 1 < name.size() && static_cast<unsigned char>(name[i + 1]) < 0xa0) return false;  // C1
    characters += (byte & 0xc0) != 0x80 ? 1 : 0;
  }
  return characters >= 1 && characters <= kNameCharactersMax;
}

Result<std::string> read_name(ObjectReader& in) {
  GALEN_ASSIGN(auto name, in.text("name"));
  if (!is_printable_name(name)) return invalid(in.path_of("name"), "must be 1 to 64 printable characters");
  return name;
}

Result<GenesisParameters> read_parameters(const JsonNode& node) {
  ObjectReader in(node);
  GenesisParameters out;
  Status status;
  for_each_parameter(out, [&](const char* key, auto& value, std::uint64_t min, std::uint64_t max) {
    if (!status) return;
    auto number = in.number(key, min, max);
    if (number)
      value = static_cast<std::remove_reference_t<decltype(value)>>(*number);
    else
      status = std::move(number).error();
  });
  GALEN_TRY(std::move(status));
  GALEN_TRY(in.finish());
  if (out.exec_lag_max <= out.window) return invalid(in.path_of("exec_lag_max"), "must be greater than window");
  if (out.clock_skew_max_ms >= out.ttl_max_ms)
    return invalid(in.path_of("clock_skew_max_ms"), "must be below ttl_max_ms");
  if (out.member_block_bytes_max > out.block_bytes_max)
    return invalid(in.path_of("member_block_bytes_max"), "must be at most block_bytes_max");
  return out;
}

/// The fingerprint of a member's CA. Every verifier must read the same certificate or none, so there is one form only;
/// OpenSSL's reader takes more, and each version of it something else.
Result<Hash> read_authority(const std::string& path, std::string_view pem) {
  if (pem.size() > kCaPemBytesMax) return invalid(path, "is longer than 16 KiB");
  auto der = crypto::read_strict_pem(pem, "CERTIFICATE");
  if (!der)
    return invalid(path, "is not one certificate in strict PEM (" + der.error().message +
                             "); `openssl x509 -in FILE` writes a certificate so");
  if (!crypto::parse_certificate_der(*der))
    return invalid(path,
                   "holds no X.509 certificate in DER, or something stands behind it; `openssl x509 -in FILE` "
                   "writes a certificate as it has to be");
  return crypto::certificate_fingerprint_der(*der);
}

Result<GenesisMember> read_member(const JsonNode& node, crypto::Suite suite) {
  ObjectReader in(node);
  GenesisMember out;
  GALEN_ASSIGN(out.name, read_name(in));
  GALEN_ASSIGN(out.id, in.hex<PrincipalId>("id"));
  GALEN_ASSIGN(out.consensus_key, in.hex<PublicKey>("consensus_key"));
  GALEN_ASSIGN(out.admin, in.hex<PrincipalId>("admin"));
  GALEN_ASSIGN(out.ca_pem, in.text("ca_pem"));
  GALEN_TRY(in.finish());
  if (!crypto::Verifier::make(suite, out.consensus_key))
    return invalid(in.path_of("consensus_key"), suite == crypto::Suite::sm2_sm3
                                                    ? "is no uncompressed point of curve SM2"
                                                    : "is no uncompressed point of curve P-256");
  return out;
}

Status read_members(const JsonNode& node, Genesis& out) {
  if (node.items.size() < limits::kMembersMin || node.items.size() > limits::kMembersMax)
    return invalid(node.path, "must hold " + std::to_string(limits::kMembersMin) + " to " +
                                  std::to_string(limits::kMembersMax) + " members, not " +
                                  std::to_string(node.items.size()));
  std::set<std::string> names;
  std::set<PrincipalId> ids;
  std::set<PublicKey> keys;
  std::set<Hash> authorities;
  std::vector<Member> members;
  for (const auto& item : node.items) {
    GALEN_ASSIGN(auto member, read_member(item, out.suite));
    GALEN_ASSIGN(auto authority, read_authority(item.path + ".ca_pem", member.ca_pem));
    if (!names.insert(member.name).second) return invalid(item.path + ".name", "stands twice");
    if (!ids.insert(member.id).second) return invalid(item.path + ".id", "stands twice");
    if (!ids.insert(member.admin).second) return invalid(item.path + ".admin", "stands twice");
    if (!keys.insert(member.consensus_key).second) return invalid(item.path + ".consensus_key", "stands twice");
    if (!authorities.insert(authority).second) return invalid(item.path + ".ca_pem", "stands twice");
    members.push_back({member.id, member.consensus_key, authority});
    out.members.push_back(std::move(member));
  }
  out.member_set = MemberSet(std::move(members));
  return {};
}

}  // namespace

Result<Genesis> Genesis::parse(ByteSpan json) {
  if (json.size() > limits::kGenesisBytesMax) return invalid("", "longer than its limit");
  auto tree = parse_json(json);
  if (!tree) return Error{ErrorCode::CONFIG_INVALID, "genesis.json: " + tree.error().message};
  ObjectReader in(*tree);
  Genesis out;
  GALEN_TRY(in.number("format", 1, 1));
  GALEN_ASSIGN(out.name, read_name(in));
  GALEN_ASSIGN(out.created_ms, in.number("created_ms", 1, kTimestampMsMax));
  GALEN_ASSIGN(auto suite, in.text("suite"));
  auto known_suite = crypto::suite_from_name(suite);
  if (!known_suite) return invalid("suite", "is unknown; there are p256-sha256 and sm2-sm3");
  out.suite = *known_suite;
  GALEN_ASSIGN(out.test, in.boolean("test"));
  GALEN_ASSIGN(auto rules_version, in.number("rules_version", 1, 1));
  out.rules_version = static_cast<std::uint32_t>(rules_version);
  GALEN_ASSIGN(const auto* parameters, in.get("parameters", JsonNode::Kind::object, "an object"));
  GALEN_ASSIGN(out.parameters, read_parameters(*parameters));
  GALEN_ASSIGN(const auto* members, in.get("members", JsonNode::Kind::array, "an array"));
  GALEN_TRY(read_members(*members, out));
  GALEN_TRY(in.finish());
  out.chain_id = crypto::hash(out.suite, json);
  return out;
}

Result<Genesis> Genesis::load(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file) return {ErrorCode::NOT_FOUND, "cannot open " + path};
  Bytes bytes(limits::kGenesisBytesMax + 1);
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file.get()));
  if (std::ferror(file.get()) != 0) return {ErrorCode::IO_ERROR, "cannot read " + path};
  return parse(bytes);
}

ChainContext Genesis::context() const { return {suite, chain_id, 1, member_set.hash(suite)}; }

BlockHeader Genesis::block_zero() const {
  BlockHeader out;
  out.chain_id = chain_id;
  out.time_ms = created_ms;
  out.body_root = out.history_root = crypto::merkle_root(suite, {});
  out.rules_version = rules_version;
  return out;
}

std::string Genesis::short_chain_id() const {
  auto hex = chain_id.hex();
  return hex.substr(0, 4) + "-" + hex.substr(4, 4);
}

}  // namespace galen
