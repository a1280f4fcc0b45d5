#include "execution/block_rows.hpp"

#include "galen/ledger/rows.hpp"
#include "galen/types/receipt.hpp"

namespace galen::execution {

namespace {

namespace pb = ledger::v1;

class Gatherer {
 public:
  explicit Gatherer(std::vector<std::string>& out) : out_(out) {}

  void add(StateKind kind, const std::string& id) {
    if (id.size() == PrincipalId::kSize)
      out_.push_back(ledger::state_row_key(static_cast<std::uint8_t>(kind), as_bytes(id)));
  }
  void add(const pb::Operation& operation) {
    switch (operation.kind_case()) {
      case pb::Operation::kRegisterPrincipal: return add(StateKind::principal, operation.register_principal().id());
      case pb::Operation::kAnchorRecord: {
        const auto& anchor = operation.anchor_record();
        add(StateKind::record, anchor.pointer_id());
        add(StateKind::principal, anchor.subject());
        return add(StateKind::record, anchor.supersedes());
      }
      case pb::Operation::kSetRecordStatus: {
        add(StateKind::record, operation.set_record_status().pointer_id());
        return add(StateKind::record, operation.set_record_status().superseded_by());
      }
      case pb::Operation::kGrantConsent: {
        add(StateKind::consent, operation.grant_consent().consent_id());
        add(StateKind::principal, operation.grant_consent().patient());
        return add(StateKind::principal, operation.grant_consent().grantee());
      }
      case pb::Operation::kRevokeConsent: return add(StateKind::consent, operation.revoke_consent().consent_id());
      case pb::Operation::kDecide: {
        add(StateKind::principal, operation.decide().patient());
        return add(StateKind::record, operation.decide().pointer_id());
      }
      default: return;  // governance is rare
    }
  }

 private:
  std::vector<std::string>& out_;
};

}  // namespace

std::vector<std::string> rows_read_by(const Block& block) {
  std::vector<std::string> out;
  Gatherer gatherer(out);
  for (const auto& batch : block.batches)
    for (const auto& item : batch->items()) {
      gatherer.add(StateKind::principal, item.transaction.author().str());
      for (const auto& operation : item.transaction.operations()) gatherer.add(operation);
    }
  return out;
}

}  // namespace galen::execution
