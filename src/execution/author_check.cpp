#include "execution/author_check.hpp"

#include <algorithm>

namespace galen::execution {

namespace pb = ledger::v1;

namespace {

/// Those who act for a hospital act while it has a vote; a patient's rights do not end with her hospital's. A learner
/// may show that it follows, in its administrator's own hand, since nobody vouches for him yet.
bool may_act(const Electorate& electorate, const BatchItem& item, const pb::PrincipalState& author) {
  if (author.kind() == pb::PRINCIPAL_KIND_PATIENT) return true;
  auto home = PrincipalId::from(std::string_view(author.home_member()));
  if (home && electorate.members.index_of(*home)) return true;
  const auto& operations = item.transaction.operations();
  return electorate.home_learns && author.kind() == pb::PRINCIPAL_KIND_ADMIN &&
         item.authorization.scheme != crypto::Scheme::none &&
         std::all_of(operations.begin(), operations.end(), [](const auto& one) { return one.has_learner_ready(); });
}

}  // namespace

std::optional<Error> check_author(const Electorate& electorate, const BatchItem& item, MemberIndex origin,
                                  const pb::PrincipalState* author) {
  const auto& authorization = item.authorization;
  if (author == nullptr) return make_error(ErrorCode::UNKNOWN_PRINCIPAL, "The author is not registered on this chain.");
  if (!may_act(electorate, item, *author))
    return make_error(ErrorCode::MEMBER_NOT_ACTIVE, "The author's member has no vote in this epoch.");
  if (author->status() != pb::PRINCIPAL_STATUS_ACTIVE)
    return make_error(ErrorCode::PRINCIPAL_INACTIVE, "The author is no longer active.");
  if (authorization.scheme == crypto::Scheme::none) {
    const bool vouched =
        origin < electorate.members.size() && electorate.members[origin].id.str() == author->home_member();
    if (vouched) return std::nullopt;
    return make_error(ErrorCode::NOT_YOUR_MEMBER,
                      "Only the author's own member may vouch for an unsigned transaction.");
  }
  if (authorization.scheme != crypto::key_scheme(electorate.suite))
    return make_error(ErrorCode::BAD_SIGNATURE, "This signature scheme is not part of rules version 1 on this chain.");
  if (author->key().empty() && author->kind() == pb::PRINCIPAL_KIND_PATIENT)
    return make_error(ErrorCode::PATIENT_HAS_NO_KEY,
                      "The patient has no registered key, so nothing can be signed for her.");
  auto key = authorization.key();
  if (key && key->str() == author->key()) return std::nullopt;
  return make_error(ErrorCode::WRONG_KEY, "The signature was made with another key than the author's registered one.");
}

}  // namespace galen::execution
