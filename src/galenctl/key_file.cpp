#include "galenctl/key_file.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galenctl/arguments.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {

Result<int> make_key_file(Context& context, const std::string& path, const std::string& suite_name,
                          const std::string& remark) {
  GALEN_ASSIGN(auto suite, suite_name.empty() ? context.suite() : parse_suite(suite_name));
  if (file_exists(path))
    return make_error(ErrorCode::ALREADY_EXISTS, fmt::format("{} exists; a key is never overwritten", path));
  auto key = crypto::PrivateKey::generate(suite);
  GALEN_TRY(write_file(path, key.to_pem(), 0600));
  context.output.say(fmt::format("a new {} key in {} (PKCS#8, mode 0600){}",
                                 suite == crypto::Suite::sm2_sm3 ? "SM2" : "P-256", path, remark));
  JsonWriter writer;
  context.output.result(
      writer.begin_object().field("file", path).field("public_key", key.public_key().hex()).end_object());
  return kExitOk;
}

void add_keygen(CLI::App& app, Context& context, const std::string& noun, const std::string& text,
                const std::string& remark) {
  auto out = std::make_shared<std::string>(), suite = std::make_shared<std::string>();
  auto* make = add_verb(app, noun, "keygen", text);
  make->add_option("--out,-o", *out, "File for the private key; must not exist")->required();
  make->add_option("--suite", *suite, "p256-sha256 or sm2-sm3 (default: that of --dir, else p256-sha256)")
      ->check(CLI::IsMember({"p256-sha256", "sm2-sm3"}));
  make->callback([&context, out, suite, remark] {
    context.action = [&context, out, suite, remark] { return make_key_file(context, *out, *suite, remark); };
  });
}

}  // namespace galen::galenctl
