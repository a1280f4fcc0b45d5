#include "unit/types/sample_chain.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "galen/crypto/merkle.hpp"
#include "galen/crypto/x509.hpp"
#include "galen/ledger/v1/state.pb.h"
#include "unit/suite.hpp"

namespace galen::test {

namespace {

constexpr TimestampMs kCreatedMs = 1'767'225'600'000;  // 2026-01-01
const auto kSuite = galen::test::suite();

crypto::PrivateKey golden_key(const std::string& name) {
  auto key = crypto::PrivateKey::from_pem(kSuite, read_text(golden_path(name)));
  GALEN_ASSERT(key.has_value());
  return *key;
}

/// Signatures by name, kept in tests/golden/signatures.txt.
std::map<std::string, Signature>& signature_book() {
  static auto book = [] {
    std::map<std::string, Signature> out;
    std::istringstream in(read_text(golden_path("signatures.txt")));
    std::string name, hex;
    while (in >> name >> hex) out[name] = Signature::parse_hex(hex).value_or(Signature{});
    return out;
  }();
  return book;
}

void remember_signature(const std::string& name, const Signature& signature) {
  auto& book = signature_book();
  book[name] = signature;
  std::string text;
  for (const auto& [key, value] : book) text += key + " " + value.hex() + "\n";
  write_text(golden_path("signatures.txt"), text);
}

/// Certificates are P-256 under every suite; those of the first serve both.
std::string ca_path(const std::string& name) { return std::string(GALEN_SOURCE_DIR) + "/tests/golden/" + name; }

Genesis sample_genesis(const std::vector<crypto::PrivateKey>& keys) {
  Genesis draft;
  draft.suite = kSuite;
  draft.name = "Sample consortium";
  draft.created_ms = kCreatedMs;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::string name(1, static_cast<char>('A' + i));
    auto file = "member-" + std::to_string(i) + ".ca.pem";
    if (golden_write() && read_text(ca_path(file)).empty())
      write_text(ca_path(file), crypto::make_ca_certificate(keys[i], {.common_name = "Hospital " + name + " CA",
                                                                      .not_before_s = 1'767'225'600,
                                                                      .not_after_s = 2'082'758'400,
                                                                      .is_ca = true}));
    draft.members.push_back({"Hospital " + name, sample_id<PrincipalId>("member " + name), keys[i].public_key(),
                             sample_id<PrincipalId>("admin " + name), read_text(ca_path(file))});
  }
  auto genesis = Genesis::parse(as_bytes(Genesis::to_json(draft)));
  if (!genesis) ADD_FAILURE() << genesis.error().message;
  GALEN_ASSERT(genesis.has_value());
  return *genesis;
}

ledger::v1::Operation register_patient(const PublicKey& key) {
  ledger::v1::Operation out;
  auto* body = out.mutable_register_principal();
  body->set_id(sample_id<PrincipalId>("patient").str());
  body->set_kind(ledger::v1::PRINCIPAL_KIND_PATIENT);
  body->set_key(key.str());
  return out;
}

ledger::v1::Operation grant() {
  ledger::v1::Operation out;
  auto* body = out.mutable_grant_consent();
  body->set_consent_id(sample_id<ConsentId>("consent").str());
  body->set_patient(sample_id<PrincipalId>("patient").str());
  body->set_grantee(sample_id<PrincipalId>("member C").str());
  body->set_purposes(std::uint64_t{1} << 58);
  body->set_not_after_ms(kCreatedMs + 86'400'000);
  return out;
}

ledger::v1::Operation decide() {
  ledger::v1::Operation out;
  auto* body = out.mutable_decide();
  body->set_patient(sample_id<PrincipalId>("patient").str());
  body->set_requester(sample_id<PrincipalId>("member C").str());
  body->set_purpose(59);
  return out;
}

std::vector<Hash> outcome_leaves(const SampleChain& chain) {
  std::vector<Hash> leaves;
  for (const auto& batch : chain.batches)
    for (const auto& item : batch->items()) {
      auto index = static_cast<std::uint32_t>(leaves.size());
      const auto& outcome = chain.outcomes[index];
      leaves.push_back(
          crypto::merkle_leaf(kSuite, outcome_leaf_data(kSuite, index, item.transaction.hash(), item.transaction.id(),
                                                        static_cast<std::uint32_t>(outcome.code), outcome.results)));
    }
  return leaves;
}

void fill_path(ledger::v1::MerklePath* out, std::span<const Hash> leaves, std::size_t index) {
  out->set_index(index);
  out->set_size(leaves.size());
  for (const auto& sibling : crypto::merkle_path(kSuite, leaves, index)) out->add_siblings(sibling.str());
}

}  // namespace

bool golden_write() { return std::getenv("GALEN_GOLDEN_WRITE") != nullptr; }

std::string golden_path(const std::string& name) {
  auto folder = kSuite == crypto::Suite::sm2_sm3 ? "/tests/golden/sm2-sm3/" : "/tests/golden/";
  return GALEN_SOURCE_DIR + std::string(folder) + name;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

void expect_golden(const std::string& name, std::string_view text) {
  if (golden_write()) write_text(golden_path(name), text);
  EXPECT_EQ(read_text(golden_path(name)), text) << "tests/golden/" << name << " is frozen: see tests/golden/README.md";
}

void expect_golden_hex(const std::string& name, ByteSpan bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 64)
    text += to_hex(bytes.subspan(i, std::min<std::size_t>(64, bytes.size() - i))) + "\n";
  expect_golden(name, text);
}

RequestId sample_request_id(std::string_view name) {
  auto id = sample_id<RequestId>(name);
  id.data[6] = static_cast<std::uint8_t>((id.data[6] & 0x0f) | 0x40);
  id.data[8] = static_cast<std::uint8_t>((id.data[8] & 0x3f) | 0x80);
  return id;
}

ledger::v1::Operation sample_anchor(std::string_view name) {
  auto text = std::string(name);
  ledger::v1::Operation out;
  auto* body = out.mutable_anchor_record();
  body->set_pointer_id(sample_id<PointerId>("pointer " + text).str());
  body->set_custodian(sample_id<PrincipalId>("member A").str());
  body->set_subject(sample_id<PrincipalId>("patient").str());
  body->set_commitment(sample_id<Hash>("commitment " + text).str());
  body->set_canon(ledger::v1::CANON_METHOD_RAW);
  body->set_status(ledger::v1::RECORD_STATUS_CURRENT);
  body->set_class_(ledger::v1::RECORD_CLASS_N);
  body->set_retention(ledger::v1::RETENTION_CLASS_NONE);
  return out;
}

Transaction make_transaction(const Genesis& genesis, std::string_view name, const PrincipalId& author,
                             std::vector<ledger::v1::Operation> operations) {
  auto bytes = Transaction::encode(
      {genesis.chain_id, author, sample_request_id(name), genesis.created_ms + 300'000, std::move(operations)});
  auto transaction = Transaction::decode(genesis.suite, genesis.chain_id, bytes);
  if (!transaction) ADD_FAILURE() << transaction.error().message;
  GALEN_ASSERT(transaction.has_value());
  return *transaction;
}

SampleChain::SampleChain() : patient_key(golden_key("patient.key.pem")) {
  for (int i = 0; i < 4; ++i) keys.push_back(golden_key("member-" + std::to_string(i) + ".key.pem"));
  genesis = sample_genesis(keys);
  context = genesis.context();
  make_batches();
  make_block();
  execute();
}

Signature SampleChain::sign(const std::string& name, const crypto::PrivateKey& key, ByteSpan message) const {
  auto found = signature_book().find(name);
  if (found != signature_book().end() && crypto::verify(kSuite, key.public_key(), message, found->second))
    return found->second;
  auto signature = key.sign(message);
  if (golden_write())
    remember_signature(name, signature);
  else
    ADD_FAILURE() << "tests/golden/signatures.txt: no valid signature " << name << ": signed bytes have changed";
  return signature;
}

void SampleChain::make_batches() {
  auto service = sample_id<PrincipalId>("service of A"), patient = sample_id<PrincipalId>("patient");
  auto by_node = [&](std::string_view name, const PrincipalId& author, std::vector<ledger::v1::Operation> operations) {
    return BatchItem{{}, make_transaction(genesis, name, author, std::move(operations))};
  };
  auto by_patient = make_transaction(genesis, "grant", patient, {grant()});
  auto message = Transaction::sign_bytes(kSuite, genesis.chain_id, by_patient.hash());
  BatchItem granted{Authorization::keyed(kSuite, patient_key.public_key(), sign("grant", patient_key, message)),
                    by_patient};

  std::vector<Batch::Draft> drafts(3);
  drafts[0] = {0,
               {by_node("bulk", service, {sample_anchor("1"), sample_anchor("2"), sample_anchor("3")}),
                by_node("register", service, {register_patient(patient_key.public_key())})}};
  drafts[1] = {2, {granted}};
  drafts[2] = {2,
               {by_node("decide", sample_id<PrincipalId>("service of C"), {decide()}),
                by_node("bulk", service, {sample_anchor("1"), sample_anchor("2"), sample_anchor("3")})}};
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const auto& key = keys[drafts[i].origin];
    auto batch = Batch::make(context, drafts[i], key);
    auto batch_message = sign_prefix(context, MessageType::batch);
    auto header_bytes = batch.header().encode();
    batch_message.insert(batch_message.end(), header_bytes.begin(), header_bytes.end());
    auto signature = sign("batch-" + std::to_string(i), key, batch_message);
    auto bytes = batch.bytes();
    std::copy(signature.data.begin(), signature.data.end(), bytes.begin() + kBatchHeaderBytes);
    auto decoded = Batch::decode(context, bytes);
    GALEN_ASSERT(decoded.has_value());
    batches.push_back(std::make_shared<const Batch>(std::move(*decoded)));
  }
}

void SampleChain::make_block() {
  auto zero = genesis.block_zero();
  auto zero_leaf = crypto::merkle_leaf(kSuite, zero.digest(kSuite));
  for (const auto& batch : batches) skeleton.batch_digests.push_back(batch->digest());
  header.chain_id = genesis.chain_id;
  header.view = 5;
  header.height = 1;
  header.parent = zero.digest(kSuite);
  header.time_ms = kCreatedMs + 1'000;
  header.state_root = sample_id<Hash>("state at 0");
  header.body_root = body_root(kSuite, skeleton.batch_digests);
  header.batch_count = 3;
  header.history_size = 1;
  header.history_root = crypto::merkle_root(kSuite, {&zero_leaf, 1});
  header.proposer = 1;
  skeleton.header = header;
}

void SampleChain::execute() {
  auto result = [](std::string_view text) { return to_bytes(text); };
  outcomes = {{ErrorCode::OK, {result("r1"), result("r2"), {}}},
              {ErrorCode::OK, {result("registered")}},
              {ErrorCode::OK, {result("granted")}},
              {ErrorCode::UNKNOWN_PRINCIPAL, {}},
              {ErrorCode::REQUEST_ID_REUSED, {}}};
  outcome_root = crypto::merkle_root(kSuite, outcome_leaves(*this));
  state_root = sample_id<Hash>("state at 1");
  results_root = next_results_root(kSuite, previous_results_root, header.height, outcome_root);
  executed.subject = {header.height, header.digest(kSuite), state_root, results_root};
  executed.signers = {4, {0, 1, 3}};
  for (auto signer : executed.signers.signers)
    executed.signatures.push_back(sign("executed-" + std::to_string(signer), keys[signer],
                                       executed_sign_bytes(context, signer, executed.subject)));
  commit = certify("commit-1", VotePhase::commit, {header.view + 1, header.height, header.digest(kSuite)});
}

QuorumCertificate SampleChain::certify(const std::string& name, VotePhase phase, const VoteSubject& subject) const {
  QuorumCertificate out{phase, subject, {4, {0, 2, 3}}, {}};
  for (auto signer : out.signers.signers)
    out.signatures.push_back(
        sign(name + "-" + std::to_string(signer), keys[signer], vote_sign_bytes(context, phase, signer, subject)));
  return out;
}

ledger::v1::Receipt SampleChain::receipt(std::size_t index) const {
  std::size_t batch_index = 0, item_index = index;
  while (item_index >= batches[batch_index]->items().size()) item_index -= batches[batch_index++]->items().size();
  const auto& batch = *batches[batch_index];
  const auto& item = batch.items()[item_index];
  std::vector<Hash> batch_leaves;
  for (const auto& digest : skeleton.batch_digests) batch_leaves.push_back(crypto::merkle_leaf(kSuite, digest));

  ledger::v1::Receipt out;
  out.set_format(1);
  out.set_chain_id(genesis.chain_id.str());
  out.set_header(to_string(header.encode()));
  out.set_transaction(to_string(item.transaction.bytes()));
  out.set_scheme(static_cast<std::uint32_t>(item.authorization.scheme));
  out.set_authorization(to_string(item.authorization.data));
  fill_path(out.mutable_item_path(), batch.item_leaves(kSuite), item_index);
  out.set_batch_header(to_string(batch.header().encode()));
  fill_path(out.mutable_batch_path(), batch_leaves, batch_index);
  out.set_code(static_cast<std::uint32_t>(outcomes[index].code));
  for (const auto& result : outcomes[index].results) out.add_results(to_string(result));
  fill_path(out.mutable_outcome_path(), outcome_leaves(*this), index);
  out.set_previous_results_root(previous_results_root.str());
  out.set_state_root(state_root.str());
  out.set_executed_certificate(to_string(executed.encode()));
  return out;
}

ledger::v1::Receipt SampleChain::confirmed_receipt(std::size_t index, std::size_t later) const {
  auto out = receipt(index);
  out.clear_executed_certificate();
  auto* confirmation = out.mutable_confirmation();
  auto confirming = header;
  confirming.height = header.height + later + 2;
  confirming.exec_height = header.height + later;
  confirming.time_ms += 5'000;
  confirming.results_root = results_root;
  confirming.state_root = state_root;
  for (std::size_t i = 1; i <= later; ++i) {
    auto root = sample_id<Hash>("outcomes " + std::to_string(i));
    confirmation->add_later_outcome_roots(root.str());
    confirming.results_root = next_results_root(kSuite, confirming.results_root, header.height + i, root);
    confirming.state_root = sample_id<Hash>("state later");
  }
  if (later > 0) out.clear_state_root();
  confirmation->set_header(to_string(confirming.encode()));
  VoteSubject subject{confirming.view, confirming.height, confirming.digest(kSuite)};
  confirmation->set_commit_certificate(
      to_string(certify("confirm-" + std::to_string(later), VotePhase::commit, subject).encode()));
  confirmation->set_block_commit_certificate(to_string(commit.encode()));
  return out;
}

const SampleChain& sample_chain() {
  static const SampleChain chain;
  return chain;
}

}  // namespace galen::test
