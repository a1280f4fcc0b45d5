// galenctl state prove|verify: one row of the ledger's state, or that there is none, as a file.
#include <CLI/CLI.hpp>

#include "galenctl/evidence_file.hpp"
#include "galenctl/read_flags.hpp"
#include "galenctl/state_rows.hpp"

namespace galen::galenctl {
namespace {

struct StateOptions {
  RowFlags rows;
  bool by_history = false;
  std::uint64_t height = 0, at_height = 0;
  std::string path = "state.galen";
};

Result<int> prove(Context& context, const StateOptions& options) {
  GALEN_ASSIGN(auto rows, options.rows.rows(context));
  if (rows.size() != 1) return make_error(ErrorCode::INVALID_ARGUMENT, "name one row: " + RowFlags::names());
  v1::GetStateProofRequest request;
  request.set_kind(rows[0].kind);
  request.set_key(rows[0].key);
  request.set_height(options.height);
  request.set_by_history(options.by_history);
  request.set_at_height(options.at_height);
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(request));
  return save_evidence(context, "state proof", options.path, as_bytes(answer.proof()));
}

}  // namespace

void add_state(CLI::App& app, Context& context) {
  auto options = std::make_shared<StateOptions>();
  auto* make = add_verb(app, "state", "prove", "Prove a row of the state, or that there is none");
  add_read_flags(make, context);
  options->rows.add_to(make);
  make->add_option("--height", options->height, "Height (default: the newest that is certified)")
      ->check(CLI::NonNegativeNumber);
  make->add_flag("--short", options->by_history, "Through the history tree of a later block");
  make->add_option("--at", options->at_height, "The height of that block (default: the nearest)")
      ->check(CLI::NonNegativeNumber);
  make->add_option("-o,--out", options->path, "File to write (default state.galen)");
  make->callback([&context, options] { context.action = [&context, options] { return prove(context, *options); }; });
  add_verify_verb(app, context, "state", "Verify a state proof with genesis.json alone, without any node");
  app.get_subcommand("state")->description("Proofs of single rows of the ledger's state");
}

}  // namespace galen::galenctl
