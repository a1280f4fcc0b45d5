#include "galenctl/access_list.hpp"

#include <fmt/format.h>

#include "galen/ledger/v1/state.pb.h"

namespace galen::galenctl {
namespace {

Bytes head_key(const PrincipalId& patient) {
  ByteWriter key;
  key.raw(patient).u32(0);  // compartment 0: the general one
  return std::move(key).take();
}

/// Each entry must be about this patient and carry its place, so that no foreign or repeated line passes.
Status check_entry(const PrincipalId& patient, const std::string& bytes, std::uint64_t sequence) {
  ledger::v1::AccessEntry entry;
  if (!entry.ParseFromString(bytes))
    return make_error(ErrorCode::MALFORMED, fmt::format("entry {} does not parse", sequence));
  if (entry.patient() != patient.str())
    return make_error(ErrorCode::BAD_PROOF, fmt::format("entry {} is about another patient", sequence));
  if (entry.sequence() != sequence)
    return make_error(ErrorCode::BAD_PROOF, fmt::format("entry {} says it is number {}", sequence, entry.sequence()));
  return {};
}

/// The members of all epochs that the answer leads to, from genesis on.
Result<EpochChain> follow_epochs(const Genesis& genesis, const v1::StateProof& head) {
  std::vector<EpochLink> links;
  for (const auto& bytes : head.epochs()) {
    ByteReader in(as_bytes(bytes));
    links.push_back(EpochLink::read(in));
    if (!in.done()) return make_error(ErrorCode::MALFORMED, "a link between epochs does not decode");
  }
  return EpochChain::follow(genesis, links);
}

}  // namespace

Result<AccessProof> verify_access_list(const Genesis& genesis, const PrincipalId& patient,
                                       const std::vector<std::string>& entries, const v1::StateProof& head) {
  GALEN_ASSIGN(auto certificate, ExecutedCertificate::decode(as_bytes(head.executed_certificate())));
  GALEN_ASSIGN(const auto epochs, follow_epochs(genesis, head));
  const auto epoch = epochs.epoch_at(certificate.subject.height);
  GALEN_TRY(certificate.verify(epochs.context_of(epoch), epochs.members_of(epoch)));
  auto key = head_key(patient);
  if (head.kind() != static_cast<std::uint32_t>(StateKind::access_head) || head.key() != as_text(key))
    return make_error(ErrorCode::BAD_PROOF, "the proof is not about this patient's list");
  std::optional<Bytes> value;
  if (head.present()) value = to_bytes(head.value());
  GALEN_TRY(verify_state_proof(genesis.suite, certificate.subject.state_root,
                               static_cast<std::uint8_t>(StateKind::access_head), key, value, as_bytes(head.proof())));
  ledger::v1::AccessHeadState state;
  if (head.present() && !state.ParseFromString(head.value()))
    return make_error(ErrorCode::MALFORMED, "the head does not parse");
  if (entries.size() < state.count())
    return make_error(ErrorCode::BAD_PROOF, fmt::format("the ledger counts {} accesses, the node shows only {}",
                                                        state.count(), entries.size()));
  Hash running;
  for (std::uint64_t i = 0; i < state.count(); ++i) {
    GALEN_TRY(check_entry(patient, entries[i], i + 1));
    running = next_access_hash(genesis.suite, running, as_bytes(entries[i]));
  }
  bool same = head.present() ? running.str() == state.running_hash() : state.count() == 0;
  if (!same)
    return make_error(ErrorCode::BAD_PROOF, "the entries are not those the ledger counted: their running hash differs");
  return AccessProof{certificate.subject.height, state.count(), certificate.signers.signers.size()};
}

}  // namespace galen::galenctl
