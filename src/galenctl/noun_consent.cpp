// galenctl consent grant|revoke|list. Granting is the patient's own act, signed with her own key (authored.hpp).
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/base/clock.hpp"
#include "galen/crypto/random.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/authored.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/patient_keys.hpp"
#include "galenctl/read_flags.hpp"

namespace galen::galenctl {
namespace {

struct GrantOptions {
  std::string patient, key, to, purposes, from, until, genesis;
};
struct RevokeOptions {
  std::string patient, key, consent, genesis;
};

Result<int> grant(Context& context, const GrantOptions& options) {
  GALEN_ASSIGN(auto genesis, load_genesis(context, options.genesis));
  GALEN_ASSIGN(auto patient, parse_patient(context, options.patient));
  GALEN_ASSIGN(auto grantee, parse_member(context, options.genesis, options.to));
  GALEN_ASSIGN(auto purposes, parse_purposes(options.purposes));
  GALEN_ASSIGN(auto key, patient_key(context, genesis.suite, options.patient, options.key));
  auto now_ms = system_clock().wall_ms();
  auto consent_id = crypto::random_fixed<ConsentId>();
  ledger::v1::Operation operation;
  auto& consent = *operation.mutable_grant_consent();
  consent.set_consent_id(consent_id.str());
  consent.set_patient(patient.str());
  consent.set_grantee(grantee.str());
  consent.set_purposes(purposes);
  if (!options.from.empty()) {
    GALEN_ASSIGN(auto from, parse_time("--from", options.from, now_ms));
    consent.set_not_before_ms(from);
  }
  if (!options.until.empty()) {
    GALEN_ASSIGN(auto until, parse_time("--until", options.until, now_ms));
    // 1970 is 0, and 0 on the ledger is a consent without end.
    if (until <= now_ms)
      return make_error(
          ErrorCode::INVALID_ARGUMENT,
          fmt::format("--until {}: that is past already; for a consent without end leave it out", options.until));
    consent.set_not_after_ms(until);
  }
  GALEN_ASSIGN(auto submitted, submit(context, genesis, {patient, &key, operation}));
  const auto& outcome = *submitted;
  context.output.say(
      fmt::format("granted to {} for {}{}, at height {}\nconsent {}\ntransaction {}", options.to, purposes_text(purposes),
                  consent.not_after_ms() == 0 ? "" : " until " + format_time(consent.not_after_ms()),
                  format_count(outcome.height()), consent_id.hex(), to_hex(as_bytes(outcome.transaction_id()))));
  JsonWriter writer;
  writer.begin_object().field("consent_id", consent_id.hex());
  write_outcome(writer, outcome);
  context.output.result(writer.end_object());
  return kExitOk;
}

Result<int> revoke(Context& context, const RevokeOptions& options) {
  GALEN_ASSIGN(auto genesis, load_genesis(context, options.genesis));
  GALEN_ASSIGN(auto patient, parse_patient(context, options.patient));
  GALEN_ASSIGN(auto consent_id, parse_id("--consent", options.consent));
  GALEN_ASSIGN(auto key, patient_key(context, genesis.suite, options.patient, options.key));
  ledger::v1::Operation operation;
  operation.mutable_revoke_consent()->set_consent_id(consent_id.str());
  GALEN_ASSIGN(auto submitted, submit(context, genesis, {patient, &key, operation}));
  const auto& outcome = *submitted;
  context.output.say(fmt::format("revoked at height {}; from the next block on it permits nothing\ntransaction {}",
                                 format_count(outcome.height()), to_hex(as_bytes(outcome.transaction_id()))));
  JsonWriter writer;
  writer.begin_object().field("consent_id", consent_id.hex());
  write_outcome(writer, outcome);
  context.output.result(writer.end_object());
  return kExitOk;
}

Result<int> list(Context& context, const std::string& patient_text, const std::string& genesis_file) {
  GALEN_ASSIGN(auto patient, parse_patient(context, patient_text));
  auto genesis = load_genesis(context, genesis_file);
  auto member = [&](const std::string& id) {
    auto fixed = PrincipalId::from(id);
    return genesis && fixed ? member_name(*genesis, *fixed) : to_hex(as_bytes(id));
  };
  GALEN_ASSIGN(auto client, context.connect());
  v1::ListConsentsRequest request;
  request.set_patient(patient.str());
  std::vector<std::vector<std::string>> table = {
      {"STATUS", "TO", "PURPOSES", "UNTIL", "GRANTED AT", "REVOKED AT", "CONSENT"}};
  JsonWriter writer;
  writer.begin_object().key("consents").begin_array();
  bool narrowed = false;
  do {
    GALEN_ASSIGN(auto answer, client.call(request));
    narrowed = answer.narrowed();
    for (const auto& consent : answer.consents()) {
      const auto& state = consent.state();
      table.push_back({consent.status(), member(state.grantee()), purposes_text(state.purposes()),
                       state.not_after_ms() == 0 ? "no end" : format_time(state.not_after_ms()),
                       format_count(state.granted_height()),
                       state.revoked() ? format_count(state.revoked_height()) : "-",
                       to_hex(as_bytes(consent.consent_id()))});
      writer.begin_object()
          .field("consent_id", to_hex(as_bytes(consent.consent_id())))
          .field("status", consent.status());
      writer.field("grantee", member(state.grantee())).field("purposes", purposes_text(state.purposes()));
      writer.field("not_before_ms", state.not_before_ms()).field("not_after_ms", state.not_after_ms());
      writer.field("granted_height", state.granted_height()).field("revoked", state.revoked());
      writer.field("revoked_height", state.revoked_height()).end_object();
    }
    request.set_page_token(answer.next_page_token());
  } while (!request.page_token().empty());
  context.output.say(table.size() > 1 ? format_table(table)
                                      : fmt::format("this patient has granted {}nothing", narrowed ? "us " : ""));
  if (narrowed) context.output.say("another hospital's patient: what she granted to others is shown there");
  context.output.result(writer.end_array().field("complete", !narrowed).end_object());
  return kExitOk;
}

}  // namespace

void add_consent(CLI::App& app, Context& context) {
  auto grants = std::make_shared<GrantOptions>();
  auto* give = add_verb(app, "consent", "grant", "The patient lets an organisation see her record");
  give->add_option("--patient", grants->patient, "Pseudonym, or a name kept below --dir")->required();
  give->add_option("--key", grants->key, "The patient's key (default: the one kept with her name)");
  give->add_option("--to", grants->to, "Member's name in genesis, or its id")->required();
  give->add_option("--purpose", grants->purposes, "Purposes of use, e.g. TREAT,HPAYMT")->required();
  give->add_option("--until", grants->until, "24h, 7d, or 2027-01-31T12:00:00Z; without it: no end");
  give->add_option("--from", grants->from, "Not before; without it: at once");
  give->add_option("--genesis", grants->genesis, "genesis.json (default: of --dir)");
  give->callback([&context, grants] { context.action = [&context, grants] { return grant(context, *grants); }; });

  auto revokes = std::make_shared<RevokeOptions>();
  auto* take = add_verb(app, "consent", "revoke", "The patient takes a consent back");
  take->add_option("--patient", revokes->patient, "Pseudonym, or a name kept below --dir")->required();
  take->add_option("--key", revokes->key, "The patient's key (default: the one kept with her name)");
  take->add_option("--consent", revokes->consent, "Consent id")->required();
  take->add_option("--genesis", revokes->genesis, "genesis.json (default: of --dir)");
  take->callback([&context, revokes] { context.action = [&context, revokes] { return revoke(context, *revokes); }; });

  auto patient = std::make_shared<std::string>();
  auto genesis = std::make_shared<std::string>();
  auto* show = add_verb(app, "consent", "list", "All consents of a patient, oldest first");
  add_read_flags(show, context);
  show->add_option("--patient", *patient, "Pseudonym, or a name kept below --dir")->required();
  show->add_option("--genesis", *genesis, "genesis.json (default: of --dir)");
  show->callback([&context, patient, genesis] {
    context.action = [&context, patient, genesis] { return list(context, *patient, *genesis); };
  });
  app.get_subcommand("consent")->description("A patient's consents: grant, revoke, list");
}

}  // namespace galen::galenctl
