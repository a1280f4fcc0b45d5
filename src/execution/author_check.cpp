#include "execution/author_check.hpp"

namespace galen::execution {

namespace pb = ledger::v1;

std::optional<Error> check_author(const Genesis& genesis, const Authorization& authorization, MemberIndex origin,
                                  const pb::PrincipalState* author) {
  if (author == nullptr) return make_error(ErrorCode::UNKNOWN_PRINCIPAL, "The author is not registered on this chain.");
  if (author->status() != pb::PRINCIPAL_STATUS_ACTIVE)
    return make_error(ErrorCode::PRINCIPAL_INACTIVE, "The author is no longer active.");
  if (authorization.scheme == crypto::Scheme::none) {
    const bool vouched = origin < genesis.members.size() && genesis.members[origin].id.str() == author->home_member();
    if (vouched) return std::nullopt;
    return make_error(ErrorCode::NOT_YOUR_MEMBER,
                      "Only the author's own member may vouch for an unsigned transaction.");
  }
  if (authorization.scheme != crypto::key_scheme(genesis.suite))
    return make_error(ErrorCode::BAD_SIGNATURE, "This signature scheme is not part of rules version 1 on this chain.");
  if (author->key().empty() && author->kind() == pb::PRINCIPAL_KIND_PATIENT)
    return make_error(ErrorCode::PATIENT_HAS_NO_KEY,
                      "The patient has no registered key, so nothing can be signed for her.");
  auto key = authorization.key();
  if (key && key->str() == author->key()) return std::nullopt;
  return make_error(ErrorCode::WRONG_KEY, "The signature was made with another key than the author's registered one.");
}

}  // namespace galen::execution
