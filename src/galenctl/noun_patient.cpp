// galenctl patient keygen|register: a key of the patient's own, and her random pseudonym on the ledger.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/crypto/random.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/key_file.hpp"
#include "galenctl/noun_record.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/patient_keys.hpp"
#include "galenctl/write_call.hpp"

namespace galen::galenctl {
namespace {

struct RegisterOptions {
  std::string key, source, system = kDefaultSystem, name;
};

Result<int> register_patient(Context& context, const RegisterOptions& options) {
  if (!options.name.empty()) GALEN_TRY(check_patient_name(context, options.name, options.source.empty()));
  v1::RegisterPatientRequest request;
  request.set_request_id(crypto::random_request_id().str());
  if (!options.key.empty()) {
    GALEN_ASSIGN(auto suite, context.suite());
    GALEN_ASSIGN(auto key, crypto::PrivateKey::load(suite, options.key));
    request.set_key(key.public_key().str());
  }
  if (!options.source.empty()) {
    auto text = options.source.find('/') == std::string::npos ? "Patient/" + options.source : options.source;
    GALEN_ASSIGN(*request.mutable_source(), parse_source(options.system, text));
  }
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, call_write(context, client, request));
  if (!answer.already_registered()) GALEN_TRY(check_outcome(answer.outcome()));
  auto pseudonym = PrincipalId::from(answer.pseudonym());
  if (!pseudonym) return make_error(ErrorCode::INTERNAL, "the node answered without a pseudonym");
  // The node refuses a key that is not hers; without one, what she was registered with before is not said.
  const char* with_key = !options.key.empty()          ? ", with her own key"
                         : answer.already_registered() ? ""
                                                       : ", without a key of her own";
  context.output.say(fmt::format("patient {}{}\npseudonym {}",
                                 answer.already_registered() ? "was registered before" : "registered", with_key,
                                 pseudonym->hex()));
  JsonWriter writer;
  writer.begin_object().field("pseudonym", pseudonym->hex()).field("already_registered", answer.already_registered());
  write_outcome(writer, answer.outcome());
  context.output.result(writer.end_object());
  // Last, since the patient is registered whatever becomes of the name.
  if (!options.name.empty()) GALEN_TRY(keep_patient(context, options.name, *pseudonym, options.key));
  return kExitOk;
}

}  // namespace

void add_patient(CLI::App& app, Context& context) {
  add_keygen(app, context, "patient", "Make a key of the patient's own", "; whoever holds it speaks for the patient");
  auto options = std::make_shared<RegisterOptions>();
  auto* enrol = add_verb(app, "patient", "register", "Register a patient under a random pseudonym");
  enrol->add_option("--key", options->key, "The patient's key: then only she can grant and revoke");
  auto* source =
      enrol->add_option("--source", options->source, "Local patient id; the same one gives the same pseudonym again");
  enrol->add_option("--system", options->system, "Source system of --source")->needs(source);
  enrol->add_option("--name", options->name, "Keep pseudonym and key's place under this name below --dir");
  enrol->callback(
      [&context, options] { context.action = [&context, options] { return register_patient(context, *options); }; });
  app.get_subcommand("patient")->description("Patients: their keys and pseudonyms");
}

}  // namespace galen::galenctl
