#include "types/genesis_keys.hpp"
#include "types/json_tree.hpp"

namespace galen {

std::string Genesis::to_json(const Genesis& genesis) {
  auto quoted = [](std::string_view text) { return json_quote(text); };
  std::string out = "{\n  \"format\": 1,\n";
  out += "  \"name\": " + quoted(genesis.name) + ",\n";
  out += "  \"created_ms\": " + std::to_string(genesis.created_ms) + ",\n";
  out += "  \"suite\": " + quoted(crypto::to_name(genesis.suite)) + ",\n";
  out += std::string("  \"test\": ") + (genesis.test ? "true" : "false") + ",\n";
  out += "  \"rules_version\": " + std::to_string(genesis.rules_version) + ",\n";
  out += "  \"parameters\": {";
  const char* comma = "";
  for_each_parameter(genesis.parameters, [&](const char* key, const auto& value, std::uint64_t, std::uint64_t) {
    out += std::string(comma) + "\n    " + quoted(key) + ": " + std::to_string(value);
    comma = ",";
  });
  out += "\n  },\n  \"members\": [";
  comma = "";
  for (const auto& member : genesis.members) {
    out += std::string(comma) + "\n    {\n";
    out += "      \"name\": " + quoted(member.name) + ",\n";
    out += "      \"id\": " + quoted(member.id.hex()) + ",\n";
    out += "      \"consensus_key\": " + quoted(member.consensus_key.hex()) + ",\n";
    out += "      \"admin\": " + quoted(member.admin.hex()) + ",\n";
    out += "      \"ca_pem\": " + quoted(member.ca_pem) + "\n    }";
    comma = ",";
  }
  return out + "\n  ]\n}\n";
}

}  // namespace galen
