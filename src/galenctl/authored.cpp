#include "galenctl/authored.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/crypto/random.hpp"
#include "galen/types/transaction.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/write_call.hpp"

namespace galen::galenctl {

namespace {

constexpr std::uint64_t kValidForMs = 5 * 60 * 1000;

}  // namespace

Result<std::optional<v1::TransactionOutcome>> submit(Context& context, const Genesis& genesis, Authored authored) {
  Transaction::Draft draft;
  draft.chain_id = genesis.chain_id;
  draft.author = authored.author;
  draft.request_id = crypto::random_request_id();
  draft.valid_until_ms = system_clock().wall_ms() + std::min(kValidForMs, genesis.parameters.ttl_max_ms / 2);
  draft.operations.push_back(std::move(authored.operation));
  auto bytes = Transaction::encode(draft);
  GALEN_ASSIGN(auto transaction, Transaction::decode(genesis.suite, genesis.chain_id, bytes));
  auto sign_bytes = Transaction::sign_bytes(genesis.suite, genesis.chain_id, transaction.hash());

  GALEN_ASSIGN(auto client, context.connect());
  v1::SubmitTransactionRequest request;
  request.set_transaction(to_string(bytes));
  request.set_validate_only(true);
  GALEN_ASSIGN(auto checked, client.call(request));
  if (as_text(sign_bytes) != checked.sign_bytes())
    return make_error(ErrorCode::BAD_PROOF,
                      "the node wants other bytes signed than this transaction's; nothing was signed");
  if (authored.dry_run) return std::optional<v1::TransactionOutcome>();

  request.set_validate_only(false);
  if (authored.key != nullptr) {
    auto authorization =
        Authorization::keyed(genesis.suite, authored.key->public_key(), authored.key->sign(sign_bytes));
    request.set_scheme(static_cast<std::uint32_t>(authorization.scheme));
    request.set_authorization(to_string(authorization.data));
  }
  const auto id = transaction.id().hex();
  context.output.sent(
      {draft.request_id.hex(), id, fmt::format("galenctl tx get --tx {} --valid-until {}", id, draft.valid_until_ms)});
  GALEN_ASSIGN(auto answer, client.call(request));
  if (is_final(answer.outcome().state())) context.output.answered();
  GALEN_TRY(check_outcome(answer.outcome()));
  return std::optional(answer.outcome());
}

}  // namespace galen::galenctl
