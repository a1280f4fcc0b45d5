#include "galen/types/evidence.hpp"

#include <gtest/gtest.h>

#include <random>

#include "galen/types/json.hpp"
#include "galen/types/limits.hpp"
#include "galen/types/report.hpp"
#include "galen/types/state_key.hpp"
#include "unit/suite.hpp"
#include "unit/test_seed.hpp"
#include "unit/types/sample_evidence.hpp"

namespace galen {
namespace {

using test::sample_evidence;
using test::sample_id;

Bytes genesis_bytes() { return to_bytes(std::string_view(test::read_text(test::golden_path("genesis.json")))); }

Result<VerifiedFile> verify(const Bytes& file) { return verify_evidence_file(genesis_bytes(), file); }

std::string why(const Result<VerifiedFile>& verdict) { return verdict ? "valid" : verdict.error().message; }

/// Every good file, by name.
std::map<std::string, Bytes> good_files() {
  const auto& s = sample_evidence();
  auto pointer = sample_id<PointerId>("pointer e3");
  auto absent = sample_id<PointerId>("pointer never anchored");
  return {
      {"one of a bulk, at once", s.transaction_file(s.at_once(), s.transaction(0, 0, {2})).encode()},
      {"all of a bulk, by history",
       s.transaction_file(s.by_history(4, 6, 0), s.transaction(0, 0, {0, 1, 2, 3, 4})).encode()},
      {"permit, late and linked", s.transaction_file(s.by_history(4, 8, 11), s.transaction(1, 0, {0})).encode()},
      {"deny", s.transaction_file(s.by_history(4, 6, 8), s.transaction(1, 1, {0})).encode()},
      {"signed by the patient", s.transaction_file(s.at_once(), s.transaction(1, 2, {0})).encode()},
      {"refused", s.transaction_file(s.at_once(), s.transaction(1, 3, {1})).encode()},
      {"row", s.state_file(s.at_once(), s.state(StateKind::record, pointer)).encode()},
      {"row by history",
       s.state_file(s.by_history(4, 6, 11), s.state(StateKind::consent, sample_id<ConsentId>("consent"))).encode()},
      {"absence", s.state_file(s.at_once(8), s.state(StateKind::record, absent)).encode()},
      {"parameters", s.state_file(s.at_once(), s.state(StateKind::parameters, {})).encode()},
      {"consistency", s.consistency_file(s.consistency(3, 8, 0)).encode()},
      {"consistency, linked", s.consistency_file(s.consistency(1, 10, 11)).encode()},
      {"bundle", s.bundle().encode()},
  };
}

TEST(EvidenceTest, GoodFilesVerifyAndSayWhatTheyProve) {
  for (const auto& [name, file] : good_files()) {
    auto verdict = verify(file);
    ASSERT_TRUE(verdict) << name << ": " << why(verdict);
    EXPECT_EQ(verdict->text.substr(0, 6), "VALID\n") << name;
    EXPECT_NE(verdict->text.find("Not proved:"), std::string::npos) << name;
    EXPECT_EQ(verdict->json.substr(0, 14), "{\"valid\":true,") << name;
  }
  auto files = good_files();
  EXPECT_NE(verify(files["permit, late and linked"])->text.find("\nPERMIT (CONSENT): Hospital C"), std::string::npos);
  EXPECT_NE(verify(files["deny"])->text.find("\nDENY (PURPOSE): Hospital C"), std::string::npos);
  EXPECT_NE(verify(files["one of a bulk, at once"])->text.find("4 more operations"), std::string::npos);
  EXPECT_NE(verify(files["absence"])->text.find("there was no such row"), std::string::npos);
  EXPECT_NE(verify(files["refused"])->text.find("UNKNOWN_PRINCIPAL"), std::string::npos);
  EXPECT_NE(verify(files["signed by the patient"])->json.find("\"assurance\":\"AUTHOR\""), std::string::npos);
  EXPECT_NE(verify(files["bundle"])->text.find("document of 39 bytes"), std::string::npos);
}

TEST(EvidenceTest, EncodingIsWhatWasDecoded) {
  for (const auto& [name, file] : good_files()) {
    Bytes again;
    switch (*evidence_kind(file)) {
      case EvidenceKind::transaction:
        again = TransactionProofFile::decode(file)->encode();
        break;
      case EvidenceKind::state:
        again = StateProofFile::decode(file)->encode();
        break;
      case EvidenceKind::consistency:
        again = ConsistencyProofFile::decode(file)->encode();
        break;
      default:
        again = EvidenceBundle::decode(file)->encode();
        break;
    }
    EXPECT_EQ(again, file) << name;
  }
}

/// Another true statement: an absent row of another kind or key, or another block of the file that proves the same.
bool also_true(const Bytes& changed, const Bytes& good) {
  if (evidence_kind(good) == EvidenceKind::state) {
    auto file = *StateProofFile::decode(changed);
    const auto original = StateProofFile::decode(good)->proof;
    if (!file.proof.value) file.proof.kind = original.kind, file.proof.key = original.key;
    return file.encode() == good;
  }
  if (evidence_kind(good) != EvidenceKind::bundle) return false;
  auto bundle = *EvidenceBundle::decode(changed), original = *EvidenceBundle::decode(good);
  for (std::size_t i = 0; i < original.transactions.size(); ++i)
    bundle.transactions[i].block = original.transactions[i].block;
  for (std::size_t i = 0; i < original.states.size(); ++i) {
    auto& proof = bundle.states[i].proof;
    if (!proof.value) proof.kind = original.states[i].proof.kind, proof.key = original.states[i].proof.key;
  }
  return bundle.encode() == good;
}

/// A changed byte is found, or it says nothing (the size of the outcome tree, a letter of the summary), or it says
/// something else that is true: never a false story.
TEST(EvidenceTest, EveryChangedByteIsFoundOrTellsNoLie) {
  auto seed = test::test_seed();
  std::mt19937_64 rng(seed);
  for (const auto& [name, file] : good_files()) {
    auto good = verify(file)->json;
    std::size_t refused = 0, tried = 0;
    for (std::size_t at = rng() % 29; at < file.size(); at += 1 + rng() % 29) {
      auto changed = file;
      changed[at] ^= static_cast<std::uint8_t>(1u << rng() % 8);
      auto verdict = verify(changed);
      ++tried;
      if (verdict) {
        EXPECT_TRUE(verdict->json == good || also_true(changed, file)) << name << " byte " << at << " seed " << seed;
        continue;
      }
      ++refused;
      EXPECT_FALSE(failed_part(verdict.error().message).empty()) << name << " byte " << at << ": " << why(verdict);
    }
    EXPECT_GT(refused, tried * 9 / 10) << name << " seed " << seed;
  }
}

TEST(EvidenceTest, CutAndLongerFiles) {
  for (const auto& [name, file] : good_files()) {
    for (std::size_t size = 0; size < file.size(); size += size < 64 ? 1 : 37) {
      auto verdict = verify(to_bytes(ByteSpan(file).first(size)));
      ASSERT_FALSE(verdict) << name << " " << size;
      EXPECT_EQ(verdict.error().code, ErrorCode::MALFORMED) << name << " " << size;
      EXPECT_EQ(failed_part(verdict.error().message), "file") << name << " " << size << ": " << why(verdict);
    }
    auto longer = file;
    longer.push_back(0);
    EXPECT_EQ(failed_part(verify(longer).error().message), "file") << name;
    auto other = file;
    other[9] = 3;
    EXPECT_EQ(verify(other).error().code, ErrorCode::UNSUPPORTED_VERSION) << name;
    other[9] = 2;  // without the links that version has
    EXPECT_EQ(verify(other).error().code, ErrorCode::MALFORMED) << name;
    EXPECT_EQ(failed_part(verify(other).error().message), "file") << name;
    other = file;
    other.resize(10 + limits::kEvidenceBytesMax + 1);
    EXPECT_EQ(verify(other).error().code, ErrorCode::TOO_LARGE) << name;
    other = file;
    other[10] ^= 1;
    EXPECT_EQ(verify(other).error().code, ErrorCode::WRONG_CHAIN) << name;
    EXPECT_EQ(failed_part(verify(other).error().message), "chain_id") << name;
  }
}

void expect_fails(const Bytes& file, ErrorCode code, std::string_view part) {
  auto verdict = verify(file);
  ASSERT_FALSE(verdict) << part;
  EXPECT_EQ(to_reason(verdict.error().code), to_reason(code)) << why(verdict);
  EXPECT_EQ(failed_part(verdict.error().message), part) << why(verdict);
}

/// The first byte of a fixed layout's field, changed.
Bytes flipped(Bytes bytes, std::size_t at) {
  bytes.at(at) ^= 1;
  return bytes;
}

TEST(EvidenceTest, PartsOfATransactionProof) {
  const auto& s = sample_evidence();
  auto good = s.transaction_file(s.by_history(4, 8, 11), s.transaction(0, 0, {1, 3}));
  ASSERT_TRUE(verify(good.encode())) << why(verify(good.encode()));
  auto fails = [&](ErrorCode code, const char* part, auto change) {
    auto file = good;
    change(file.block, file.proof);
    expect_fails(file.encode(), code, part);
  };
  constexpr auto kProof = ErrorCode::BAD_PROOF;
  auto other = s.transaction(1, 0, {0});
  fails(ErrorCode::WRONG_CHAIN, "block.header", [](auto& b, auto&) { b.header = flipped(b.header, 5); });
  fails(kProof, "block.header", [](auto& b, auto&) { b.header = flipped(b.header, 43); });
  fails(ErrorCode::UNSUPPORTED_VERSION, "block.header", [](auto& b, auto&) { b.header = flipped(b.header, 0); });
  fails(ErrorCode::MALFORMED, "block.header", [](auto& b, auto&) { b.header = flipped(b.header, 2); });
  fails(kProof, "block.path", [](auto& b, auto&) { b.history->path.pop_back(); });
  fails(kProof, "block.path", [](auto& b, auto&) { b.history->path[0].data[0] ^= 1; });
  fails(kProof, "block.later_outcome_roots", [](auto& b, auto&) { b.history->later_outcome_roots.pop_back(); });
  fails(kProof, "transaction.outcome_path", [](auto& b, auto&) { b.history->later_outcome_roots[0].data[9] ^= 1; });
  fails(kProof, "block.confirming.later_path", [](auto& b, auto&) { b.history->confirming.later->path.pop_back(); });
  fails(kProof, "block.confirming.commit_certificate", [](auto& b, auto&) { b.history->confirming.later.reset(); });
  fails(ErrorCode::MALFORMED, "block.confirming.commit_certificate",
        [](auto& b, auto&) { b.history->confirming.commit_certificate.clear(); });
  fails(ErrorCode::BAD_CERTIFICATE, "block.confirming.commit_certificate",
        [](auto& b, auto&) { b.history->confirming.commit_certificate.back() ^= 1; });
  fails(kProof, "block.confirming.header", [&](auto& b, auto&) { b = s.by_history(4, 5, 0); });
  fails(ErrorCode::MALFORMED, "transaction.envelope", [](auto&, auto& p) { p.envelope.pop_back(); });
  fails(kProof, "transaction.item_path", [&](auto&, auto& p) { p.envelope = other.envelope; });
  fails(ErrorCode::MALFORMED, "transaction.operations[3]", [](auto&, auto& p) { p.shown[1].operation.pop_back(); });
  fails(kProof, "transaction.operations[3].path", [](auto&, auto& p) { p.shown[1].operation.back() ^= 3; });
  fails(kProof, "transaction.operations[1].path", [](auto&, auto& p) { p.shown[0].path.pop_back(); });
  fails(kProof, "transaction.operations[3].path", [](auto&, auto& p) { p.shown[1].path[2].data[1] ^= 1; });
  fails(ErrorCode::MALFORMED, "transaction.authorization", [](auto&, auto& p) { p.scheme = 9; });
  fails(ErrorCode::MALFORMED, "transaction.authorization", [](auto&, auto& p) { p.authorization = {1}; });
  fails(ErrorCode::MALFORMED, "transaction.batch_header",
        [](auto&, auto& p) { p.batch_header = flipped(p.batch_header, 41); });
  fails(ErrorCode::WRONG_CHAIN, "transaction.batch_header",
        [](auto&, auto& p) { p.batch_header = flipped(p.batch_header, 2); });
  fails(kProof, "transaction.item_path", [](auto&, auto& p) { p.item_index = 1; });
  fails(kProof, "transaction.batch_path", [](auto&, auto& p) { p.batch_header = flipped(p.batch_header, 50); });
  fails(kProof, "transaction.batch_path", [](auto&, auto& p) { p.batch_path.clear(); });
  fails(kProof, "transaction.operations[3].result_path", [](auto&, auto& p) { p.shown[1].result = {1}; });
  fails(kProof, "transaction.outcome_path", [](auto&, auto& p) { p.outcome_index = 1; });
  fails(kProof, "transaction.outcome_path", [](auto&, auto& p) { p.outcome_path[0].data[0] ^= 1; });
  fails(kProof, "transaction.outcome_path", [](auto&, auto& p) { p.previous_results_root.data[0] ^= 1; });
  fails(kProof, "transaction.outcome_path", [](auto&, auto& p) { p.code = 5; });
  fails(ErrorCode::MALFORMED, "file", [](auto&, auto& p) { std::swap(p.shown[0], p.shown[1]); });
  fails(ErrorCode::MALFORMED, "file", [](auto&, auto& p) { p.shown[1] = p.shown[0]; });
  fails(ErrorCode::MALFORMED, "file", [](auto&, auto& p) { p.shown.clear(); });
  fails(ErrorCode::MALFORMED, "file", [](auto&, auto& p) { p.operations = 3; });
  fails(ErrorCode::MALFORMED, "file", [](auto&, auto& p) { p.operations = 1001; });
}

TEST(EvidenceTest, CertificatesThatDoNotHold) {
  const auto& s = sample_evidence();
  auto good = s.transaction_file(s.at_once(), s.transaction(1, 0, {0, 1}));
  auto certificate = *ExecutedCertificate::decode(good.block.executed_certificate);
  auto fails = [&](ErrorCode code, auto change) {
    auto file = good;
    auto changed = certificate;
    change(changed);
    file.block.executed_certificate = changed.encode();
    expect_fails(file.encode(), code, "block.executed_certificate");
  };
  fails(ErrorCode::BAD_CERTIFICATE, [](auto& c) {  // q - 1
    c.signers.signers.pop_back();
    c.signatures.pop_back();
  });
  fails(ErrorCode::BAD_CERTIFICATE, [](auto& c) { c.signers.signers = {0, 2, 3}; });
  fails(ErrorCode::BAD_CERTIFICATE, [](auto& c) { std::swap(c.signatures[0], c.signatures[1]); });
  fails(ErrorCode::BAD_CERTIFICATE, [](auto& c) { c.subject.results_root.data[0] ^= 1; });
  fails(ErrorCode::BAD_PROOF, [](auto& c) { c.subject.height += 1; });
  fails(ErrorCode::BAD_CERTIFICATE, [](auto& c) { c.signers.member_count = 5; });
  auto file = good;
  file.block.executed_certificate = s.at_once(8).executed_certificate;
  expect_fails(file.encode(), ErrorCode::BAD_PROOF, "block.executed_certificate");
}

TEST(EvidenceTest, PartsOfAStateProof) {
  const auto& s = sample_evidence();
  auto pointer = sample_id<PointerId>("pointer e1");
  auto good = s.state_file(s.at_once(), s.state(StateKind::record, pointer));
  auto fails = [&](ErrorCode code, const char* part, auto change) {
    auto file = good;
    change(file);
    expect_fails(file.encode(), code, part);
  };
  fails(ErrorCode::BAD_PROOF, "state.block", [&](auto& f) { f.block = s.by_history(4, 8, 11); });
  fails(ErrorCode::BAD_PROOF, "state.proof", [&](auto& f) { f.block = s.at_once(3); });
  for (int kind : {0, 4, 7, 8, 13, 14, 15, 255})
    fails(ErrorCode::MALFORMED, "state.key", [&](auto& f) { f.proof.kind = static_cast<std::uint8_t>(kind); });
  fails(ErrorCode::MALFORMED, "state.key", [](auto& f) { f.proof.key.pop_back(); });
  fails(ErrorCode::MALFORMED, "state.proof", [](auto& f) { f.proof.proof.pop_back(); });
  fails(ErrorCode::BAD_PROOF, "state.proof", [](auto& f) { f.proof.kind = 3; });
  fails(ErrorCode::BAD_PROOF, "state.proof", [](auto& f) { f.proof.value.reset(); });
  fails(ErrorCode::BAD_PROOF, "state.value", [](auto& f) { f.proof.value->back() ^= 1; });
  // The leaf of another row shows neither presence nor, where the walk parts, absence.
  fails(ErrorCode::BAD_PROOF, "state.proof",
        [&](auto& f) { f.proof.proof = s.state(StateKind::record, sample_id<PointerId>("pointer e2")).proof; });
  fails(ErrorCode::BAD_PROOF, "state.proof",
        [&](auto& f) { f.proof.key = to_bytes(sample_id<PointerId>("pointer never anchored").span()); });
  fails(ErrorCode::MALFORMED, "file", [](auto& f) { f.proof.key.resize(65); });
}

/// Rows of every kind, written by the other implementation: the bytes are those that this one writes, and are told.
TEST(EvidenceTest, EveryKindOfRowIsProvedAndTold) {
  const auto folder = std::string(GALEN_SOURCE_DIR) + "/tests/golden/vectors/" +
                      (test::suite() == crypto::Suite::sm2_sm3 ? "sm2-sm3/" : "") + "good/state-";
  auto file_of = [&](const std::string& name) {
    return to_bytes(std::string_view(test::read_text(folder + name + ".galen")));
  };
  auto tells = [&](const std::string& name, StateKind kind, const auto& message, const char* text, const char* json) {
    const auto bytes = file_of(name);
    auto file = StateProofFile::decode(bytes);
    ASSERT_TRUE(file) << name;
    EXPECT_EQ(file->proof.kind, static_cast<std::uint8_t>(kind)) << name;
    auto report = verify(bytes);
    ASSERT_TRUE(report) << name << why(report);
    EXPECT_NE(report->text.find(text), std::string::npos) << report->text;
    EXPECT_NE(report->json.find(json), std::string::npos) << report->json;
    EXPECT_TRUE(JsonDocument::parse(report->json)) << report->json;
    auto again = message;
    ASSERT_TRUE(file->proof.value && again.ParseFromArray(file->proof.value->data(),
                                                          static_cast<int>(file->proof.value->size())));
    EXPECT_EQ(again.SerializeAsString(), as_text(*file->proof.value)) << name << ": its canonical form";
  };
  namespace pb = ledger::v1;
  tells("membership", StateKind::membership, pb::MembershipState{}, "membership: epoch 2, the next members are ",
        "\"next_height\":2");
  tells("epoch", StateKind::epoch, pb::EpochState{}, "epoch 2: from block 1 on the members are Hospital A, Hospital B,",
        "\"first_height\":1");
  tells("member", StateKind::member, pb::MemberState{}, "LEARNER, named H\xc3\xb4pital E, administrator ",
        "\"status\":\"MEMBER_STATUS_LEARNER\"");
  tells("claim", StateKind::member_claim, pb::MemberClaimState{}, " since block 2", "\"height\":2");
  tells("proposal", StateKind::proposal, pb::ProposalState{},
        "approved by Hospital A, Hospital B, Hospital C, rejected by Hospital D, decided in block 2",
        "\"change\":{\"promote\":{\"member\":");
  tells("certified-roots", StateKind::certified_roots, pb::CertifiedRootsState{},
        "64 roots that learners may show, from block 1 to block 64", "\"roots\":[{\"height\":1,");
  tells("equivocation", StateKind::equivocation, pb::EquivocationState{},
        "equivocation of Hospital B in epoch 2: signed two values in one place, as PREPARE of view 0 for block 2; shown "
        "by Hospital C",
        "\"kind\":\"SIGNED_KIND_PREPARE\"");
  tells("leadership", StateKind::leadership, pb::LeadershipState{},
        "views led in vain: 3 by the member in place 1, 300 by the member in place 3; left out: the member in place 0 in "
        "views 4294967296 to before 9223372036854775808 (decided in block 2), the member in place 3 in views 0 to before 5",
        "\"failures\":[0,3,0,300]");
  for (const char* absent : {"epoch-absent", "equivocation-absent", "leadership-absent"})
    EXPECT_NE(verify(file_of(absent))->text.find("there was no such row"), std::string::npos) << absent;
  auto odd = verify(file_of("member-unreadable"));
  ASSERT_TRUE(odd) << why(odd);
  EXPECT_NE(odd->text.find("value ff"), std::string::npos);
  EXPECT_NE(odd->json.find("\"row\":null"), std::string::npos);
}

TEST(EvidenceTest, KeysHaveTheLengthOfTheirKind) {
  const std::map<int, std::size_t> wanted = {{1, 32}, {2, 32}, {3, 32},  {4, 64},  {5, 36}, {6, 0},   {7, 0},
                                             {8, 8},  {9, 32}, {10, 32}, {11, 32}, {12, 0}, {13, 40}, {14, 0}};
  for (std::uint32_t kind = 0; kind < 600; ++kind) {
    auto found = wanted.find(static_cast<int>(kind));
    EXPECT_EQ(state_key_bytes(kind), found == wanted.end() ? std::optional<std::size_t>() : found->second) << kind;
  }
}

TEST(EvidenceTest, PartsOfAConsistencyProof) {
  const auto& s = sample_evidence();
  auto good = s.consistency_file(s.consistency(3, 8, 11));
  auto fails = [&](ErrorCode code, const char* part, auto change) {
    auto file = good;
    change(file.proof);
    expect_fails(file.encode(), code, part);
  };
  fails(ErrorCode::BAD_PROOF, "consistency.consistency_path", [](auto& p) { p.consistency_path.pop_back(); });
  fails(ErrorCode::BAD_PROOF, "consistency.consistency_path", [](auto& p) { p.consistency_path[0].data[0] ^= 1; });
  fails(ErrorCode::BAD_PROOF, "consistency.path", [](auto& p) { p.inclusion_path[0].data[0] ^= 1; });
  // Another block of the same history: the tree agrees, the block is not on the chain.
  fails(ErrorCode::BAD_PROOF, "consistency.path", [](auto& p) { p.old_header = flipped(p.old_header, 96); });
  fails(ErrorCode::BAD_PROOF, "consistency.consistency_path", [&](auto& p) { p.now = s.certified(3, 0); });
  fails(ErrorCode::BAD_PROOF, "consistency.new.later_path", [](auto& p) { p.now.later->path[0].data[0] ^= 1; });
  fails(ErrorCode::BAD_PROOF, "consistency.new.later_path",
        [&](auto& p) { p.now.later->header = s.headers[8].encode(); });
  fails(ErrorCode::BAD_PROOF, "consistency.new.commit_certificate",
        [&](auto& p) { p.now.commit_certificate = s.certified(8, 0).commit_certificate; });
}

TEST(EvidenceTest, PartsOfABundle) {
  const auto& s = sample_evidence();
  const auto good = s.bundle();
  constexpr auto kProof = ErrorCode::BAD_PROOF;
  auto fails = [&](ErrorCode code, const char* part, auto change) {
    auto bundle = good;
    change(bundle);
    expect_fails(bundle.encode(), code, part);
  };
  fails(ErrorCode::MALFORMED, "summary", [](auto& b) { b.summary += "\x1b[2J"; });
  fails(ErrorCode::MALFORMED, "summary", [](auto& b) { b.summary += "\xed\xa0\x80"; });
  fails(ErrorCode::MALFORMED, "summary", [](auto& b) { b.summary += "\xc0\xaf"; });
  fails(ErrorCode::MALFORMED, "summary", [](auto& b) { b.summary += "\xc2\x85"; });
  fails(ErrorCode::MALFORMED, "file", [](auto& b) { b.summary.clear(); });
  fails(ErrorCode::WRONG_CHAIN, "genesis", [](auto& b) { b.genesis.push_back('\n'); });
  fails(ErrorCode::BAD_PROOF, "members", [](auto& b) { b.epoch = 2; });
  fails(ErrorCode::BAD_PROOF, "members", [](auto& b) { b.members.back() ^= 1; });
  fails(kProof, "epochs[0].header", [&](auto& b) {
    b.epochs.push_back({s.headers[4].encode(), b.members, {}});  // no end of an epoch
  });
  fails(ErrorCode::BAD_PROOF, "blocks[1].path", [](auto& b) { b.blocks[1].history->path[0].data[0] ^= 1; });
  fails(ErrorCode::BAD_PROOF, "transactions[1].outcome_path",
        [](auto& b) { b.transactions[1].proof.outcome_path[0].data[0] ^= 1; });
  fails(ErrorCode::BAD_PROOF, "states[0].value", [](auto& b) { b.states[0].proof.value->back() ^= 1; });
  fails(ErrorCode::BAD_PROOF, "states[1].block", [](auto& b) { b.states[1].block = 1; });
  fails(ErrorCode::BAD_PROOF, "consistency[0].path", [](auto& b) { b.consistency[0].inclusion_path.pop_back(); });
  fails(ErrorCode::COMMITMENT_MISMATCH, "openings[0].document", [](auto& b) { b.openings[0].document.back() ^= 1; });
  fails(ErrorCode::COMMITMENT_MISMATCH, "openings[0].document", [](auto& b) { b.openings[0].record_key.data[0] ^= 1; });
  fails(ErrorCode::MALFORMED, "openings[0].record", [](auto& b) { b.openings[0].state = 1; });
  fails(ErrorCode::MALFORMED, "file", [](auto& b) { b.openings[0].state = 2; });
  fails(ErrorCode::MALFORMED, "file", [](auto& b) { b.transactions[0].block = 2; });
  fails(ErrorCode::MALFORMED, "file", [](auto& b) { b.blocks.push_back(b.blocks[0]); });
  fails(ErrorCode::MALFORMED, "file", [](auto& b) {
    b.transactions.clear();
    b.states.clear();
    b.openings.clear();
  });
}

TEST(EvidenceTest, ABundleCarriesItsGenesisAndSaysSo) {
  auto file = sample_evidence().bundle().encode();
  auto alone = verify_evidence_file(std::nullopt, file);
  ASSERT_TRUE(alone) << why(alone);
  EXPECT_NE(alone->text.find("genesis.json inside this file"), std::string::npos);
  EXPECT_NE(alone->json.find("\"genesis_from_file\":true"), std::string::npos);
  auto other = genesis_bytes();
  other.push_back('\n');
  auto foreign = verify_evidence_file(other, file);
  EXPECT_EQ(foreign.error().code, ErrorCode::WRONG_CHAIN);
  EXPECT_EQ(failed_part(foreign.error().message), "genesis");
  EXPECT_EQ(verify_evidence_file(Bytes{'{'}, file).error().code, ErrorCode::CONFIG_INVALID);
  EXPECT_EQ(verify_evidence_file(std::nullopt, good_files()["row"]).error().code, ErrorCode::INVALID_ARGUMENT);
}

/// One item of a bulk transaction: nothing of the others stands in the file, neither ids nor commitments.
TEST(EvidenceTest, NeighboursOfABulkStayHidden) {
  const auto& s = sample_evidence();
  auto contains = [](const Bytes& file, const std::string& id) {
    return as_text(file).find(id) != std::string_view::npos;
  };
  for (const auto& block : {s.at_once(), s.by_history(4, 8, 11)}) {
    auto file = s.transaction_file(block, s.transaction(0, 0, {2})).encode();
    auto report = verify(file);
    ASSERT_TRUE(report) << why(report);
    for (int i = 0; i < 5; ++i) {
      auto name = "e" + std::to_string(i);
      const auto& anchor =
          s.batches[0]->items()[0].transaction.operations()[static_cast<std::size_t>(i)].anchor_record();
      EXPECT_EQ(contains(file, anchor.pointer_id()), i == 2) << name;
      EXPECT_EQ(contains(file, anchor.commitment()), i == 2) << name;
      EXPECT_EQ(report->json.find(to_hex(as_bytes(anchor.pointer_id()))) != std::string::npos, i == 2) << name;
    }
    // Nor of the other transactions of the block.
    for (const auto& item : s.batches[1]->items()) {
      EXPECT_FALSE(contains(file, item.transaction.id().str()));
      EXPECT_FALSE(contains(file, item.transaction.request_id().str()));
    }
  }
}

TEST(EvidenceTest, ADecisionThatIsNotOfItsQuestionIsNone) {
  const auto& s = sample_evidence();
  const auto& asked = s.batches[1]->items()[0].transaction;
  const auto& header = s.headers[4];
  const auto& good = s.outcomes[1].results[0];
  auto decide = [&](const Bytes& result, std::uint32_t index, const BlockHeader& block) {
    return decision_of(asked.operations()[0], index, block, asked.id(), asked.author(), result);
  };
  ASSERT_TRUE(decide(good, 0, header));
  EXPECT_FALSE(decide(good, 1, header));
  EXPECT_FALSE(decide(good, 0, s.headers[5]));
  EXPECT_FALSE(decide({}, 0, header));
  ledger::v1::AccessEntry entry;
  ASSERT_TRUE(entry.ParseFromArray(good.data(), static_cast<int>(good.size())));
  entry.set_permit(false);
  EXPECT_FALSE(decide(to_bytes(std::string_view(entry.SerializeAsString())), 0, header));
}

TEST(EvidenceTest, GoldenFiles) {
  auto files = good_files();
  for (auto [name, golden] : {std::pair{"one of a bulk, at once", "proof_transaction_executed.galen"},
                              {"permit, late and linked", "proof_transaction_history.galen"},
                              {"refused", "proof_transaction_refused.galen"},
                              {"signed by the patient", "proof_transaction_signed.galen"},
                              {"row by history", "proof_state_present.galen"},
                              {"absence", "proof_state_absent.galen"},
                              {"consistency, linked", "proof_consistency.galen"},
                              {"bundle", "evidence.galen"}})
    test::expect_golden(golden, as_text(files[name]));
}

}  // namespace
}  // namespace galen
