// A call that writes. Its answer may be lost though the write is ordered: then the error says by what to ask for it.
#pragma once

#include "galen/base/bytes.hpp"
#include "galenctl/context.hpp"

namespace galen::galenctl {

inline bool is_final(v1::TransactionState state) {
  return state == v1::TRANSACTION_STATE_COMMITTED || state == v1::TRANSACTION_STATE_REJECTED ||
         state == v1::TRANSACTION_STATE_EXPIRED;
}

template <class Request>
bool only_asks(const Request& request) {
  if constexpr (requires { request.validate_only(); }) return request.validate_only();
  return false;
}

/// Of a request that the node makes a transaction from: its author is who calls, known by the request_id we chose.
template <class Request>
auto call_write(Context& context, Client& client, const Request& request) {
  if (only_asks(request)) return client.call(request);
  SentWrite sent{.request_id = to_hex(as_bytes(request.request_id())), .transaction_id = "", .ask = ""};
  sent.ask = "galenctl tx get --request-id " + sent.request_id;
  // Another principal would ask for another's write.
  if (!context.options.client.empty()) sent.ask += " --as " + context.options.client;
  context.output.sent(sent);
  auto answer = client.call(request);
  if (!answer) return answer;
  if (is_final(answer->outcome().state())) {
    context.output.answered();
  } else {
    sent.transaction_id = to_hex(as_bytes(answer->outcome().transaction_id()));
    context.output.sent(sent);
  }
  return answer;
}

}  // namespace galen::galenctl
