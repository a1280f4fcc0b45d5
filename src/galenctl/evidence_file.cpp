#include "galenctl/evidence_file.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/types/report.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {

namespace {

Result<Bytes> read_evidence(const std::string& path) {
  auto text = read_beginning(path, kVerifyReadBytesMax);
  if (!text) return unreadable_file(text.error().message);
  return to_bytes(std::string_view(*text));
}

Result<VerifiedFile> verify_path(const std::string& path, const std::optional<std::string>& genesis_path) {
  GALEN_ASSIGN(auto file, read_evidence(path));
  std::optional<Bytes> genesis;
  if (genesis_path) {
    GALEN_ASSIGN(genesis, read_evidence(*genesis_path));
  }
  return verify_evidence_file(genesis, file);
}

}  // namespace

// To the letter what galen-verify says, so that nobody has to know which of the two was asked: "not valid" is an answer
// and no failure of this program.
Result<int> verify_evidence(Context& context, const std::string& path, const std::string& genesis_file) {
  std::optional<std::string> genesis;
  if (!genesis_file.empty() || !context.directory().empty()) {
    GALEN_ASSIGN(genesis, context.genesis_path(genesis_file));
  }
  auto& output = context.output;
  auto verified = verify_path(path, genesis);
  if (verified) {
    output.raw(output.json ? verified->json + "\n" : verified->text);
    return kExitOk;
  }
  const auto& error = verified.error();
  if (error.code == ErrorCode::INVALID_ARGUMENT) return error;  // a file that says nothing without genesis.json
  if (output.json) output.raw(report_error_json(error) + "\n");
  output.note(fmt::format("NOT VALID: {} [{}]", error.message, to_reason(error.code)));
  return kExitError;
}

void add_verify_verb(CLI::App& app, Context& context, const std::string& noun, const std::string& text) {
  auto file = std::make_shared<std::string>();
  auto genesis = std::make_shared<std::string>();
  auto* check = add_verb(app, noun, "verify", text);
  check->add_option("FILE", *file, "A receipt, proof or bundle")->required();
  check->add_option("--genesis", *genesis, "genesis.json (default: of --dir; a bundle can do without)");
  check->callback([&context, file, genesis] {
    context.action = [&context, file, genesis] { return verify_evidence(context, *file, *genesis); };
  });
}

Result<int> save_evidence(Context& context, const char* what, const std::string& path, ByteSpan bytes) {
  GALEN_TRY(write_file(path, as_text(bytes)));
  auto sentence = fmt::format("{} of {} bytes in {}; it verifies anywhere: galen-verify {} genesis.json", what,
                              bytes.size(), path, path);
  // Through /dev/stdout the bytes stay alone.
  if (is_written_through(path))
    context.output.note(sentence);
  else
    context.output.say(sentence);
  JsonWriter writer;
  context.output.result(
      writer.begin_object().field("file", path).field("bytes", std::uint64_t{bytes.size()}).end_object());
  return kExitOk;
}

}  // namespace galen::galenctl
