#include "node/past_reads.hpp"

#include <fmt/format.h>

#include "galen/v1/ledger_service.pb.h"

namespace galen::node {

Status check_past_reads(socket::Method method, const std::string& bytes, Height floor) {
  if (floor == 0) return {};
  bool needs_past = false;
  switch (method) {
    case socket::Method::get_transaction:
    case socket::Method::get_receipt:
    case socket::Method::get_transaction_proof:
    case socket::Method::get_consistency_proof:
    case socket::Method::list_consents:
    case socket::Method::list_accesses:
    case socket::Method::list_proposals:
      needs_past = true;
      break;
    case socket::Method::get_state_proof: {
      galen::v1::GetStateProofRequest request;
      needs_past = request.ParseFromString(bytes) && (request.by_history() || request.at_height() != 0);
      break;
    }
    case socket::Method::get_block: {
      galen::v1::GetBlockRequest request;
      needs_past = request.ParseFromString(bytes) && request.height() < floor;
      break;
    }
    default:
      break;
  }
  if (!needs_past) return {};
  return Error{ErrorCode::BACKFILLING, fmt::format("blocks below {} are still on their way to this node", floor)};
}

}  // namespace galen::node
