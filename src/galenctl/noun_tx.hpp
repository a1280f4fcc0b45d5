// Naming a transaction on the command line, for `tx` and `receipt`.
#pragma once

#include <memory>

#include "galenctl/arguments.hpp"

namespace galen::galenctl {

struct TxOptions {
  std::string transaction, request_id, author, valid_until;
};
void add_tx_options(CLI::App* verb, const std::shared_ptr<TxOptions>& options);

/// Fills transaction_id, or author and request_id, of any request that has them.
template <class Request>
Status choose_transaction(const TxOptions& options, Request& request) {
  if (options.transaction.empty() == options.request_id.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "name the transaction by --tx ID or by --request-id UUID");
  if (!options.author.empty() && options.request_id.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "--author goes with --request-id: --tx alone names a transaction");
  if (!options.transaction.empty()) {
    GALEN_ASSIGN(auto id, parse_id("--tx", options.transaction));
    request.set_transaction_id(id.str());
    return {};
  }
  GALEN_ASSIGN(auto id, parse_request_id("--request-id", options.request_id));
  request.set_request_id(id.str());
  return {};
}

}  // namespace galen::galenctl
