// galenctl decide, and galenctl access list: asking for access, and the patient's proven list of who asked.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/crypto/random.hpp"
#include "galen/types/purpose.hpp"
#include "galenctl/access_list.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/read_flags.hpp"
#include "galenctl/write_call.hpp"

namespace galen::galenctl {
namespace {

struct DecideOptions {
  std::string patient, purpose, pointer, request_id;
};

std::string reason_word(ledger::v1::DecisionReason reason) {
  return enum_word(ledger::v1::DecisionReason_Name(reason), "DECISION_REASON_");
}

Result<int> decide(Context& context, const DecideOptions& options) {
  v1::DecideRequest request;
  GALEN_ASSIGN(auto patient, parse_patient(context, options.patient));
  GALEN_ASSIGN(auto purpose, parse_purpose(options.purpose));
  auto request_id = crypto::random_request_id();
  if (!options.request_id.empty()) {
    GALEN_ASSIGN(request_id, parse_request_id("--request-id", options.request_id));
  }
  request.set_request_id(request_id.str());
  request.set_patient(patient.str());
  request.set_purpose(purpose);
  if (!options.pointer.empty()) {
    GALEN_ASSIGN(auto pointer, parse_id("--pointer", options.pointer));
    request.set_pointer_id(pointer.str());
  }
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, call_write(context, client, request));
  GALEN_TRY(check_outcome(answer.outcome()));
  std::string consent =
      answer.consent_id().empty() ? "" : ", consent " + to_hex(as_bytes(answer.consent_id())).substr(0, 12);
  context.output.say(fmt::format("{} {}{} (height {}, entry {} of the patient's list)\ntransaction {}",
                                 answer.permit() ? "PERMIT" : "DENY", answer.reason(), consent,
                                 format_count(answer.height()), format_count(answer.entry().sequence()),
                                 to_hex(as_bytes(answer.outcome().transaction_id()))));
  JsonWriter writer;
  writer.begin_object().field("permit", answer.permit()).field("reason", answer.reason());
  writer.field("consent_id", to_hex(as_bytes(answer.consent_id()))).field("height", answer.height());
  writer.field("sequence", answer.entry().sequence());
  write_outcome(writer, answer.outcome());
  context.output.result(writer.end_object());
  // A script that goes on only after 0 fails closed.
  return answer.permit() ? kExitOk : kExitRefused;
}

struct Listing {
  std::vector<std::string> entries;
  v1::StateProof head;
  v1::ReadPoint read_point;
  bool narrowed = false;  ///< another hospital's patient: only what our own organisation asked
};

Result<Listing> read_all(Client& client, const PrincipalId& patient) {
  v1::ListAccessesRequest request;
  request.set_patient(patient.str());
  request.set_page_size(1000);
  Listing out;
  do {
    GALEN_ASSIGN(auto answer, client.call(request));
    for (auto& entry : *answer.mutable_entries()) out.entries.push_back(std::move(entry));
    out.head = std::move(*answer.mutable_head());
    out.read_point = answer.read_point();
    out.narrowed = answer.narrowed();
    request.set_page_token(answer.next_page_token());
  } while (!request.page_token().empty());
  return out;
}

Result<int> list(Context& context, const std::string& patient_text, const std::string& genesis_file) {
  GALEN_ASSIGN(auto genesis, load_genesis(context, genesis_file));
  GALEN_ASSIGN(auto patient, parse_patient(context, patient_text));
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto listing, read_all(client, patient));
  // A part has no proof of being complete: it is shown as what it is.
  AccessProof proof{.count = listing.entries.size()};
  if (!listing.narrowed) {
    GALEN_ASSIGN(proof, verify_access_list(genesis, patient, listing.entries, listing.head));
  }
  auto requester = [&](const std::string& id) {
    auto fixed = PrincipalId::from(id);
    return fixed ? member_name(genesis, *fixed) : to_hex(as_bytes(id));
  };
  std::vector<std::vector<std::string>> table = {{"NO", "WHEN", "BY", "FOR", "WHAT", "ANSWER"}};
  JsonWriter writer;
  writer.begin_object().key("entries").begin_array();
  for (std::uint64_t i = 0; i < proof.count; ++i) {
    ledger::v1::AccessEntry entry;
    if (!entry.ParseFromString(listing.entries[i])) return make_error(ErrorCode::MALFORMED, "an entry does not parse");
    auto what =
        entry.pointer_id().empty() ? std::string("whole chart") : to_hex(as_bytes(entry.pointer_id())).substr(0, 12);
    table.push_back({std::to_string(entry.sequence()), format_time(entry.time_ms()), requester(entry.requester()),
                     std::string(purpose_code(entry.purpose())), what,
                     fmt::format("{} {}", entry.permit() ? "PERMIT" : "DENY", reason_word(entry.reason()))});
    writer.begin_object()
        .field("sequence", entry.sequence())
        .field("time_ms", entry.time_ms())
        .field("height", entry.height());
    writer.field("requester", requester(entry.requester())).field("author", to_hex(as_bytes(entry.author())));
    writer.field("purpose", purpose_code(entry.purpose())).field("pointer_id", to_hex(as_bytes(entry.pointer_id())));
    writer.field("permit", entry.permit()).field("reason", reason_word(entry.reason()));
    writer.field("consent_id", to_hex(as_bytes(entry.consent_id())));
    writer.field("transaction_id", to_hex(as_bytes(entry.transaction_id()))).end_object();
  }
  writer.end_array().field("complete", !listing.narrowed).field("count", proof.count);
  writer.field("height", listing.narrowed ? listing.read_point.height() : proof.height);
  writer.field("certified_by", std::uint64_t{proof.certified_by}).end_object();
  if (proof.count > 0) context.output.say(format_table(table));
  auto questions = fmt::format("{} question{}", format_count(proof.count), proof.count == 1 ? "" : "s");
  context.output.say(
      listing.narrowed
          ? questions + " by our own organisation; the patient's own hospital shows what others asked"
          : fmt::format("{}, complete and proven: the list is the one that {} members certified at height {}", questions,
                        proof.certified_by, format_count(proof.height)));
  context.output.result(writer);
  return kExitOk;
}

}  // namespace

void add_access(CLI::App& app, Context& context) {
  auto options = std::make_shared<DecideOptions>();
  auto* ask = app.add_subcommand("decide", "Ask whether our organisation may see a patient's record; exit 3 on DENY")
                  ->fallthrough();
  ask->add_option("--patient", options->patient, "Pseudonym, or a name kept below --dir")->required();
  ask->add_option("--purpose", options->purpose, "Purpose of use, e.g. TREAT")->required();
  ask->add_option("--pointer", options->pointer, "One record; without it the whole chart");
  ask->add_option("--request-id", options->request_id, "UUID, to repeat a question whose answer was lost");
  ask->callback([&context, options] { context.action = [&context, options] { return decide(context, *options); }; });

  auto patient = std::make_shared<std::string>();
  auto genesis = std::make_shared<std::string>();
  auto* show = add_verb(app, "access", "list", "Who asked about a patient, complete and proven against genesis");
  add_read_flags(show, context);
  show->add_option("--patient", *patient, "Pseudonym, or a name kept below --dir")->required();
  show->add_option("--genesis", *genesis, "genesis.json (default: of --dir)");
  show->callback([&context, patient, genesis] {
    context.action = [&context, patient, genesis] { return list(context, *patient, *genesis); };
  });
  app.get_subcommand("access")->description("Questions asked about a patient");
}

}  // namespace galen::galenctl
