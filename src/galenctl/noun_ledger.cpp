// galenctl ledger: verify checks a data directory offline (galenctl knows no ledger, so it becomes galend, which does);
// block shows one block as a node has it; consistency fetches the proof that a chain was not rewritten.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>

#include "galen/types/block.hpp"
#include "galenctl/context.hpp"
#include "galenctl/dev_process.hpp"
#include "galenctl/evidence_file.hpp"
#include "galenctl/read_flags.hpp"

namespace galen::galenctl {
namespace {

struct Options {
  std::string data, genesis, bin_dir;
  std::uint64_t from = 0;
  unsigned jobs = 1;
  bool quick = false;
};

Result<int> verify(Context& context, const Options& options) {
  auto data = options.data;
  auto genesis = options.genesis;
  if (data.empty()) {
    GALEN_ASSIGN(auto layout, context.dev_layout());
    GALEN_ASSIGN(auto node, layout.find(context.options.node));
    data = layout.data_dir(node);
    if (genesis.empty()) genesis = layout.genesis_path();
  }
  GALEN_ASSIGN(auto galend, find_galend(options.bin_dir));
  std::vector<std::string> words = {galend, "verify", "--data", data};
  if (!genesis.empty()) words.insert(words.end(), {"--genesis", genesis});
  if (options.quick) words.push_back("--quick");
  if (options.from > 0) words.insert(words.end(), {"--from", std::to_string(options.from)});
  if (options.jobs > 1) words.insert(words.end(), {"--jobs", std::to_string(options.jobs)});
  if (context.output.json) words.push_back("--json");
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(galend.c_str(), arguments.data());
  return make_error(ErrorCode::IO_ERROR, fmt::format("cannot run {}: {}", galend, std::strerror(errno)));
}

Result<int> block(Context& context, std::uint64_t height) {
  GALEN_ASSIGN(auto client, context.connect());
  v1::GetBlockRequest request;
  request.set_height(height);
  GALEN_ASSIGN(auto response, client.call(request));
  GALEN_ASSIGN(auto header, BlockHeader::decode(as_bytes(response.header())));
  JsonWriter writer;
  writer.begin_object().field("height", height).field("digest", to_hex(as_bytes(response.digest())));
  writer.field("time_ms", header.time_ms).field("transactions", std::uint64_t{response.transactions()});
  writer.field("header", to_hex(as_bytes(response.header()))).field("block", to_hex(as_bytes(response.block())));
  writer.field("narrowed", response.narrowed()).key("own_transactions").begin_array();
  for (const auto& own : response.own_transactions()) {
    writer.begin_object().field("batch", std::uint64_t{own.batch()}).field("item", std::uint64_t{own.item()});
    writer.field("transaction", to_hex(as_bytes(own.transaction()))).field("scheme", std::uint64_t{own.scheme()});
    writer.field("authorization", to_hex(as_bytes(own.authorization()))).end_object();
  }
  writer.end_array().field("commit_certificate", to_hex(as_bytes(response.commit_certificate()))).end_object();
  context.output.result(writer);
  auto shown = response.narrowed() ? fmt::format("{} of them concern us and are shown", response.own_transactions_size())
                                   : fmt::format("{} bytes", response.block().size());
  context.output.say(fmt::format("block {} of {}: {} transactions, {}, digest {}", height, format_time(header.time_ms),
                                 response.transactions(), shown, to_hex(as_bytes(response.digest()))));
  return 0;
}

struct ConsistencyOptions {
  std::uint64_t from = 0, to = 0;
  std::string path = "consistency.galen";
};

Result<int> consistency(Context& context, const ConsistencyOptions& options) {
  v1::GetConsistencyProofRequest request;
  request.set_from_height(options.from);
  request.set_to_height(options.to);
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(request));
  return save_evidence(context, "consistency proof", options.path, as_bytes(answer.proof()));
}

}  // namespace

void add_ledger(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  auto* check = add_verb(app, "ledger", "verify", "Check every block, certificate and state row of a stopped node");
  check->add_option("--data", options->data, "Data directory (default: of --node below --dir)");
  check->add_option("--genesis", options->genesis, "genesis.json");
  check->add_option("--from", options->from, "First height; what is below is taken as it is, and nothing is executed again")
      ->check(CLI::NonNegativeNumber);
  check->add_flag("--quick", options->quick, "Do not execute the blocks again");
  check->add_option("--jobs", options->jobs, "Threads (default 1)")->check(CLI::Range(1u, 64u));
  check->add_option("--bin-dir", options->bin_dir, "Where galend is (default: beside galenctl)");
  check->callback([&context, options] { context.action = [&context, options] { return verify(context, *options); }; });
  auto height = std::make_shared<std::uint64_t>(0);
  auto* show = add_verb(app, "ledger", "block", "One block: its header, bodies and certificate");
  add_read_flags(show, context);
  show->add_option("--height", *height, "Height")->required()->check(CLI::NonNegativeNumber);
  show->callback([&context, height] { context.action = [&context, height] { return block(context, *height); }; });
  auto heights = std::make_shared<ConsistencyOptions>();
  auto* prove = add_verb(app, "ledger", "consistency", "Prove that the chain at one height begins that at a later one");
  add_read_flags(prove, context);
  prove->add_option("--from", heights->from, "The lower height, at least 1")->required()->check(CLI::NonNegativeNumber);
  prove->add_option("--to", heights->to, "The higher one (default: the newest that is certified)")
      ->check(CLI::NonNegativeNumber);
  prove->add_option("-o,--out", heights->path, "File to write (default consistency.galen)");
  prove->callback(
      [&context, heights] { context.action = [&context, heights] { return consistency(context, *heights); }; });
  app.get_subcommand("ledger")->description("A node's ledger");
}

}  // namespace galen::galenctl
