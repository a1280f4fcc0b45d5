// RegisterPatient and RegisterService. A patient's pseudonym is tied to a hospital's own number in the vault, never on
// the ledger.

#include <fmt/format.h>

#include "galen/crypto/random.hpp"
#include "galen/v1/patient_service.pb.h"
#include "node/authority.hpp"
#include "node/intake.hpp"
#include "node/request_fields.hpp"

namespace galen::node {

using galen::node::v1::Call;
using ledger::v1::Operation;

// The source is registered: what the request says besides must be what the ledger holds, for it stays as it is.
Status Intake::check_known_patient(const galen::v1::RegisterPatientRequest& request,
                                   const PrincipalId& pseudonym) const {
  if (!request.pseudonym().empty() && request.pseudonym() != pseudonym.str())
    return Error{ErrorCode::ALREADY_EXISTS,
                 "the patient of this source is registered under another pseudonym; leave it out to be told which"};
  if (request.key().empty()) return {};
  GALEN_ASSIGN(auto state, load_principal(*view_, pseudonym));
  if (state.key() == request.key()) return {};
  return Error{ErrorCode::ALREADY_EXISTS,
               fmt::format("the patient of this source is registered as {}, {}, and that stays so; to have consents "
                           "signed with the key given, register her anew without the source",
                           pseudonym.hex(), state.key().empty() ? "without a key" : "with another key")};
}

Status Intake::register_patient(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::RegisterPatientRequest>(call.request()));
  GALEN_ASSIGN(auto request_id, parse_request_id(request.request_id()));
  auto author = *PrincipalId::from(std::string_view(call.principal()));
  std::optional<PrincipalId> wanted;
  if (!request.pseudonym().empty()) {
    wanted = PrincipalId::from(std::string_view(request.pseudonym()));
    if (!wanted) return invalid("pseudonym must be 32 random bytes or empty");
  }
  auto response = std::make_unique<galen::v1::RegisterPatientResponse>();
  const auto id = transaction_id(identity_.context.suite, author, request_id);
  GALEN_ASSIGN(auto earlier, earlier_of(id));
  if (earlier && !request.validate_only()) return retry_registration(call, deadline_us, request, id, *earlier);
  std::optional<vault::PlanGroup> group;
  PrincipalId pseudonym = wanted ? *wanted : crypto::random_fixed<PrincipalId>();
  if (request.has_source()) {
    GALEN_TRY(check_source(request.source()));
    group = next_group_++;
    // The patient table's lookup is system and value; the type is part of the value, so that Patient/1 and MRN 1
    // differ.
    auto value = request.source().type() + "/" + request.source().id();
    auto outcome = vault_->plan_patient(*group, request.source().system(), value, wanted);
    if (!outcome) return outcome.error();
    if (auto* known = std::get_if<vault::KnownPatient>(&*outcome)) {
      response->set_pseudonym(known->pseudonym.str());
      response->set_already_registered(true);
      Open open{.call = call, .response = std::move(response), .deadline_us = deadline_us};
      if (!known->in_flight) {
        GALEN_TRY(check_known_patient(request, known->pseudonym));
        reply_ok(call, *open.response);
        return {};
      }
      open.again = true;  // once she is registered, with what this request asks for
      open.awaits.insert(*known->in_flight);
      wait(std::move(open));
      return {};
    }
    pseudonym = std::get<vault::PatientPlan>(*outcome).entry.pseudonym;
  }
  Operation operation;
  auto* registration = operation.mutable_register_principal();
  registration->set_id(pseudonym.str());
  registration->set_kind(ledger::v1::PRINCIPAL_KIND_PATIENT);
  registration->set_key(request.key());
  if (request.validate_only()) {
    if (group) vault_->abandon(*group);
    if (wanted) response->set_pseudonym(wanted->str());  // one that was drawn will never exist
    GALEN_TRY(validate_only(author, request_id, {operation}));
    reply_ok(call, *response);
    return {};
  }
  GALEN_TRY(make_transaction(author, request_id, {operation}, group));
  response->set_pseudonym(pseudonym.str());
  auto* outcome = response->mutable_outcome();
  Open open{.call = call, .response = std::move(response), .outcome = outcome, .own = id, .deadline_us = deadline_us};
  open.awaits.insert(id);
  wait(std::move(open));
  return {};
}

Status Intake::register_service(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::RegisterServiceRequest>(call.request()));
  Operation operation;
  auto* registration = operation.mutable_register_principal();
  registration->set_id(request.id());
  registration->set_kind(ledger::v1::PRINCIPAL_KIND_SERVICE);
  auto response = std::make_unique<galen::v1::RegisterServiceResponse>();
  auto* outcome = response->mutable_outcome();
  return simple_write(call, deadline_us, as_bytes(request.request_id()), request.validate_only(), std::move(operation),
                      std::move(response), outcome);
}

}  // namespace galen::node
