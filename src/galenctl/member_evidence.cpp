// galenctl member evidence: which members the chain has proven to have signed two values for one place.
#include <fmt/format.h>

#include "galenctl/noun_member.hpp"

namespace galen::galenctl {
namespace {

std::string hex(const std::string& bytes) { return to_hex(as_bytes(bytes)); }

/// SIGNED_KIND_PRE_PREPARE -> "PRE_PREPARE"
std::string kind_name(ledger::v1::SignedKind kind) {
  auto name = ledger::v1::SignedKind_Name(kind);
  const auto at = name.find("KIND_");
  return at == std::string::npos ? std::to_string(static_cast<int>(kind)) : name.substr(at + 5);
}

}  // namespace

Result<int> list_evidence(Context& context) {
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(v1::ListEquivocationsRequest{}));
  GALEN_ASSIGN(auto members, client.call(v1::ListMembersRequest{}));
  auto name_of = [&](const std::string& id) {
    for (const auto& member : members.members())
      if (member.id() == id) return printable(member.name());
    return hex(id);
  };
  std::vector<std::vector<std::string>> table = {
      {"EPOCH", "MEMBER", "SIGNED TWO", "VIEW", "HEIGHT", "REPORTED BY", "IN BLOCK", "AT", "TRANSACTION"}};
  JsonWriter writer;
  writer.begin_object().key("equivocations").begin_array();
  for (const auto& one : answer.equivocations()) {
    const auto& state = one.state();
    const auto kind = kind_name(state.kind());
    table.push_back({std::to_string(one.epoch()), printable(one.name()), kind, std::to_string(state.view()),
                     format_count(state.place()), name_of(state.reporter()), format_count(state.height()),
                     format_time(state.time_ms()), hex(state.transaction_id())});
    writer.begin_object().field("epoch", one.epoch()).field("member", hex(one.member()));
    writer.field("name", as_utf8(one.name())).field("kind", kind).field("view", state.view());
    writer.field("height", state.place()).field("reporter", hex(state.reporter()));
    writer.field("transaction_id", hex(state.transaction_id())).field("block", state.height());
    writer.field("time_ms", state.time_ms()).end_object();
  }
  context.output.say(table.size() > 1 ? format_table(table)
                                      : "no member is proven to have signed two values for one place");
  context.output.result(writer.end_array().end_object());
  return kExitOk;
}

Result<ProvenEpochs> proven_epochs(Client& client) {
  GALEN_ASSIGN(auto answer, client.call(v1::ListEquivocationsRequest{}));
  ProvenEpochs out;
  for (const auto& one : answer.equivocations()) out[one.member()].insert(one.epoch());
  return out;
}

}  // namespace galen::galenctl
