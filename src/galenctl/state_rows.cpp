#include "galenctl/state_rows.hpp"

#include <CLI/CLI.hpp>

#include "galen/types/state_key.hpp"
#include "galenctl/arguments.hpp"

namespace galen::galenctl {
namespace {

using Key = Result<Bytes>;

Key id_key(const std::string& flag, const std::string& text) {
  GALEN_ASSIGN(auto id, parse_id(flag, text));
  return to_bytes(id.span());
}

Key patient_key(const Context& context, const std::string&, const std::string& text) {
  GALEN_ASSIGN(auto id, parse_patient(context, text));
  return to_bytes(id.span());
}

Key access_key(const Context& context, const std::string&, const std::string& text) {
  GALEN_ASSIGN(auto id, parse_patient(context, text));
  return ByteWriter(36).raw(id).u32(0).bytes();
}

/// What stands before and behind the colon.
Result<std::pair<std::string, std::string>> two_parts(const std::string& flag, const std::string& text,
                                                      const char* form) {
  auto colon = text.find(':');
  if (colon == std::string::npos)
    return make_error(ErrorCode::INVALID_ARGUMENT, flag + " " + text + ": as " + form);
  return std::pair(text.substr(0, colon), text.substr(colon + 1));
}

Key grants_key(const Context& context, const std::string& flag, const std::string& text) {
  GALEN_ASSIGN(auto parts, two_parts(flag, text, "PATIENT:MEMBER"));
  GALEN_ASSIGN(auto patient, parse_patient(context, parts.first));
  GALEN_ASSIGN(auto member, parse_member(context, "", parts.second));
  return ByteWriter(64).raw(patient).raw(member).bytes();
}

Key plain_id(const Context&, const std::string& flag, const std::string& text) { return id_key(flag, text); }

Key epoch_number(const Context&, const std::string& flag, const std::string& text) {
  GALEN_ASSIGN(auto epoch, parse_number(flag, text));
  return epoch_key(epoch);
}

Key member_key(const Context& context, const std::string&, const std::string& text) {
  GALEN_ASSIGN(auto id, parse_member(context, "", text));
  return to_bytes(id.span());
}

Key claim_of_key(const Context& context, const std::string& flag, const std::string& text) {
  auto key = PublicKey::parse_hex(text);
  if (!key)
    return make_error(ErrorCode::INVALID_ARGUMENT, flag + " " + text + ": a public key is 130 hexadecimal digits");
  GALEN_ASSIGN(auto genesis, load_genesis(context, ""));
  return to_bytes(member_key_claim(genesis.suite, *key).span());
}

Key claim_of_name(const Context& context, const std::string&, const std::string& text) {
  GALEN_ASSIGN(auto genesis, load_genesis(context, ""));
  return to_bytes(member_name_claim(genesis.suite, as_bytes(text)).span());
}

Key fault_key(const Context& context, const std::string& flag, const std::string& text) {
  GALEN_ASSIGN(auto parts, two_parts(flag, text, "EPOCH:MEMBER"));
  GALEN_ASSIGN(auto epoch, parse_number(flag, parts.first));
  GALEN_ASSIGN(auto member, parse_member(context, "", parts.second));
  return equivocation_key(epoch, member);
}

struct Keyed {
  const char* flag;
  StateKind kind;
  const char* help;
  Key (*key)(const Context& context, const std::string& flag, const std::string& text);
};
constexpr Keyed kKeyedFlags[] = {
    {"--record", StateKind::record, "A record: its pointer id", plain_id},
    {"--consent", StateKind::consent, "A consent: its id", plain_id},
    {"--principal", StateKind::principal, "A principal: its id, or a patient's name", patient_key},
    {"--access", StateKind::access_head, "The head of a patient's access list", access_key},
    {"--grants", StateKind::grant_index, "The consents of a patient to a member: PATIENT:MEMBER", grants_key},
    {"--epoch", StateKind::epoch, "The members of an epoch, from 2 on: its number", epoch_number},
    {"--member", StateKind::member, "What changed of a member: its id, or its name in genesis", member_key},
    {"--claim-key", StateKind::member_claim, "Whose consensus key this was: 130 hexadecimal digits", claim_of_key},
    {"--claim-name", StateKind::member_claim, "Whose name this was", claim_of_name},
    {"--proposal", StateKind::proposal, "A proposed change of the members: its id", plain_id},
    {"--equivocation", StateKind::equivocation,
     "That a member was proven to have signed two values in one place: EPOCH:MEMBER", fault_key},
};

struct Lone {
  const char* flag;
  StateKind kind;
  const char* help;
};
constexpr Lone kLoneFlags[] = {
    {"--parameters", StateKind::parameters, "The parameters that validity depends on"},
    {"--membership", StateKind::membership, "The epoch, the change that is pending, and who learns"},
    {"--certified-roots", StateKind::certified_roots, "The roots that a learner may show"},
    {"--leadership", StateKind::leadership, "Which members the rotation of leaders leaves out"},
};

}  // namespace

void RowFlags::add_to(CLI::App* verb) {
  static_assert(std::size(kKeyedFlags) == kKeyed && std::size(kLoneFlags) == kLone);
  for (std::size_t i = 0; i < kKeyed; ++i)
    verb->add_option(kKeyedFlags[i].flag, texts_[i], kKeyedFlags[i].help)->allow_extra_args(false);
  for (std::size_t i = 0; i < kLone; ++i) verb->add_flag(kLoneFlags[i].flag, lone_[i], kLoneFlags[i].help);
}

Result<std::vector<StateRow>> RowFlags::rows(const Context& context) const {
  std::vector<StateRow> out;
  for (std::size_t i = 0; i < kKeyed; ++i)
    for (const auto& text : texts_[i]) {
      GALEN_ASSIGN(auto key, kKeyedFlags[i].key(context, kKeyedFlags[i].flag, text));
      out.push_back({static_cast<std::uint32_t>(kKeyedFlags[i].kind), to_string(key)});
    }
  for (std::size_t i = 0; i < kLone; ++i)
    if (lone_[i]) out.push_back({static_cast<std::uint32_t>(kLoneFlags[i].kind), {}});
  return out;
}

std::string RowFlags::names() {
  std::string out;
  for (const auto& one : kKeyedFlags) out += std::string(one.flag) + ", ";
  for (const auto& one : kLoneFlags) out += (&one == &kLoneFlags[kLone - 1] ? "or " : "") + std::string(one.flag) + ", ";
  return out.substr(0, out.size() - 2);
}

}  // namespace galen::galenctl
