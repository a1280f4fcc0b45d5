// The state a chain starts with: an active principal for every member and its admin, and the parameters. Neither has a
// key of its own yet: consensus keys sign for the node, never for an author.
#include "contracts/support.hpp"
#include "galen/contracts/registry.hpp"

namespace galen::contracts {

namespace {

GenesisRow principal_row(const PrincipalId& id, pb::PrincipalKind kind, const PrincipalId& home) {
  pb::PrincipalState value;
  value.set_format(1);
  value.set_kind(kind);
  value.set_home_member(home.str());
  value.set_status(pb::PRINCIPAL_STATUS_ACTIVE);
  return {StateKind::principal, to_bytes(id.span()), serialise(value)};
}

}  // namespace

std::vector<GenesisRow> genesis_state(const Genesis& genesis) {
  std::vector<GenesisRow> rows;
  for (const auto& member : genesis.members) {
    rows.push_back(principal_row(member.id, pb::PRINCIPAL_KIND_MEMBER, member.id));
    rows.push_back(principal_row(member.admin, pb::PRINCIPAL_KIND_ADMIN, member.id));
  }
  pb::ParametersState parameters;
  parameters.set_format(1);
  parameters.set_rules_version(genesis.rules_version);
  rows.push_back({StateKind::parameters, {}, serialise(parameters)});
  return rows;
}

}  // namespace galen::contracts
