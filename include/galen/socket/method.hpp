// Every call the front end can make on the node, in one table: number on the socket, gRPC name, whether it writes, and
// who may call it (docs/api.md lists the same). A method without a row does not exist; denied by default.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace galen::socket {

enum class Method : std::uint32_t {
  anchor_record = 1,
  anchor_record_batch = 2,
  get_record = 3,
  list_record_versions = 4,
  verify_record = 5,
  set_record_status = 6,
  open_record = 7,
  get_head = 10,
  get_block = 11,
  get_transaction = 12,
  get_receipt = 13,
  submit_transaction = 14,
  stream_events = 15,
  get_transaction_proof = 16,
  get_state_proof = 17,
  get_consistency_proof = 18,
  get_status = 20,
  list_peers = 21,
  who_am_i = 22,
  register_patient = 30,
  register_service = 31,
  get_principal = 32,
  get_consent = 40,
  list_consents = 41,
  decide = 50,
  list_accesses = 51,
  list_members = 60,
  list_epochs = 61,
  get_proposal = 62,
  list_proposals = 63,
  list_equivocations = 64,
};

/// What a caller's principal must be. Both are principals of this node's own member, active in state.
enum class Role : std::uint8_t {
  any = 0,  ///< service or admin
  admin = 1,
};

struct MethodInfo {
  Method method;
  std::string_view service;  ///< "galen.v1.RecordService"
  std::string_view name;     ///< "AnchorRecord"
  bool writes;               ///< takes a write credit, refused without quorum
  Role role;
  bool streams = false;      ///< answers in pages (ReadEvents in node/v1/socket.proto), which the front end makes a stream
};

inline constexpr std::array kMethods = {
    MethodInfo{Method::anchor_record, "galen.v1.RecordService", "AnchorRecord", true, Role::any},
    MethodInfo{Method::anchor_record_batch, "galen.v1.RecordService", "AnchorRecordBatch", true, Role::any},
    MethodInfo{Method::get_record, "galen.v1.RecordService", "GetRecord", false, Role::any},
    MethodInfo{Method::list_record_versions, "galen.v1.RecordService", "ListRecordVersions", false, Role::any},
    MethodInfo{Method::verify_record, "galen.v1.RecordService", "VerifyRecord", false, Role::any},
    MethodInfo{Method::set_record_status, "galen.v1.RecordService", "SetRecordStatus", true, Role::any},
    MethodInfo{Method::open_record, "galen.v1.RecordService", "OpenRecord", false, Role::admin},
    MethodInfo{Method::get_head, "galen.v1.LedgerService", "GetHead", false, Role::any},
    MethodInfo{Method::get_block, "galen.v1.LedgerService", "GetBlock", false, Role::any},
    MethodInfo{Method::get_transaction, "galen.v1.LedgerService", "GetTransaction", false, Role::any},
    MethodInfo{Method::get_receipt, "galen.v1.LedgerService", "GetReceipt", false, Role::any},
    MethodInfo{Method::get_transaction_proof, "galen.v1.LedgerService", "GetTransactionProof", false, Role::any},
    MethodInfo{Method::get_state_proof, "galen.v1.LedgerService", "GetStateProof", false, Role::any},
    MethodInfo{Method::get_consistency_proof, "galen.v1.LedgerService", "GetConsistencyProof", false, Role::any},
    MethodInfo{Method::submit_transaction, "galen.v1.LedgerService", "SubmitTransaction", true, Role::any},
    MethodInfo{Method::stream_events, "galen.v1.LedgerService", "StreamEvents", false, Role::any, true},
    MethodInfo{Method::get_status, "galen.v1.NodeService", "GetStatus", false, Role::any},
    MethodInfo{Method::list_peers, "galen.v1.NodeService", "ListPeers", false, Role::any},
    MethodInfo{Method::who_am_i, "galen.v1.NodeService", "WhoAmI", false, Role::any},
    MethodInfo{Method::register_patient, "galen.v1.PatientService", "RegisterPatient", true, Role::any},
    MethodInfo{Method::register_service, "galen.v1.PatientService", "RegisterService", true, Role::admin},
    MethodInfo{Method::get_principal, "galen.v1.PatientService", "GetPrincipal", false, Role::any},
    MethodInfo{Method::get_consent, "galen.v1.ConsentService", "GetConsent", false, Role::any},
    MethodInfo{Method::list_consents, "galen.v1.ConsentService", "ListConsents", false, Role::any},
    MethodInfo{Method::decide, "galen.v1.AccessService", "Decide", true, Role::any},
    MethodInfo{Method::list_accesses, "galen.v1.AccessService", "ListAccesses", false, Role::any},
    MethodInfo{Method::list_members, "galen.v1.GovernanceService", "ListMembers", false, Role::any},
    MethodInfo{Method::list_epochs, "galen.v1.GovernanceService", "ListEpochs", false, Role::any},
    MethodInfo{Method::get_proposal, "galen.v1.GovernanceService", "GetProposal", false, Role::any},
    MethodInfo{Method::list_proposals, "galen.v1.GovernanceService", "ListProposals", false, Role::any},
    MethodInfo{Method::list_equivocations, "galen.v1.GovernanceService", "ListEquivocations", false, Role::any},
};

constexpr const MethodInfo* find_method(Method method) {
  for (const auto& info : kMethods)
    if (info.method == method) return &info;
  return nullptr;
}

}  // namespace galen::socket
