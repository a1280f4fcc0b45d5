#include "unit/types/sample_evidence.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "galen/crypto/merkle.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/types/report.hpp"
#include "unit/suite.hpp"

namespace galen::test {

namespace {

const auto kSuite = suite();
/// Height that each header confirms: late at 5 and 7, two at once at 8 and 9.
constexpr Height kExecHeight[] = {0, 0, 1, 2, 3, 3, 4, 4, 6, 8, 9, 10};

ledger::v1::Operation decide(const std::string& requester, std::uint32_t purpose) {
  ledger::v1::Operation out;
  auto* body = out.mutable_decide();
  body->set_patient(sample_id<PrincipalId>("patient").str());
  body->set_requester(sample_id<PrincipalId>(requester).str());
  body->set_purpose(purpose);
  return out;
}

struct Leaf {
  Hash path;
  Hash value_hash;
};

/// Root of the rows below a node; fills in the siblings beside `wanted` and the walk's end when a proof is asked for.
Hash state_root_of(std::vector<Leaf> leaves, std::size_t depth, const Hash* wanted, crypto::StateProof* proof) {
  if (leaves.size() <= 1) {
    if (proof != nullptr && !leaves.empty())
      proof->terminal = crypto::StateProof::Terminal{leaves[0].path, leaves[0].value_hash};
    return leaves.empty() ? Hash{} : crypto::state_leaf_of_hash(kSuite, leaves[0].path, leaves[0].value_hash);
  }
  std::vector<Leaf> sides[2];
  for (const auto& leaf : leaves) sides[crypto::path_bit(leaf.path, depth) ? 1 : 0].push_back(leaf);
  Hash roots[2];
  for (int side : {0, 1}) {
    bool walk = proof != nullptr && (crypto::path_bit(*wanted, depth) ? 1 : 0) == side;
    if (walk) proof->siblings.push_back(state_root_of(sides[1 - side], depth + 1, nullptr, nullptr));
    roots[side] = state_root_of(sides[side], depth + 1, wanted, walk ? proof : nullptr);
  }
  return crypto::state_inner(kSuite, roots[0], roots[1]);
}

std::vector<Leaf> leaves_of(const std::vector<SampleEvidence::Row>& rows) {
  std::vector<Leaf> out;
  for (const auto& row : rows)
    out.push_back(
        {crypto::state_path(kSuite, static_cast<std::uint8_t>(row.kind), row.key), crypto::hash(kSuite, row.value)});
  return out;
}

template <class Message>
Bytes bytes_of(const Message& message) {
  return to_bytes(std::string_view(message.SerializeAsString()));
}

}  // namespace

SampleEvidence::SampleEvidence()
    : base(sample_chain()),
      document(to_bytes(std::string_view("{\"resourceType\":\"Observation\",\"id\":\"1\"}"))),
      record_key(sample_id<Hash>("record key")) {
  make_batches();
  make_rows();
  make_blocks();
}

void SampleEvidence::make_batches() {
  const auto& genesis = base.genesis;
  std::vector<ledger::v1::Operation> anchors;
  for (const char* name : {"e0", "e1", "e2", "e3", "e4"}) anchors.push_back(sample_anchor(name));
  auto head = ByteWriter(15).raw("galen1").u8(1).u64(document.size());
  anchors[0].mutable_anchor_record()->set_commitment(crypto::hmac(kSuite, record_key, {head.bytes(), document}).str());
  auto item = [&](std::string_view name, const char* author, std::vector<ledger::v1::Operation> operations) {
    return BatchItem{{}, make_transaction(genesis, name, sample_id<PrincipalId>(author), std::move(operations))};
  };
  auto by_patient = make_transaction(genesis, "evidence revoke", sample_id<PrincipalId>("patient"), [] {
    ledger::v1::Operation out;
    out.mutable_revoke_consent()->set_consent_id(sample_id<ConsentId>("consent").str());
    return std::vector<ledger::v1::Operation>{out};
  }());
  auto message = Transaction::sign_bytes(kSuite, genesis.chain_id, by_patient.hash());
  auto signature = base.sign("evidence-revoke", base.patient_key, message);
  std::vector<Batch::Draft> drafts(2);
  drafts[0] = {0, {item("evidence bulk", "service of A", anchors)}};
  drafts[1] = {2,
               {item("evidence permit", "service of C", {decide("member C", 59), sample_anchor("e5")}),
                item("evidence deny", "service of C", {decide("member C", 17)}),
                {Authorization::keyed(kSuite, base.patient_key.public_key(), signature), by_patient},
                item("evidence refused", "nobody", {sample_anchor("e6"), sample_anchor("e7")})}};
  for (auto& draft : drafts) {
    const auto& key = base.keys[draft.origin];
    batches.push_back(std::make_shared<const Batch>(Batch::make(base.context, std::move(draft), key)));
  }
}

void SampleEvidence::make_rows() {
  ledger::v1::ParametersState parameters;
  parameters.set_format(1);
  parameters.set_rules_version(1);
  rows.push_back({StateKind::parameters, {}, bytes_of(parameters)});
  const auto& bulk = batches[0]->items()[0].transaction;
  for (const auto& operation : bulk.operations()) {
    const auto& anchor = operation.anchor_record();
    ledger::v1::RecordState state;
    state.set_format(1);
    state.set_custodian(anchor.custodian());
    state.set_subject(anchor.subject());
    state.set_commitment(anchor.commitment());
    state.set_canon(anchor.canon());
    state.set_status(anchor.status());
    state.set_class_(anchor.class_());
    state.set_retention(anchor.retention());
    state.set_period(681);
    state.set_height(kFull);
    rows.push_back({StateKind::record, to_bytes(std::string_view(anchor.pointer_id())), bytes_of(state)});
  }
  ledger::v1::ConsentState consent;
  consent.set_format(1);
  consent.set_patient(sample_id<PrincipalId>("patient").str());
  consent.set_grantee(sample_id<PrincipalId>("member C").str());
  consent.set_purposes(std::uint64_t{1} << 58);
  consent.set_revoked(true);
  consent.set_granted_height(2);
  consent.set_revoked_height(kFull);
  rows.push_back({StateKind::consent, to_bytes(sample_id<ConsentId>("consent").span()), bytes_of(consent)});
}

void SampleEvidence::make_blocks() {
  auto state_of_rows = state_root_of(leaves_of(rows), 0, nullptr, nullptr);
  std::vector<Hash> digests;
  for (const auto& batch : batches) digests.push_back(batch->digest());
  headers.push_back(base.genesis.block_zero());
  outcome_roots.emplace_back();
  results_roots.emplace_back();
  state_roots.push_back(sample_id<Hash>("state at 0"));
  for (Height height = 1; height <= kHeights; ++height) {
    BlockHeader header;
    header.chain_id = base.genesis.chain_id;
    header.view = height / 4;
    header.height = height;
    header.parent = headers.back().digest(kSuite);
    header.time_ms = headers.back().time_ms + 1'000;
    header.exec_height = kExecHeight[height];
    header.state_root = state_roots[header.exec_height];
    header.results_root = results_roots[header.exec_height];
    bool full = height == kFull;
    header.body_root = body_root(kSuite, full ? std::span<const Hash>(digests) : std::span<const Hash>());
    header.batch_count = full ? static_cast<std::uint32_t>(digests.size()) : 0;
    header.history_size = height;
    header.history_root = crypto::merkle_root(kSuite, history(height));
    header.proposer = static_cast<MemberIndex>(header.view % 4);
    headers.push_back(header);
    if (full) {
      auto answer = [&](std::size_t item, std::uint32_t purpose, ledger::v1::DecisionReason reason) {
        const auto& asked = batches[1]->items()[item].transaction;
        ledger::v1::AccessEntry entry;
        entry.set_format(1);
        entry.set_sequence(item + 1);
        entry.set_height(height);
        entry.set_time_ms(header.time_ms);
        entry.set_transaction_id(asked.id().str());
        entry.set_patient(sample_id<PrincipalId>("patient").str());
        entry.set_requester(sample_id<PrincipalId>("member C").str());
        entry.set_author(asked.author().str());
        entry.set_purpose(purpose);
        entry.set_permit(reason == ledger::v1::DECISION_REASON_CONSENT);
        entry.set_reason(reason);
        entry.set_consent_id(sample_id<ConsentId>("consent").str());
        return bytes_of(entry);
      };
      outcomes = {{ErrorCode::OK, std::vector<Bytes>(5)},
                  {ErrorCode::OK, {answer(0, 59, ledger::v1::DECISION_REASON_CONSENT), {}}},
                  {ErrorCode::OK, {answer(1, 17, ledger::v1::DECISION_REASON_PURPOSE)}},
                  {ErrorCode::OK, {Bytes{}}},
                  {ErrorCode::UNKNOWN_PRINCIPAL, {}}};
    }
    outcome_roots.push_back(full ? crypto::merkle_root(kSuite, outcome_leaves())
                                 : crypto::merkle_root(kSuite, std::span<const Hash>()));
    results_roots.push_back(next_results_root(kSuite, results_roots.back(), height, outcome_roots.back()));
    state_roots.push_back(height < kFull ? state_roots.back() : state_of_rows);
  }
}

std::vector<Hash> SampleEvidence::history(std::uint64_t size) const {
  std::vector<Hash> leaves;
  for (std::uint64_t i = 0; i < size; ++i) leaves.push_back(crypto::merkle_leaf(kSuite, headers[i].digest(kSuite)));
  return leaves;
}

std::vector<Hash> SampleEvidence::outcome_leaves() const {
  std::vector<Hash> leaves;
  for (const auto& batch : batches)
    for (const auto& item : batch->items()) {
      auto index = static_cast<std::uint32_t>(leaves.size());
      leaves.push_back(crypto::merkle_leaf(
          kSuite, outcome_leaf_data(kSuite, index, item.transaction.hash(), item.transaction.id(),
                                    static_cast<std::uint32_t>(outcomes[index].code), outcomes[index].results)));
    }
  return leaves;
}

CertifiedBlock SampleEvidence::at_once(Height height) const {
  ExecutedCertificate certificate;
  certificate.subject = {height, headers[height].digest(kSuite), state_roots[height], results_roots[height]};
  certificate.signers = {4, {0, 1, 3}};
  for (auto signer : certificate.signers.signers)
    certificate.signatures.push_back(
        base.sign("evidence-executed-" + std::to_string(height) + "-" + std::to_string(signer), base.keys[signer],
                  executed_sign_bytes(base.context, signer, certificate.subject)));
  CertifiedBlock out;
  out.header = headers[height].encode();
  out.executed_certificate = certificate.encode();
  return out;
}

CertifiedHeader SampleEvidence::certified(Height height, Height later) const {
  CertifiedHeader out;
  out.header = headers[height].encode();
  auto last = height;
  if (later != 0) {
    out.later = CertifiedHeader::Later{headers[later].encode(), crypto::merkle_path(kSuite, history(later), height)};
    last = later;
  }
  VoteSubject subject{headers[last].view, last, headers[last].digest(kSuite)};
  out.commit_certificate = base.certify("evidence-commit-" + std::to_string(last), VotePhase::commit, subject).encode();
  return out;
}

CertifiedBlock SampleEvidence::by_history(Height height, Height confirming, Height later) const {
  CertifiedBlock out;
  out.header = headers[height].encode();
  auto& history_proof = out.history.emplace();
  history_proof.path = crypto::merkle_path(kSuite, history(confirming), height);
  history_proof.confirming = certified(confirming, later);
  for (auto between = height + 1; between <= headers[confirming].exec_height; ++between)
    history_proof.later_outcome_roots.push_back(outcome_roots[between]);
  return out;
}

TransactionProof SampleEvidence::transaction(std::size_t batch, std::size_t item,
                                             const std::vector<std::uint16_t>& shown) const {
  const auto& from = batches[batch]->items()[item];
  std::size_t index = item;
  for (std::size_t b = 0; b < batch; ++b) index += batches[b]->items().size();
  const auto& outcome = outcomes[index];
  TransactionProof out;
  out.scheme = static_cast<std::uint8_t>(from.authorization.scheme);
  out.authorization = from.authorization.data;
  auto parts = split_transaction(from.transaction);
  out.envelope = to_bytes(parts.envelope);
  out.operations = static_cast<std::uint16_t>(parts.operations.size());
  out.code = static_cast<std::uint16_t>(outcome.code);
  std::vector<Hash> operation_leaves, result_leaves, batch_leaves;
  for (auto operation : parts.operations) operation_leaves.push_back(crypto::merkle_leaf(kSuite, operation));
  for (const auto& result : outcome.results) result_leaves.push_back(crypto::merkle_leaf(kSuite, result));
  for (const auto& each : batches) batch_leaves.push_back(crypto::merkle_leaf(kSuite, each->digest()));
  for (auto i : shown) {
    ShownOperation one{i, to_bytes(parts.operations[i]), crypto::merkle_path(kSuite, operation_leaves, i), {}, {}};
    if (out.code == 0) {
      one.result = outcome.results[i];
      one.result_path = crypto::merkle_path(kSuite, result_leaves, i);
    }
    out.shown.push_back(std::move(one));
  }
  out.item_index = static_cast<std::uint32_t>(item);
  out.item_path = crypto::merkle_path(kSuite, batches[batch]->item_leaves(kSuite), item);
  out.batch_header = batches[batch]->header().encode();
  out.batch_index = static_cast<std::uint32_t>(batch);
  out.batch_path = crypto::merkle_path(kSuite, batch_leaves, batch);
  out.outcome_index = static_cast<std::uint32_t>(index);
  out.outcome_size = static_cast<std::uint32_t>(outcomes.size());
  out.outcome_path = crypto::merkle_path(kSuite, outcome_leaves(), index);
  out.previous_results_root = results_roots[kFull - 1];
  return out;
}

StateRowProof SampleEvidence::state(StateKind kind, ByteSpan key) const {
  StateRowProof out;
  out.kind = static_cast<std::uint8_t>(kind);
  out.key = to_bytes(key);
  for (const auto& row : rows)
    if (row.kind == kind && row.key == out.key) out.value = row.value;
  auto wanted = crypto::state_path(kSuite, out.kind, key);
  crypto::StateProof proof;
  state_root_of(leaves_of(rows), 0, &wanted, &proof);
  out.proof = proof.encode();
  return out;
}

ConsistencyProof SampleEvidence::consistency(Height from, Height to, Height later) const {
  return {headers[from].encode(), crypto::merkle_consistency_path(kSuite, history(to), from),
          crypto::merkle_path(kSuite, history(to), from), certified(to, later)};
}

TransactionProofFile SampleEvidence::transaction_file(const CertifiedBlock& block, TransactionProof proof) const {
  return {base.genesis.chain_id, block, std::move(proof)};
}
StateProofFile SampleEvidence::state_file(const CertifiedBlock& block, StateRowProof proof) const {
  return {base.genesis.chain_id, block, std::move(proof)};
}
ConsistencyProofFile SampleEvidence::consistency_file(ConsistencyProof proof) const {
  return {base.genesis.chain_id, std::move(proof)};
}

EvidenceBundle SampleEvidence::bundle() const {
  EvidenceBundle out;
  out.chain_id = base.genesis.chain_id;
  out.summary = "A sample of evidence: one record of five, a permitted question, and what the patient did.\n";
  out.genesis = to_bytes(std::string_view(read_text(golden_path("genesis.json"))));
  out.members = base.genesis.member_set.encode();
  auto now = out.add_block(at_once());
  auto old = out.add_block(by_history(kFull, 8, 11));
  out.transactions.push_back({{now}, transaction(0, 0, {0})});
  out.transactions.push_back({{old}, transaction(1, 0, {0})});
  out.transactions.push_back({{old}, transaction(1, 2, {0})});
  out.states.push_back({{now}, state(StateKind::record, sample_id<PointerId>("pointer e0"))});
  out.states.push_back({{now}, state(StateKind::consent, sample_id<ConsentId>("never granted"))});
  out.consistency.push_back(consistency(kFull, 10, 11));
  out.openings.push_back({0, record_key, document});
  return out;
}

const SampleEvidence& sample_evidence() {
  static const SampleEvidence sample;
  return sample;
}

}  // namespace galen::test
