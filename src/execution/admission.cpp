#include "galen/execution/admission.hpp"

#include <algorithm>

#include "execution/author_check.hpp"
#include "galen/contracts/registry.hpp"
#include "galen/execution/membership.hpp"

namespace galen::execution {

namespace pb = ledger::v1;

namespace {

/// A batch is valid until the first of its items ends: one that ends before a block can hold it would take the others along.
constexpr std::uint64_t kShortestLifeMs = 1'000;

bool needs_author(const Transaction& transaction) {
  for (const auto& operation : transaction.operations())
    if (contracts::min_assurance(operation.kind_case()) == contracts::Assurance::author) return true;
  return false;
}

/// Its author signs, unless it is the first one: then no key is registered yet.
bool sets_admin_key(const Transaction& transaction) {
  const auto& operations = transaction.operations();
  return std::any_of(operations.begin(), operations.end(), [](const auto& one) { return one.has_set_admin_key(); });
}

Result<pb::PrincipalState> load_author(const ledger::View& view, const PrincipalId& id) {
  GALEN_ASSIGN(auto stored, view.state(static_cast<std::uint8_t>(StateKind::principal), id));
  if (!stored) return make_error(ErrorCode::UNKNOWN_PRINCIPAL, "The author is not registered on this chain.");
  pb::PrincipalState value;
  if (!value.ParseFromArray(stored->data(), static_cast<int>(stored->size())))
    return make_error(ErrorCode::CORRUPT, "A principal's state does not decode.");
  return value;
}

}  // namespace

Admission::Admission(const Genesis& genesis, const PrincipalId& self) : genesis_(genesis), self_(self), runner_(genesis) {}

Result<BatchItem> Admission::decode(const AdmissionRequest& request, bool signature_may_be_missing) const {
  GALEN_ASSIGN(auto transaction, Transaction::decode(genesis_.suite, genesis_.chain_id, request.transaction));
  BatchItem item{request.authorization, std::move(transaction)};
  GALEN_TRY(check_authorization(genesis_.suite, genesis_.chain_id, item.transaction.hash(), item.authorization));
  if (item.authorization.scheme == crypto::Scheme::none && !signature_may_be_missing &&
      request.caller != item.transaction.author())
    return make_error(ErrorCode::PERMISSION_DENIED, "Without the author's signature only the author may submit.");
  std::uint32_t place = 0;
  for (const auto& operation : item.transaction.operations()) GALEN_TRY(contracts::check_operation(operation, place++));
  return item;
}

Result<Admitted> Admission::admit(const ledger::View& view, AdmissionRequest request) const {
  GALEN_ASSIGN(auto item, decode(request, false));
  const auto& transaction = item.transaction;

  // An answer that stands is given whatever else has changed since.
  GALEN_ASSIGN(auto row, view.transaction(transaction.id()));
  if (row && row->latest.valid_until_ms >= view.head().header.time_ms) return Admitted{std::move(item), row->first};

  if (transaction.valid_until_ms() < request.now_ms || transaction.valid_until_ms() < view.head().header.time_ms)
    return make_error(ErrorCode::EXPIRED, "valid_until has passed.");
  if (transaction.valid_until_ms() < request.now_ms + kShortestLifeMs)
    return make_error(ErrorCode::EXPIRED, "valid_until is less than a second away: no block would hold it in time.");
  if (transaction.valid_until_ms() - request.now_ms > genesis_.parameters.ttl_max_ms)
    return make_error(ErrorCode::VALID_UNTIL_TOO_FAR, "valid_until lies further ahead than ttl_max.");

  GALEN_ASSIGN(auto author, load_author(view, transaction.author()));
  GALEN_ASSIGN(const auto membership, load_membership(genesis_, view));
  const auto self = membership.members.index_of(self_);
  if (!self)
    return make_error(ErrorCode::MEMBER_NOT_ACTIVE, "This node's member has no vote, so it makes no batches now.");
  const Electorate electorate{genesis_.suite, membership.members, membership.is_learner(author.home_member())};
  if (auto refused = check_author(electorate, item, *self, &author)) return std::move(*refused);
  const bool is_signed = item.authorization.scheme != crypto::Scheme::none;
  for (const auto& operation : transaction.operations()) {
    if (!contracts::may_author(author.kind(), operation.kind_case())) {
      const bool is_patients = contracts::may_author(pb::PRINCIPAL_KIND_PATIENT, operation.kind_case());
      return make_error(is_patients ? ErrorCode::NOT_THE_PATIENT : ErrorCode::PERMISSION_DENIED,
                        "The author's kind of principal may not do this.");
    }
  }
  if (!is_signed && needs_author(transaction)) {
    if (author.kind() == pb::PRINCIPAL_KIND_PATIENT && author.key().empty())
      return make_error(ErrorCode::PATIENT_HAS_NO_KEY,
                        "Only the patient's own key can sign this, and she registered none.");
    return make_error(ErrorCode::ASSURANCE_TOO_LOW,
                      "An operation of this transaction needs its author's own signature.");
  }
  return Admitted{std::move(item), std::nullopt};
}

Result<Admission::Validation> Admission::validate(const ledger::View& view, const AdmissionRequest& request) const {
  GALEN_ASSIGN(auto item, decode(request, true));
  const auto& transaction = item.transaction;
  Validation validation;
  validation.transaction_hash = transaction.hash();
  validation.sign_bytes = Transaction::sign_bytes(genesis_.suite, genesis_.chain_id, transaction.hash());
  // Nothing in a trial looks at the signature itself, so the registered key stands for the signature to come.
  const bool signs_later = item.authorization.scheme == crypto::Scheme::none &&
                           (needs_author(transaction) || sets_admin_key(transaction) ||
                            request.caller != transaction.author());
  if (signs_later) {
    auto author = load_author(view, transaction.author());
    if (!author && author.error().code != ErrorCode::UNKNOWN_PRINCIPAL) return author.error();
    auto key = author ? PublicKey::from(std::string_view(author->key())) : std::nullopt;
    if (key) item.authorization = Authorization::keyed(genesis_.suite, *key, Signature{});
  }
  const auto time_ms = std::max(request.now_ms, view.head().header.time_ms + 1);
  GALEN_ASSIGN(const auto membership, load_membership(genesis_, view));
  const auto self = membership.members.index_of(self_);
  if (!self)
    return make_error(ErrorCode::MEMBER_NOT_ACTIVE, "This node's member has no vote, so it makes no batches now.");
  GALEN_ASSIGN(validation.trial, runner_.try_transaction(view, item, *self, time_ms));
  return validation;
}

}  // namespace galen::execution
