#include "galenctl/patient_keys.hpp"

#include <fmt/format.h>

#include "galen/types/json.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

/// The place of the key in a file of keep_patient; nothing if there is none.
std::optional<std::string> kept_key(const std::string& path) {
  auto text = read_text_file(path);
  if (!text) return std::nullopt;
  auto document = JsonDocument::parse(std::move(*text));
  if (!document) return std::nullopt;
  return document->root().find_text("key");
}

}  // namespace

Status check_patient_name(const Context& context, const std::string& name, bool other) {
  if (context.directory().empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "names of patients are kept below --dir, and none is given");
  if (name.empty() || name.find_first_of("/\n") != std::string::npos || name[0] == '.' || PrincipalId::parse_hex(name) ||
      printable(name) != name)
    return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("{} does not do as a patient's name", name));
  auto path = DevLayout(context.directory()).patient_path(name);
  if (other && file_exists(path))
    return make_error(ErrorCode::ALREADY_EXISTS, fmt::format("{} is the name of another patient here ({})", name, path));
  return {};
}

Status keep_patient(const Context& context, const std::string& name, const PrincipalId& pseudonym,
                    const std::string& key_path) {
  auto known = parse_patient(context, name);
  GALEN_TRY(check_patient_name(context, name, known && *known != pseudonym));
  DevLayout layout(context.directory());
  GALEN_TRY(make_directories(layout.dir() + "/patients", 0700));
  JsonWriter writer;
  writer.begin_object().field("name", name).field("pseudonym", pseudonym.hex());
  // Said again without the key, the name is the same patient's still, and her key lies where it lay.
  auto key = key_path.empty() ? std::string() : absolute_path(key_path);
  if (key.empty() && known) key = kept_key(layout.patient_path(name)).value_or("");
  if (!key.empty()) writer.field("key", key);
  writer.end_object();
  return write_file(layout.patient_path(name), writer.text() + "\n", 0600);
}

Result<crypto::PrivateKey> patient_key(const Context& context, crypto::Suite suite, const std::string& patient,
                                       const std::string& key_path) {
  if (!key_path.empty()) return crypto::PrivateKey::load(suite, key_path);
  auto path = DevLayout(context.directory()).patient_path(patient);
  auto text = context.directory().empty() ? Result<std::string>(ErrorCode::NOT_FOUND, "") : read_text_file(path);
  if (text) {
    GALEN_ASSIGN(auto document, JsonDocument::parse(std::move(*text)));
    if (auto kept = document.root().find_text("key")) return crypto::PrivateKey::load(suite, *kept);
  }
  return make_error(ErrorCode::INVALID_ARGUMENT, "the patient signs with her own key: name it with --key FILE");
}

}  // namespace galen::galenctl
