// The calls that read a patient's consents and accesses, lists page by page, narrowed to what concerns the caller's
// member. What is hidden shows neither in a page's length nor in the token of the next: tokens are the places of rows
// that are shown. Pure functions of a snapshot and the request. Query threads.
#include "galen/contracts/contract.hpp"
#include "galen/v1/access_service.pb.h"
#include "galen/v1/consent_service.pb.h"
#include "node/disclosure.hpp"
#include "node/list_pages.hpp"
#include "node/queries.hpp"
#include "node/request_fields.hpp"

namespace galen::node {
namespace {

std::string consent_status(const ledger::v1::ConsentState& state, TimestampMs time_ms) {
  if (state.revoked()) return "revoked";
  if (state.not_after_ms() != 0 && time_ms >= state.not_after_ms()) return "expired";
  if (time_ms < state.not_before_ms()) return "not yet valid";
  return "active";
}

Result<std::optional<galen::v1::Consent>> load_consent(const ledger::View& view, ByteSpan id) {
  GALEN_ASSIGN(auto row, view.state(static_cast<std::uint8_t>(StateKind::consent), id));
  if (!row) return std::optional<galen::v1::Consent>();
  galen::v1::Consent consent;
  consent.set_consent_id(to_string(id));
  if (!consent.mutable_state()->ParseFromArray(row->data(), static_cast<int>(row->size())))
    return Error{ErrorCode::CORRUPT, "a consent's state does not decode"};
  consent.set_status(consent_status(consent.state(), view.head().header.time_ms));
  return std::optional(std::move(consent));
}

}  // namespace

Result<std::string> Queries::get_consent(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetConsentRequest>(bytes));
  GALEN_ASSIGN(auto id, parse_id<ConsentId>(request.consent_id(), "consent_id"));
  GALEN_ASSIGN(auto consent, load_consent(view, id));
  if (!consent) return Error{ErrorCode::CONSENT_NOT_FOUND, "no consent has this id"};
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool shown, disclosure.consent(consent->state()));
  if (!shown) return not_yours_to_read("the consent");
  galen::v1::GetConsentResponse response;
  *response.mutable_consent() = std::move(*consent);
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::list_consents(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::ListConsentsRequest>(bytes));
  GALEN_ASSIGN(auto patient, parse_id<PrincipalId>(request.patient(), "patient"));
  GALEN_ASSIGN(auto page, parse_page(request.page_size(), request.page_token()));
  galen::v1::ListConsentsResponse response;
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool whole, disclosure.own(patient));
  response.set_narrowed(!whole);
  using Consent = galen::v1::Consent;
  auto shown_of = [&](const Bytes& row) -> Result<std::vector<Consent>> {
    std::vector<Consent> out;
    for (std::size_t at = 0; at + ConsentId::kSize <= row.size(); at += ConsentId::kSize) {
      GALEN_ASSIGN(auto consent, load_consent(view, ByteSpan(row).subspan(at, ConsentId::kSize)));
      if (!consent) return Error{ErrorCode::CORRUPT, "a list of consents names one that is not there"};
      GALEN_ASSIGN(bool shown, disclosure.consent(consent->state()));
      if (shown) out.push_back(std::move(*consent));
    }
    return out;
  };
  GALEN_ASSIGN(auto next, visit_page<Consent>(view, contracts::ListKind::patient_consents, patient, page, shown_of,
                                              [&](Consent consent) { *response.add_consents() = std::move(consent); }));
  response.set_next_page_token(std::move(next));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::list_accesses(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::ListAccessesRequest>(bytes));
  GALEN_ASSIGN(auto patient, parse_id<PrincipalId>(request.patient(), "patient"));
  GALEN_ASSIGN(auto page, parse_page(request.page_size(), request.page_token()));
  auto key = contracts::access_head_key(patient);
  galen::v1::ListAccessesResponse response;
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool whole, disclosure.own(patient));
  response.set_narrowed(!whole);
  // First, for it may not be certified yet: then the call is asked again in a moment.
  if (whole) GALEN_TRY(set_proof(view, StateKind::access_head, key, response.mutable_head()));
  auto shown_of = [&](const Bytes& row) -> Result<std::vector<std::string>> {
    ledger::v1::AccessEntry entry;
    if (!entry.ParseFromArray(row.data(), static_cast<int>(row.size())))
      return Error{ErrorCode::CORRUPT, "an entry of an access list does not decode"};
    GALEN_ASSIGN(bool shown, disclosure.access(entry));
    return shown ? std::vector{to_string(row)} : std::vector<std::string>{};
  };
  GALEN_ASSIGN(auto next, visit_page<std::string>(view, contracts::ListKind::patient_accesses, key, page, shown_of,
                                                  [&](std::string entry) { response.add_entries(std::move(entry)); }));
  response.set_next_page_token(std::move(next));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

}  // namespace galen::node
