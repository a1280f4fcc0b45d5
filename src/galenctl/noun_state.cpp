// galenctl state prove|verify: one row of the ledger's state, or that there is none, as a file.
#include "galenctl/noun_state.hpp"

#include <CLI/CLI.hpp>

#include "galen/types/receipt.hpp"
#include "galenctl/evidence_file.hpp"
#include "galenctl/read_flags.hpp"

namespace galen::galenctl {
namespace {

struct StateOptions {
  std::string record, consent, principal, access, grants;
  bool parameters = false, by_history = false;
  std::uint64_t height = 0, at_height = 0;
  std::string path = "state.galen";
};

StateRow row(StateKind kind, ByteSpan key) { return {static_cast<std::uint32_t>(kind), to_string(key)}; }

Result<StateRow> choose_row(const Context& context, const StateOptions& options) {
  int named = options.parameters ? 1 : 0;
  for (const auto* text : {&options.record, &options.consent, &options.principal, &options.access, &options.grants})
    named += text->empty() ? 0 : 1;
  if (named != 1)
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      "name one row: --record, --consent, --principal, --access, --grants or --parameters");
  if (!options.record.empty()) return record_row(options.record);
  if (!options.consent.empty()) return consent_row(options.consent);
  if (!options.principal.empty()) return principal_row(context, options.principal);
  if (!options.access.empty()) return access_row(context, options.access);
  if (!options.grants.empty()) return grants_row(context, options.grants);
  return parameters_row();
}

Result<int> prove(Context& context, const StateOptions& options) {
  GALEN_ASSIGN(auto wanted, choose_row(context, options));
  v1::GetStateProofRequest request;
  request.set_kind(wanted.kind);
  request.set_key(wanted.key);
  request.set_height(options.height);
  request.set_by_history(options.by_history);
  request.set_at_height(options.at_height);
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(request));
  return save_evidence(context, "state proof", options.path, as_bytes(answer.proof()));
}

}  // namespace

Result<StateRow> record_row(const std::string& text) {
  GALEN_ASSIGN(auto id, parse_id("--record", text));
  return row(StateKind::record, id);
}

Result<StateRow> consent_row(const std::string& text) {
  GALEN_ASSIGN(auto id, parse_id("--consent", text));
  return row(StateKind::consent, id);
}

Result<StateRow> principal_row(const Context& context, const std::string& text) {
  GALEN_ASSIGN(auto id, parse_patient(context, text));
  return row(StateKind::principal, id);
}

Result<StateRow> access_row(const Context& context, const std::string& text) {
  GALEN_ASSIGN(auto id, parse_patient(context, text));
  return row(StateKind::access_head, ByteWriter(36).raw(id).u32(0).bytes());
}

Result<StateRow> grants_row(const Context& context, const std::string& text) {
  auto colon = text.find(':');
  if (colon == std::string::npos)
    return make_error(ErrorCode::INVALID_ARGUMENT, "--grants " + text + ": as PATIENT:MEMBER");
  GALEN_ASSIGN(auto patient, parse_patient(context, text.substr(0, colon)));
  GALEN_ASSIGN(auto genesis, load_genesis(context, ""));
  GALEN_ASSIGN(auto member, parse_member(genesis, text.substr(colon + 1)));
  return row(StateKind::grant_index, ByteWriter(64).raw(patient).raw(member).bytes());
}

StateRow parameters_row() { return row(StateKind::parameters, {}); }

void add_state(CLI::App& app, Context& context) {
  auto options = std::make_shared<StateOptions>();
  auto* make = add_verb(app, "state", "prove", "Prove a row of the state, or that there is none");
  add_read_flags(make, context);
  make->add_option("--record", options->record, "A record: its pointer id");
  make->add_option("--consent", options->consent, "A consent: its id");
  make->add_option("--principal", options->principal, "A principal: its id, or a patient's name");
  make->add_option("--access", options->access, "The head of a patient's access list");
  make->add_option("--grants", options->grants, "The consents of a patient to a member: PATIENT:MEMBER");
  make->add_flag("--parameters", options->parameters, "The parameters that validity depends on");
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
