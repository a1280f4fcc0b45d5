#include "galenctl/evidence_file.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/types/limits.hpp"
#include "galen/types/report.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {

namespace {

constexpr std::size_t kFileBytesMax = limits::kEvidenceBytesMax + 4096;

}  // namespace

Result<int> verify_evidence(Context& context, const std::string& path, const std::string& genesis_file) {
  std::optional<Bytes> genesis;
  if (!genesis_file.empty() || !context.directory().empty()) {
    GALEN_ASSIGN(auto genesis_path, context.genesis_path(genesis_file));
    GALEN_ASSIGN(auto text, read_text_file(genesis_path));
    genesis = to_bytes(std::string_view(text));
  }
  GALEN_ASSIGN(auto file, read_text_file(path, kFileBytesMax));
  GALEN_ASSIGN(auto verified, verify_evidence_file(genesis, as_bytes(file)));
  context.output.raw(context.output.json ? verified.json + "\n" : verified.text);
  return kExitOk;
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
