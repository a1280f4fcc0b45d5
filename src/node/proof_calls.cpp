// The calls that give out proofs and openings (docs/spec/evidence.md): pure functions of a snapshot, the vault's index
// and the request. Query threads.
#include <fmt/format.h>

#include "galen/execution/proofs.hpp"
#include "galen/types/state_key.hpp"
#include "galen/v1/ledger_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "node/disclosure.hpp"
#include "node/queries.hpp"
#include "node/request_fields.hpp"

namespace galen::node {
namespace {

/// Certificates of ours that are on their way already need no such patience; one far ahead is not waited for.
Status check_height(const ledger::View& view, Height height, const char* field) {
  if (height <= view.height()) return {};
  return Error{ErrorCode::NOT_FOUND, fmt::format("{}: this node has executed {} blocks", field, view.height())};
}

}  // namespace

Result<std::string> Queries::get_transaction_proof(const ledger::View& view, const PrincipalId& caller,
                                                   const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetTransactionProofRequest>(bytes));
  GALEN_ASSIGN(auto id, transaction_of(caller, request.transaction_id(), request.author(), request.request_id()));
  GALEN_TRY(may_read_transaction(view, id));
  GALEN_TRY(check_height(view, request.at_height(), "at_height"));
  std::vector<std::uint32_t> operations(request.operations().begin(), request.operations().end());
  GALEN_ASSIGN(auto proof, execution::build_transaction_proof(identity_.context, view, id, std::move(operations),
                                                              {request.by_history(), request.at_height()}));
  galen::v1::GetTransactionProofResponse response;
  response.set_proof(to_string(proof.encode()));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::get_state_proof(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetStateProofRequest>(bytes));
  if (state_key_bytes(request.kind()) != request.key().size())
    return Error{ErrorCode::INVALID_ARGUMENT, "kind, key: no row has such a kind and length of key"};
  Disclosure disclosure(view, identity_.member_id());
  GALEN_ASSIGN(bool shown, disclosure.state_row(static_cast<StateKind>(request.kind()), as_bytes(request.key())));
  if (!shown) return not_yours_to_read("the row");
  GALEN_TRY(check_height(view, request.height(), "height"));
  GALEN_TRY(check_height(view, request.at_height(), "at_height"));
  GALEN_ASSIGN(auto proof, execution::build_state_proof(
                               identity_.context, view, static_cast<std::uint8_t>(request.kind()),
                               as_bytes(request.key()), request.height(), {request.by_history(), request.at_height()}));
  galen::v1::GetStateProofResponse response;
  response.set_proof(to_string(proof.encode()));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::get_consistency_proof(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetConsistencyProofRequest>(bytes));
  GALEN_TRY(check_height(view, request.from_height(), "from_height"));
  GALEN_TRY(check_height(view, request.to_height(), "to_height"));
  GALEN_ASSIGN(auto proof,
               execution::build_consistency_proof(identity_.context, view, request.from_height(), request.to_height()));
  galen::v1::GetConsistencyProofResponse response;
  response.set_proof(to_string(proof.encode()));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

// The key goes only to one who has the bytes already: without them it would let its holder test guesses.
Result<std::string> Queries::open_record(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::OpenRecordRequest>(bytes));
  GALEN_ASSIGN(auto id, pointer_of(request.pointer_id(), request.has_source(), request.source()));
  GALEN_ASSIGN(auto record, load_record(view, id));
  GALEN_ASSIGN(const auto* vault, usable_vault());
  GALEN_ASSIGN(auto opening, vault->open_record(id, as_bytes(request.content())));
  galen::v1::OpenRecordResponse response;
  response.set_pointer_id(record.pointer_id());
  response.set_record_key(opening.key.str());
  response.set_document(to_string(opening.document));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

}  // namespace galen::node
