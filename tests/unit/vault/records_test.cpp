// The life of anchors and patients in the vault, with the crashes in between.
#include "galen/vault/records.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "galen/crypto/random.hpp"
#include "unit/suite.hpp"
#include "vault/record_index_state.hpp"

namespace galen::vault {
namespace {

const Hash kChain = crypto::hash(crypto::Suite::p256_sha256, as_bytes("chain"));
const PrincipalId kAuthor =
    PrincipalId::from(crypto::hash(crypto::Suite::p256_sha256, as_bytes("author")).span()).value();
const auto kSuite = galen::test::suite();

Transaction make_transaction(const std::vector<AnchorEntry>& entries,
                             const RequestId& request_id = crypto::random_request_id()) {
  Transaction::Draft draft{kChain, kAuthor, request_id, 1'000'000, {}};
  for (const auto& entry : entries) {
    ledger::v1::Operation operation;
    auto* anchor = operation.mutable_anchor_record();
    anchor->set_pointer_id(entry.pointer_id.str());
    anchor->set_custodian(kAuthor.str());
    if (!entry.subject.is_zero()) anchor->set_subject(entry.subject.str());
    anchor->set_commitment(entry.commitment.str());
    anchor->set_canon(static_cast<ledger::v1::CanonMethod>(entry.canon));
    if (!entry.supersedes.is_zero()) anchor->set_supersedes(entry.supersedes.str());
    anchor->set_status(ledger::v1::RECORD_STATUS_CURRENT);
    anchor->set_class_(ledger::v1::RECORD_CLASS_N);
    anchor->set_retention(ledger::v1::RETENTION_CLASS_HIPAA_6Y);
    draft.operations.push_back(operation);
  }
  const auto bytes = Transaction::encode(draft);
  auto decoded = Transaction::decode(kSuite, kChain, bytes);
  EXPECT_TRUE(decoded) << (decoded ? "" : decoded.error().message);
  return std::move(*decoded);
}

class RecordVaultTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-vault-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(directory_ + "/keyring");
    std::filesystem::create_directories(directory_ + "/vault");
    options_.suite = kSuite;
    options_.keyring_directory = directory_ + "/keyring";
    options_.vault_directory = directory_ + "/vault";
    options_.master_key_file = directory_ + "/master.key";
    ASSERT_TRUE(RecordVault::create(options_));
    reopen();
  }
  void TearDown() override {
    vault_.reset();
    std::filesystem::remove_all(directory_);
  }
  /// As after kill -9: what was not flushed is gone, the log is replayed.
  void reopen() {
    // A clean end of RocksDB writes what is in memory; a kill does not: go on with the files as they are now.
    const auto vault = directory_ + "/vault", copy = directory_ + "/copy";
    std::filesystem::copy(vault, copy, std::filesystem::copy_options::recursive);
    vault_.reset();
    std::filesystem::remove_all(vault);
    std::filesystem::rename(copy, vault);
    auto opened = RecordVault::open(options_);
    ASSERT_TRUE(opened) << opened.error().message;
    vault_.emplace(std::move(*opened));
    for (std::size_t i = 0; i < log_.size(); ++i) ASSERT_TRUE(vault_->replay(log_id_, i + 1, log_[i]));
  }
  AnchorOutcome plan(PlanGroup group, std::string_view id, std::string_view content,
                     const std::optional<PrincipalId>& subject = std::nullopt) {
    auto outcome = vault_->plan_anchor(group, {"urn:ehr", "Observation", id}, subject, as_bytes(content));
    EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().message);
    return outcome ? *outcome : AnchorOutcome(InFlight{});
  }
  AnchorEntry new_plan(PlanGroup group, std::string_view id, std::string_view content,
                       const std::optional<PrincipalId>& subject = std::nullopt) {
    auto outcome = plan(group, id, content, subject);
    EXPECT_TRUE(std::holds_alternative<AnchorPlan>(outcome)) << id;
    return std::holds_alternative<AnchorPlan>(outcome) ? std::get<AnchorPlan>(outcome).entry : AnchorEntry{};
  }
  /// Where every executed version has this status.
  Result<bool> is_outrun(const OutboxRecord& record,
                         ledger::v1::RecordStatus status = ledger::v1::RECORD_STATUS_CURRENT) {
    return vault_->is_outrun(record, [status](const PointerId&) { return Result<ledger::v1::RecordStatus>(status); });
  }
  /// Binds and logs.
  Transaction send(PlanGroup group, const std::vector<AnchorEntry>& entries,
                   const RequestId& request_id = crypto::random_request_id()) {
    auto transaction = make_transaction(entries, request_id);
    auto outbox = vault_->bind(group, transaction);
    EXPECT_TRUE(outbox) << (outbox ? "" : outbox.error().message);
    log_.push_back(*outbox);
    vault_->logged(transaction.id(), log_.size());
    return transaction;
  }
  AnchorEntry anchor(std::string_view id, std::string_view content,
                     const std::optional<PrincipalId>& subject = std::nullopt) {
    const auto group = ++group_;
    auto entry = new_plan(group, id, content, subject);
    auto transaction = send(group, {entry});
    EXPECT_TRUE(vault_->on_outcome(transaction.id(), Outcome::committed));
    return entry;
  }
  std::uint64_t flush() { return vault_->flush(log_id_, log_.size() + 1).value(); }

  std::string directory_;
  RecordVault::Options options_;
  std::optional<RecordVault> vault_;
  RequestId log_id_ = crypto::random_request_id();
  std::vector<Bytes> log_;
  PlanGroup group_ = 1000;
};

TEST_F(RecordVaultTest, ImportingAgainAddsNothing) {
  const auto first = anchor("o-1", "{\"value\":1}");
  auto again = plan(1, "o-1", "{\"value\":1}");
  ASSERT_TRUE(std::holds_alternative<AlreadyAnchored>(again));
  EXPECT_EQ(std::get<AlreadyAnchored>(again).pointer_id, first.pointer_id);
  EXPECT_EQ(vault_->in_flight(), 0U);
  // The parts of a source do not run together.
  auto other = vault_->plan_anchor(2, {"urn:ehrO", "bservation", "o-1"}, std::nullopt, as_bytes("{\"value\":1}"));
  ASSERT_TRUE(other);
  EXPECT_TRUE(std::holds_alternative<AnchorPlan>(*other));
}

TEST_F(RecordVaultTest, AKeyGoesToWhoHasTheBytesAndToNobodyElse) {
  const auto entry = anchor("o-1", "content");
  auto opening = vault_->open_record(entry.pointer_id, as_bytes("content"));
  ASSERT_TRUE(opening) << opening.error().message;
  EXPECT_EQ(commit(kSuite, opening->key, ledger::v1::CANON_METHOD_RAW, opening->document), entry.commitment);
  EXPECT_EQ(vault_->open_record(entry.pointer_id, as_bytes("conten")).error().code, ErrorCode::COMMITMENT_MISMATCH);
  EXPECT_EQ(vault_->open_record(crypto::random_fixed<PointerId>(), as_bytes("content")).error().code,
            ErrorCode::KEY_NOT_HERE);
  const auto group = ++group_;
  const auto pending = new_plan(group, "o-2", "not settled");
  send(group, {pending});
  EXPECT_EQ(vault_->open_record(pending.pointer_id, as_bytes("not settled")).error().code, ErrorCode::UNAVAILABLE);
}

// Method JCS: the commitment covers the canonical bytes; another serialisation is the same document, another method is
// not.
TEST_F(RecordVaultTest, CanonicalBytesAreTheDocument) {
  using ledger::v1::CANON_METHOD_JCS;
  const Source source{"urn:ehr", "Observation", "o-1"};
  auto plan_jcs = [&](PlanGroup group, std::string_view text, Lossy lossy) {
    return vault_->plan_anchor(group, source, std::nullopt, {as_bytes(text), CANON_METHOD_JCS, lossy});
  };
  auto commit_plan = [&](PlanGroup group, const AnchorOutcome& outcome) {
    const auto& entry = std::get<AnchorPlan>(outcome).entry;
    EXPECT_TRUE(vault_->on_outcome(send(group, {entry}).id(), Outcome::committed));
    return entry;
  };
  const char* text = R"({"resourceType":"Observation","meta":{"versionId":"1"},"value":1.5})";
  const char* anew = R"({ "value": 15e-1, "text": {"div": "new"}, "resourceType": "Observation" })";
  const char* exact = R"({"resourceType":"Observation","value":1.50})";
  auto planned = plan_jcs(1, text, Lossy::refuse);
  ASSERT_TRUE(planned) << planned.error().message;
  const auto first = commit_plan(1, *planned);
  EXPECT_EQ(first.canon, CANON_METHOD_JCS);
  EXPECT_EQ(first.lossy_numbers, 0U);
  auto again = plan_jcs(2, anew, Lossy::refuse);
  ASSERT_TRUE(again);
  ASSERT_TRUE(std::holds_alternative<AlreadyAnchored>(*again));
  EXPECT_TRUE(vault_->verify(first.pointer_id, as_bytes(anew)));
  // A number that would lose a digit: refused, neither anchored nor verified, until the loss is allowed; then noted.
  EXPECT_EQ(plan_jcs(3, exact, Lossy::refuse).error().code, ErrorCode::JSON_NUMBER_INEXACT);
  EXPECT_EQ(vault_->in_flight(), 0U);
  auto refused = vault_->verify(first.pointer_id, as_bytes(exact));
  EXPECT_EQ(refused.error().code, ErrorCode::COMMITMENT_MISMATCH);
  EXPECT_NE(refused.error().message.find("$.value"), std::string::npos);
  auto allowed = plan_jcs(4, exact, Lossy::allow);
  ASSERT_TRUE(allowed);
  ASSERT_TRUE(std::holds_alternative<AnchorPlan>(*allowed))
      << "exact bytes and bytes that lost a digit are two versions";
  const auto lossy = commit_plan(4, *allowed);
  EXPECT_EQ(lossy.lossy_numbers, 1U);
  EXPECT_EQ(lossy.supersedes, first.pointer_id);
  EXPECT_TRUE(vault_->verify(lossy.pointer_id, as_bytes(exact)));
  EXPECT_TRUE(vault_->verify(lossy.pointer_id, as_bytes(text)));
  // The same bytes under another method promise something else.
  const auto raw = new_plan(5, "o-1", text);
  EXPECT_EQ(raw.supersedes, lossy.pointer_id);
  vault_->abandon(5);
  // The note is kept: in the log before a flush, in the index after it.
  reopen();
  EXPECT_EQ(vault_->lossy_numbers(lossy.pointer_id).value(), 1U);
  for (const auto& record : vault_->pending())
    EXPECT_TRUE(vault_->on_outcome(record.transaction_id, Outcome::committed));
  flush();
  reopen();
  EXPECT_EQ(vault_->in_flight(), 0U);
  EXPECT_EQ(vault_->lossy_numbers(lossy.pointer_id).value(), 1U);
  EXPECT_EQ(vault_->lossy_numbers(first.pointer_id).value(), 0U);
  EXPECT_FALSE(vault_->lossy_numbers(crypto::random_fixed<PointerId>()).value().has_value());
  EXPECT_TRUE(vault_->verify(lossy.pointer_id, as_bytes(exact)));
}

TEST_F(RecordVaultTest, VersionsSupersedeAndKeepTheirPseudonym) {
  const auto patient = crypto::random_fixed<PrincipalId>(), stranger = crypto::random_fixed<PrincipalId>();
  const auto first = anchor("o-1", "v1", patient);
  const auto second = anchor("o-1", "v2");
  const auto third = anchor("o-1", "v3", patient);
  EXPECT_EQ(second.supersedes, first.pointer_id);
  EXPECT_EQ(third.supersedes, second.pointer_id);
  EXPECT_EQ(second.subject, patient);
  for (const auto& [content, entry] :
       std::vector<std::pair<std::string, AnchorEntry>>{{"v1", first}, {"v2", second}, {"v3", third}}) {
    auto again = plan(1, "o-1", content);
    ASSERT_TRUE(std::holds_alternative<AlreadyAnchored>(again));
    EXPECT_EQ(std::get<AlreadyAnchored>(again).pointer_id, entry.pointer_id);
    EXPECT_TRUE(vault_->verify(entry.pointer_id, as_bytes(content)));
    EXPECT_EQ(vault_->verify(entry.pointer_id, as_bytes(content + " ")).error().code, ErrorCode::COMMITMENT_MISMATCH);
  }
  EXPECT_EQ(vault_->verify(crypto::random_fixed<PointerId>(), as_bytes("v1")).error().code, ErrorCode::KEY_NOT_HERE);
  auto mismatch = vault_->plan_anchor(1, {"urn:ehr", "Observation", "o-1"}, stranger, as_bytes("v4"));
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().code, ErrorCode::SUBJECT_MISMATCH);
  for (const auto* content : {"v1", "v3"}) {
    auto known = vault_->plan_anchor(1, {"urn:ehr", "Observation", "o-1"}, stranger, as_bytes(content));
    ASSERT_FALSE(known) << "the same bytes, but another patient's";
    EXPECT_EQ(known.error().code, ErrorCode::SUBJECT_MISMATCH);
  }
  EXPECT_EQ(vault_->pointers_of({"urn:ehr", "Observation", "o-1"}).value(),
            (std::vector{third.pointer_id, second.pointer_id, first.pointer_id}));
}

// Only a CURRENT record can be superseded. Of a source whose newest version was marked, what comes next starts anew.
TEST_F(RecordVaultTest, WhatFollowsAMarkedVersionStartsAnew) {
  const auto patient = crypto::random_fixed<PrincipalId>(), right_one = crypto::random_fixed<PrincipalId>();
  anchor("o-1", "v1", patient);
  const auto second = anchor("o-1", "v2");
  auto status = ledger::v1::RECORD_STATUS_SUPERSEDED;
  Standing standing{.status_of = [&](const PointerId& pointer) -> Result<ledger::v1::RecordStatus> {
                      return pointer == second.pointer_id ? status : ledger::v1::RECORD_STATUS_CURRENT;
                    },
                    .retried = std::nullopt};
  auto plan_again = [&](std::string_view content, const std::optional<PrincipalId>& subject) {
    auto outcome = vault_->plan_anchor(1, {"urn:ehr", "Observation", "o-1"}, subject, as_bytes(content), standing);
    EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().message);
    vault_->abandon(1);
    return *outcome;
  };
  EXPECT_TRUE(std::holds_alternative<AlreadyAnchored>(plan_again("v2", patient))) << "superseded by another record";
  auto next = std::get<AnchorPlan>(plan_again("v3", right_one)).entry;
  EXPECT_TRUE(next.supersedes.is_zero());
  EXPECT_EQ(next.subject, right_one) << "it may have been the wrong patient";

  status = ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR;
  for (const auto* content : {"v1", "v2", "v3"}) {
    next = std::get<AnchorPlan>(plan_again(content, right_one)).entry;
    EXPECT_TRUE(next.supersedes.is_zero()) << content;
    EXPECT_EQ(next.subject, right_one);
  }
  const auto anchored = std::get<AlreadyAnchored>(plan(1, "o-1", "v2"));
  standing.retried = anchored.transaction_id;
  EXPECT_EQ(std::get<AlreadyAnchored>(plan_again("v2", patient)).pointer_id, second.pointer_id)
      << "the request that anchored it, repeated";
  // What was anchored anew is the source's newest version, and the chain goes on from there.
  const auto group = ++group_;
  standing.retried.reset();
  auto outcome = vault_->plan_anchor(group, {"urn:ehr", "Observation", "o-1"}, right_one, as_bytes("v2"), standing);
  const auto anew = std::get<AnchorPlan>(outcome.value()).entry;
  ASSERT_TRUE(vault_->on_outcome(send(group, {anew}).id(), Outcome::committed));
  EXPECT_EQ(std::get<AlreadyAnchored>(plan_again("v2", right_one)).pointer_id, anew.pointer_id);
  EXPECT_EQ(std::get<AnchorPlan>(plan_again("v3", right_one)).entry.supersedes, anew.pointer_id);
}

TEST_F(RecordVaultTest, EqualBytesHaveUnrelatedCommitments) {
  const auto first = anchor("o-1", "same"), second = anchor("o-2", "same");
  EXPECT_NE(first.commitment, second.commitment);
  EXPECT_NE(first.pointer_id, second.pointer_id);
  EXPECT_TRUE(vault_->verify(first.pointer_id, as_bytes("same")));
  EXPECT_TRUE(vault_->verify(second.pointer_id, as_bytes("same")));
}

TEST_F(RecordVaultTest, OneRequestMayHoldASourceTwice) {
  const auto first = new_plan(1, "o-1", "v1");
  auto repeated = plan(1, "o-1", "v1");
  ASSERT_TRUE(std::holds_alternative<InFlight>(repeated));
  EXPECT_TRUE(std::get<InFlight>(repeated).same_bytes);
  EXPECT_TRUE(std::get<InFlight>(repeated).same_group);
  EXPECT_EQ(std::get<InFlight>(repeated).pointer_id, first.pointer_id);
  const auto second = new_plan(1, "o-1", "v2");
  EXPECT_EQ(second.supersedes, first.pointer_id);
  const auto transaction = send(1, {first, second});
  ASSERT_TRUE(vault_->on_outcome(transaction.id(), Outcome::committed));
  EXPECT_EQ(vault_->pointers_of({"urn:ehr", "Observation", "o-1"}).value(),
            (std::vector{second.pointer_id, first.pointer_id}));
}

TEST_F(RecordVaultTest, AnotherRequestIsToldWhomToWaitFor) {
  const auto first = new_plan(1, "o-1", "v1");
  auto early = std::get<InFlight>(plan(2, "o-1", "v1"));
  EXPECT_TRUE(early.same_bytes);
  EXPECT_FALSE(early.transaction_id);
  const auto transaction = send(1, {first});
  auto same = std::get<InFlight>(plan(2, "o-1", "v1"));
  EXPECT_EQ(same.transaction_id, transaction.id());
  EXPECT_EQ(same.pointer_id, first.pointer_id);
  auto other = std::get<InFlight>(plan(2, "o-1", "v2"));
  EXPECT_FALSE(other.same_bytes);
  EXPECT_EQ(other.transaction_id, transaction.id());
  EXPECT_TRUE(vault_->verify(first.pointer_id, as_bytes("v1"))) << "executed perhaps, the word of it on its way";
  ASSERT_TRUE(vault_->on_outcome(transaction.id(), Outcome::rejected));
  EXPECT_EQ(vault_->in_flight(), 0U);
  const auto anew = new_plan(2, "o-1", "v2");
  EXPECT_TRUE(anew.supersedes.is_zero());
  EXPECT_EQ(vault_->verify(first.pointer_id, as_bytes("v1")).error().code, ErrorCode::KEY_NOT_HERE);
  vault_->abandon(2);
  EXPECT_EQ(vault_->in_flight(), 0U);
  EXPECT_NE(new_plan(3, "o-1", "v2").pointer_id, anew.pointer_id);
}

TEST_F(RecordVaultTest, ParallelImportsOfOneSourceAreOnePointer) {
  constexpr int kThreads = 32;
  std::vector<AnchorOutcome> outcomes(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] { outcomes[i] = plan(static_cast<PlanGroup>(i + 1), "o-1", "the same bytes"); });
  for (auto& thread : threads) thread.join();
  int planned = 0;
  std::set<PointerId> pointers;
  for (const auto& outcome : outcomes) {
    if (const auto* made = std::get_if<AnchorPlan>(&outcome)) {
      ++planned;
      pointers.insert(made->entry.pointer_id);
    } else {
      EXPECT_TRUE(std::get<InFlight>(outcome).same_bytes);
      pointers.insert(std::get<InFlight>(outcome).pointer_id);
    }
  }
  EXPECT_EQ(planned, 1);
  EXPECT_EQ(pointers.size(), 1U);
}

TEST_F(RecordVaultTest, CrashBetweenOutboxAndCommit) {
  const auto patient = crypto::random_fixed<PrincipalId>();
  const auto done = anchor("o-0", "before");
  const auto entry = new_plan(1, "o-1", "content", patient);
  const auto transaction = send(1, {entry});
  for (int crashes = 0; crashes < 3; ++crashes) {
    reopen();
    auto pending = vault_->pending();
    ASSERT_EQ(pending.size(), 2U);  // nothing was flushed: both are asked about again
    EXPECT_EQ(pending[1].transaction, transaction.bytes());
    EXPECT_EQ(pending[1].request_id, transaction.request_id());
    auto again = std::get<InFlight>(plan(7, "o-1", "content"));
    EXPECT_TRUE(again.same_bytes);
    EXPECT_EQ(again.pointer_id, entry.pointer_id);
    EXPECT_EQ(again.transaction_id, transaction.id());
  }
  for (const auto& record : vault_->pending())
    ASSERT_TRUE(vault_->on_outcome(record.transaction_id, Outcome::committed));
  EXPECT_TRUE(vault_->verify(entry.pointer_id, as_bytes("content")));
  EXPECT_EQ(flush(), log_.size() + 1);
  log_.assign(log_.size(), Bytes{});  // recycled: nothing of it is needed
  reopen();
  EXPECT_TRUE(vault_->pending().empty());
  EXPECT_TRUE(vault_->verify(entry.pointer_id, as_bytes("content")));
  EXPECT_TRUE(vault_->verify(done.pointer_id, as_bytes("before")));
  EXPECT_TRUE(std::holds_alternative<AlreadyAnchored>(plan(8, "o-1", "content")));
  EXPECT_EQ(vault_->applied_position().log_id, log_id_);
  EXPECT_EQ(vault_->applied_position().seq, log_.size() + 1);
}

TEST_F(RecordVaultTest, OutcomesMayComeInAnyOrderAfterACrash) {
  const auto patient = crypto::random_fixed<PrincipalId>();
  const auto first = new_plan(1, "o-1", "one", patient);
  const auto first_transaction = send(1, {first});
  const auto second = new_plan(2, "o-2", "two", patient);
  const auto second_transaction = send(2, {second});
  reopen();
  ASSERT_TRUE(vault_->on_outcome(second_transaction.id(), Outcome::committed));
  ASSERT_TRUE(vault_->on_outcome(first_transaction.id(), Outcome::rejected));
  flush();
  log_.assign(log_.size(), Bytes{});
  reopen();
  EXPECT_TRUE(vault_->verify(second.pointer_id, as_bytes("two")));
  EXPECT_EQ(vault_->verify(first.pointer_id, as_bytes("one")).error().code, ErrorCode::KEY_NOT_HERE);
}

TEST_F(RecordVaultTest, TheLogIsNeededFromTheOldestOpenRecord) {
  const auto open = new_plan(1, "open", "x");
  anchor("o-1", "a");
  const auto transaction = send(1, {open});
  anchor("o-2", "b");
  EXPECT_EQ(flush(), 2U);
  const auto unlogged = new_plan(2, "unlogged", "y");
  const auto late = make_transaction({unlogged});
  const auto outbox = vault_->bind(2, late).value();
  ASSERT_TRUE(vault_->on_outcome(transaction.id(), Outcome::committed));
  log_.push_back(outbox);  // in the log already, but the word of it has not come
  EXPECT_EQ(flush(), 4U);
  reopen();
  ASSERT_EQ(vault_->pending().size(), 1U);
  EXPECT_EQ(vault_->pending()[0].transaction_id, late.id());
}

// The log goes on with votes and bodies, and is given up up to the last flush: the next record does not stand below it.
TEST_F(RecordVaultTest, ARecordIsNotLookedForWhereTheLogIsGivenUp) {
  anchor("o-1", "a");
  EXPECT_EQ(vault_->flush(log_id_, 500).value(), 500U);
  const auto entry = new_plan(1, "o-2", "b");
  const auto transaction = make_transaction({entry});
  ASSERT_TRUE(vault_->bind(1, transaction));
  EXPECT_EQ(vault_->flush(log_id_, 600).value(), 500U) << "where it stands is not known yet";
  vault_->logged(transaction.id(), 550);
  EXPECT_EQ(vault_->flush(log_id_, 700).value(), 550U);
}

TEST_F(RecordVaultTest, AfterARestartRecordsStandBehindWhatTheLogHeld) {
  flush();
  reopen();
  vault_->log_goes_on(900);
  const auto entry = new_plan(1, "o-1", "a");
  ASSERT_TRUE(vault_->bind(1, make_transaction({entry})));
  EXPECT_EQ(vault_->flush(log_id_, 950).value(), 900U);
}

TEST_F(RecordVaultTest, RecordsThatMovedStandInTheOtherLog) {
  const auto entry = new_plan(1, "o-1", "a");
  const auto transaction = send(1, {entry});
  const auto other = crypto::random_request_id();
  ASSERT_TRUE(vault_->move_to_log(other, 40));
  EXPECT_EQ(vault_->applied_position().log_id, other);
  EXPECT_EQ(vault_->applied_position().seq, 40U);
  EXPECT_EQ(vault_->flush(other, 60).value(), 40U);
  log_id_ = other;
  log_.insert(log_.begin(), 39, Bytes{});  // those below are not read
  reopen();
  ASSERT_EQ(vault_->pending().size(), 1U);
  EXPECT_EQ(vault_->pending()[0].transaction_id, transaction.id());
}

TEST_F(RecordVaultTest, ExpiredIsBuiltAnewWithTheSamePointer) {
  const auto entry = new_plan(1, "o-1", "content");
  const auto expired = send(1, {entry});
  reopen();
  ASSERT_TRUE(vault_->on_outcome(expired.id(), Outcome::expired));
  ASSERT_EQ(vault_->pending().size(), 1U);
  const auto renewed = make_transaction({entry});
  auto outbox = vault_->rebind(expired.id(), renewed);
  ASSERT_TRUE(outbox);
  EXPECT_EQ(flush(), 1U) << "the old record counts until the new one is logged";
  const auto decoded = OutboxRecord::decode(*outbox);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->replaces, expired.request_id());
  EXPECT_EQ(std::get<AnchorEntry>(decoded->entries[0]), entry);
  log_.push_back(*outbox);
  vault_->logged(renewed.id(), log_.size());
  reopen();
  ASSERT_EQ(vault_->pending().size(), 1U);
  EXPECT_EQ(vault_->pending()[0].transaction_id, renewed.id());
  ASSERT_TRUE(vault_->on_outcome(renewed.id(), Outcome::committed));
  EXPECT_EQ(std::get<AlreadyAnchored>(plan(2, "o-1", "content")).pointer_id, entry.pointer_id);
  EXPECT_EQ(vault_->rebind(expired.id(), renewed).error().code, ErrorCode::NOT_FOUND);
}

// Its client was told EXPIRED and brought the same document again; after a crash the log has both.
TEST_F(RecordVaultTest, WhatWasBroughtAgainOutrunsTheExpired) {
  const auto first = new_plan(1, "o-1", "content");
  const auto expired = send(1, {first});
  ASSERT_TRUE(vault_->on_outcome(expired.id(), Outcome::rejected));
  const auto again = send(2, {new_plan(2, "o-1", "content")});
  for (bool applied : {false, true}) {
    if (applied) {
      ASSERT_TRUE(vault_->on_outcome(again.id(), Outcome::committed));
    }
    reopen();
    const auto pending = vault_->pending();
    ASSERT_EQ(pending.size(), 2u) << "nothing was flushed";
    EXPECT_TRUE(*is_outrun(pending[0]));
    EXPECT_FALSE(*is_outrun(pending[1])) << "the newer one is not outrun by the older";
    EXPECT_EQ(vault_->bound(again.id())->transaction_id, again.id());
    ASSERT_TRUE(vault_->on_outcome(again.id(), Outcome::committed));
    EXPECT_TRUE(*is_outrun(pending[0]));
    EXPECT_FALSE(vault_->bound(again.id()));
    EXPECT_TRUE(vault_->has_unflushed());
  }
  ASSERT_TRUE(vault_->flush(log_id_, log_.size() + 1));
  EXPECT_FALSE(vault_->has_unflushed());
}

// The version before was entered in error, so the new one names none: nothing newer than itself is here.
TEST_F(RecordVaultTest, WhatFollowsAMarkedVersionIsNotOutrunByIt) {
  anchor("o-1", "wrong");
  const Standing marked{
      .status_of =
          [](const PointerId&) { return Result<ledger::v1::RecordStatus>(ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR); },
      .retried = {}};
  auto planned = vault_->plan_anchor(5, {"urn:ehr", "Observation", "o-1"}, {}, as_bytes("right"), marked);
  const auto entry = std::get<AnchorPlan>(planned.value()).entry;
  ASSERT_TRUE(entry.supersedes.is_zero());
  send(5, {entry});
  const auto record = vault_->pending().at(0);
  EXPECT_FALSE(*is_outrun(record, ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR));
  EXPECT_TRUE(*is_outrun(record)) << "somebody has anchored the source anew meanwhile";
}

TEST_F(RecordVaultTest, APatientBroughtAgainOutrunsTheExpiredRegistration) {
  auto plan_patient = [&](PlanGroup group) { return vault_->plan_patient(group, "urn:mrn", "MRN-1").value(); };
  plan_patient(1);
  const auto expired = send(1, {new_plan(1, "o-1", "a")});
  ASSERT_TRUE(vault_->on_outcome(expired.id(), Outcome::rejected));
  const auto again = std::get<PatientPlan>(plan_patient(2)).entry.pseudonym;
  const auto sent = send(2, {new_plan(2, "o-2", "b")});
  reopen();
  const auto pending = vault_->pending();
  ASSERT_EQ(pending.size(), 2u);
  EXPECT_TRUE(*is_outrun(pending[0]));
  EXPECT_FALSE(*is_outrun(pending[1]));
  ASSERT_TRUE(vault_->on_outcome(expired.id(), Outcome::rejected));
  auto flying = std::get<KnownPatient>(plan_patient(3));
  EXPECT_EQ(flying.pseudonym, again);
  EXPECT_EQ(flying.in_flight, sent.id());
  EXPECT_EQ(vault_->in_flight(), 2u);
}

// The same id once more after it expired, and a crash: the log has two records of one id.
TEST_F(RecordVaultTest, OfAnIdThatWasUsedAgainTheLastRecordCounts) {
  const auto id = crypto::random_request_id();
  const auto first = send(1, {new_plan(1, "o-1", "content")}, id);
  ASSERT_TRUE(vault_->on_outcome(first.id(), Outcome::rejected));
  const auto entry = new_plan(2, "o-1", "content");
  send(2, {entry}, id);
  reopen();
  EXPECT_EQ(vault_->in_flight(), 1u);
  EXPECT_EQ(std::get<InFlight>(plan(3, "o-1", "content")).pointer_id, entry.pointer_id);
  ASSERT_TRUE(vault_->on_outcome(first.id(), Outcome::committed));
  EXPECT_EQ(vault_->in_flight(), 0u);
  EXPECT_EQ(std::get<AlreadyAnchored>(plan(3, "o-1", "content")).pointer_id, entry.pointer_id);
}

// Each names a patient that nobody registers: the keys drawn for them would fill the keyring for good.
TEST_F(RecordVaultTest, PlansThatAreGivenUpFillNoKeyring) {
  const auto epoch = [this] {
    const auto master = MasterKey::load(options_.master_key_file);
    return Keyring::open(options_.keyring_directory, *master, kSuite)->current_epoch();
  };
  const auto before = epoch();
  for (PlanGroup group = 1; group <= 20; ++group) {
    AnchorEntry last;
    for (int i = 0; i < 1'000; ++i)
      last = new_plan(group, std::to_string(i), "content", crypto::random_fixed<PrincipalId>());
    if (group % 2 == 0) {
      vault_->abandon(group);
      continue;
    }
    const auto transaction = make_transaction({last});
    ASSERT_TRUE(vault_->bind(group, transaction));
    vault_->take_back(transaction.id());  // the pool had no room for it
  }
  EXPECT_EQ(epoch(), before);
  EXPECT_EQ(vault_->in_flight(), 0u);
  // Of one plan that is bound and one that is given up, both of one patient, the key stays.
  const auto subject = crypto::random_fixed<PrincipalId>();
  const auto kept = new_plan(21, "a", "content", subject);
  const auto other = new_plan(22, "b", "content", subject);
  EXPECT_EQ(kept.patient_key.key, other.patient_key.key);
  send(21, {kept});
  vault_->abandon(22);
  EXPECT_EQ(new_plan(23, "b", "content", subject).patient_key.key, kept.patient_key.key);
}

// A node that is behind takes an executed transaction for expired: its record must not be lost by that.
TEST_F(RecordVaultTest, TheFormerTransactionMayTurnOutCommitted) {
  for (const bool restart : {false, true}) {
    const auto group = ++group_;
    const auto id = "o-" + std::to_string(group);
    const auto entry = new_plan(group, id, "content");
    const auto former = send(group, {entry});
    const auto renewed = make_transaction({entry});
    log_.push_back(vault_->rebind(former.id(), renewed).value());
    vault_->logged(renewed.id(), log_.size());
    const auto again = make_transaction({entry});
    log_.push_back(vault_->rebind(renewed.id(), again).value());
    vault_->logged(again.id(), log_.size());
    if (restart) reopen();
    ASSERT_TRUE(vault_->on_outcome(renewed.id(), Outcome::rejected));
    EXPECT_EQ(vault_->in_flight(), 1U) << "only the present id can end it badly";
    ASSERT_TRUE(vault_->on_outcome(former.id(), Outcome::committed));
    ASSERT_TRUE(vault_->on_outcome(again.id(), Outcome::rejected));
    const auto found = std::get<AlreadyAnchored>(plan(9, id, "content"));
    EXPECT_EQ(found.pointer_id, entry.pointer_id);
    EXPECT_EQ(found.transaction_id, former.id());
    EXPECT_TRUE(vault_->verify(entry.pointer_id, as_bytes("content")));
    EXPECT_EQ(vault_->in_flight(), 0U);
    flush();
  }
}

TEST_F(RecordVaultTest, PatientsKeepOnePseudonym) {
  auto planned = vault_->plan_patient(1, "urn:mrn", "MRN-4711");
  ASSERT_TRUE(planned);
  const auto entry = std::get<PatientPlan>(*planned).entry;
  EXPECT_FALSE(std::get<KnownPatient>(vault_->plan_patient(1, "urn:mrn", "MRN-4711").value()).unbound);
  EXPECT_TRUE(std::get<KnownPatient>(vault_->plan_patient(2, "urn:mrn", "MRN-4711").value()).unbound);
  const auto record = new_plan(1, "o-1", "content", entry.pseudonym);
  const auto transaction = send(1, {record});
  auto flying = std::get<KnownPatient>(vault_->plan_patient(2, "urn:mrn", "MRN-4711").value());
  EXPECT_EQ(flying.in_flight, transaction.id());
  reopen();
  ASSERT_TRUE(vault_->on_outcome(transaction.id(), Outcome::committed));
  flush();
  log_.assign(log_.size(), Bytes{});
  reopen();
  auto known = std::get<KnownPatient>(vault_->plan_patient(3, "urn:mrn", "MRN-4711").value());
  EXPECT_EQ(known.pseudonym, entry.pseudonym);
  EXPECT_FALSE(known.in_flight);
  EXPECT_EQ(vault_->pseudonym_of("urn:mrn", "MRN-4711").value(), entry.pseudonym);
  EXPECT_FALSE(vault_->pseudonym_of("urn:mrn", "MRN-4712").value());
  const auto identifiers = vault_->identifiers_of(entry.pseudonym).value();
  ASSERT_EQ(identifiers.size(), 1U);
  EXPECT_EQ(identifiers[0].value, "MRN-4711");
  EXPECT_TRUE(vault_->verify(record.pointer_id, as_bytes("content")));
}

TEST_F(RecordVaultTest, NothingReadableOnDisk) {
  const std::vector<std::string> secrets{"urn:ehr-of-saint-mary",     "MedicationRequest", "rx-20731-secret-id",
                                         "penicillin 500 mg for Ada", "MRN-0815-secret",   "urn:mrn-system"};
  for (int i = 0; i < 50; ++i) {
    auto patient = vault_->plan_patient(1, secrets[5], secrets[4] + std::to_string(i));
    ASSERT_TRUE(patient);
    auto outcome =
        vault_->plan_anchor(1, {secrets[0], secrets[1], secrets[2] + std::to_string(i)},
                            std::get<PatientPlan>(*patient).entry.pseudonym, as_bytes(secrets[3] + std::to_string(i)));
    ASSERT_TRUE(outcome);
    const auto transaction = send(1, {std::get<AnchorPlan>(*outcome).entry});
    ASSERT_TRUE(vault_->on_outcome(transaction.id(), Outcome::committed));
  }
  flush();
  vault_.reset();
  std::size_t files = 0, bytes = 0;
  auto scan = [&](const std::string& content) {
    for (const auto& secret : secrets) EXPECT_EQ(content.find(secret), std::string::npos) << secret;
    bytes += content.size();
  };
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    scan(std::string(std::istreambuf_iterator<char>(in), {}));
    ++files;
  }
  for (const auto& record : log_) scan(to_string(record));
  EXPECT_GT(files, 5U);
  EXPECT_GT(bytes, 1'000'000U);
}

TEST_F(RecordVaultTest, RefusesForeignAndReadableKeys) {
  vault_.reset();
  ASSERT_EQ(::chmod(options_.master_key_file.c_str(), 0644), 0);
  EXPECT_EQ(RecordVault::open(options_).error().code, ErrorCode::KEY_FILE_READABLE);
  auto other = options_;
  other.master_key_file = directory_ + "/other.key";
  ASSERT_TRUE(MasterKey::create(other.master_key_file));
  EXPECT_EQ(RecordVault::open(other).error().code, ErrorCode::CORRUPT);
  EXPECT_EQ(MasterKey::create(other.master_key_file).error().code, ErrorCode::ALREADY_EXISTS);
  other.master_key_file = directory_ + "/none.key";
  EXPECT_EQ(RecordVault::open(other).error().code, ErrorCode::NOT_FOUND);
  EXPECT_EQ(RecordVault::create(options_).error().code, ErrorCode::ALREADY_EXISTS);
}

TEST_F(RecordVaultTest, BoundsWhatIsOnItsWay) {
  options_.in_flight_max = 3;
  reopen();
  for (int i = 0; i < 3; ++i) new_plan(1, "o-" + std::to_string(i), "x");
  auto refused = vault_->plan_anchor(1, {"urn:ehr", "Observation", "o-9"}, std::nullopt, as_bytes("x"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::RESOURCE_EXHAUSTED);
  vault_->abandon(1);
  new_plan(2, "o-9", "x");
}

TEST_F(RecordVaultTest, ASmallKeyCacheOnlyCostsTime) {
  options_.patient_keys_cached_max = 4;
  reopen();
  std::vector<AnchorEntry> entries;
  for (int i = 0; i < 40; ++i)
    entries.push_back(anchor("o-" + std::to_string(i), "content", crypto::random_fixed<PrincipalId>()));
  for (int round = 0; round < 2; ++round)
    for (const auto& entry : entries) EXPECT_TRUE(vault_->verify(entry.pointer_id, as_bytes("content")));
}

/// What lies on the disk is damaged while nobody has it open.
class DamagedVaultTest : public RecordVaultTest {
 protected:
  std::string index() const { return options_.vault_directory + "/index"; }
  std::vector<std::string> inspect() const { return RecordIndex::inspect(options_.vault_directory).findings; }
  void remove_row(Family family, ByteSpan key) {
    const auto options = database_options();
    rocksdb::DB* opened = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    ASSERT_TRUE(rocksdb::DB::Open(options, index(), family_descriptors(options), &families, &opened).ok());
    const std::unique_ptr<rocksdb::DB> database(opened);
    EXPECT_TRUE(database->Delete(rocksdb::WriteOptions(), families[family], slice(key)).ok());
    EXPECT_TRUE(database->Flush(rocksdb::FlushOptions(), families).ok());
    for (auto* handle : families) database->DestroyColumnFamilyHandle(handle);
    EXPECT_TRUE(database->Close().ok());
  }
  static std::string all(const std::vector<std::string>& said) {
    std::string out;
    for (const auto& one : said) out += one + "\n";
    return out;
  }
  void write_back(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  static std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
};

TEST_F(DamagedVaultTest, ARowThatAnotherNamesIsMissed) {
  const auto patient = crypto::random_fixed<PrincipalId>();
  const auto entry = anchor("o-1", "content", patient);
  flush();
  vault_.reset();
  EXPECT_EQ(inspect(), std::vector<std::string>());
  const auto whole = directory_ + "/whole";
  std::filesystem::copy(options_.vault_directory, whole, std::filesystem::copy_options::recursive);
  const struct {
    Family family;
    Bytes key;
    const char* said;
  } cases[] = {{kPointers, to_bytes(entry.pointer_id.span()), "which is not there"},
               {kSources, to_bytes(entry.source.span()), "no source"},
               {kPatients, to_bytes(patient.span()), "no patient key"},
               {kEpochs, std::move(ByteWriter().u16(2)).take(), "as many patient keys"}};
  for (const auto& one : cases) {
    remove_row(one.family, one.key);
    EXPECT_NE(all(inspect()).find(one.said), std::string::npos) << one.said << ": " << all(inspect());
    std::filesystem::remove_all(options_.vault_directory);
    std::filesystem::copy(whole, options_.vault_directory, std::filesystem::copy_options::recursive);
  }
}

TEST_F(DamagedVaultTest, AKeyringOlderThanTheIndexIsRefused) {
  const auto file = options_.keyring_directory + "/keyring.bin";
  const auto older = content(file);
  vault_.reset();
  {
    const auto master = MasterKey::load(options_.master_key_file).value();
    ASSERT_TRUE(Keyring::open(options_.keyring_directory, master, kSuite).value().add_epoch());
  }
  const auto newer = content(file);
  reopen();
  anchor("o-1", "content", crypto::random_fixed<PrincipalId>());
  // As after a kill: the index has not been told of the slot yet, the log has.
  const auto killed = directory_ + "/killed";
  std::filesystem::copy(options_.vault_directory, killed, std::filesystem::copy_options::recursive);
  vault_.reset();
  std::filesystem::remove_all(options_.vault_directory);
  std::filesystem::rename(killed, options_.vault_directory);
  write_back(file, older);
  {
    auto unaware = RecordVault::open(options_);
    ASSERT_TRUE(unaware) << unaware.error().message;
    const auto replayed = unaware->replay(log_id_, 1, log_[0]);
    ASSERT_FALSE(replayed);
    EXPECT_EQ(replayed.error().code, ErrorCode::CORRUPT);
    EXPECT_NE(replayed.error().message.find("older copy"), std::string::npos) << replayed.error().message;
  }
  write_back(file, newer);
  reopen();
  ASSERT_TRUE(vault_->on_outcome(OutboxRecord::decode(log_[0])->transaction_id, Outcome::committed));
  flush();
  vault_.reset();
  write_back(file, older);
  const auto opened = RecordVault::open(options_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::CORRUPT);
  EXPECT_NE(opened.error().message.find("newest backup of keyring/"), std::string::npos) << opened.error().message;
  write_back(file, newer);
  EXPECT_TRUE(RecordVault::open(options_));
}

TEST_F(DamagedVaultTest, WhatIsMissingNamesTheBackup) {
  flush();
  vault_.reset();
  for (const auto* name : {"/CURRENT", ""}) {
    std::filesystem::remove_all(index() + name);
    const auto opened = RecordVault::open(options_);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("backup"), std::string::npos) << opened.error().message;
    EXPECT_NE(all(inspect()).find("backup"), std::string::npos);
  }
}

TEST_F(DamagedVaultTest, ARunningVaultFindsAFlippedByteOfEachFile) {
  anchor("o-1", "content");
  flush();
  const auto damaged = [this] { return vault_->damaged_files([](std::uint64_t, std::uint64_t) { return true; }); };
  EXPECT_EQ(damaged(), std::vector<std::string>());
  std::vector<std::string> files{options_.keyring_directory + "/keyring.bin"};
  for (const auto& entry : std::filesystem::directory_iterator(index()))
    if (entry.path().extension() == ".sst") files.push_back(entry.path().string());
  ASSERT_GE(files.size(), 3U);
  for (const auto& file : files) {
    const auto whole = content(file);
    auto bytes = whole;
    bytes[20] ^= 1;
    write_back(file, bytes);
    const auto found = damaged();
    ASSERT_EQ(found.size(), 1U) << file;
    EXPECT_NE(found[0].find(std::filesystem::path(file).filename().string()), std::string::npos) << found[0];
    write_back(file, whole);
  }
  EXPECT_EQ(damaged(), std::vector<std::string>());
  std::uint64_t asked = 0;
  vault_->damaged_files([&asked](std::uint64_t read, std::uint64_t of) {
    EXPECT_LE(read, of);
    return ++asked < 1;
  });
  EXPECT_EQ(asked, 1U) << "who gives up waits for no other file";
}

TEST(OutboxRecordTest, ReadsBackAndRefusesEveryTruncation) {
  OutboxRecord record;
  record.author = kAuthor;
  record.request_id = crypto::random_request_id();
  record.replaces = crypto::random_request_id();
  record.valid_until_ms = 77;
  record.transaction = to_bytes("transaction bytes");
  AnchorEntry anchor;
  anchor.pointer_id = crypto::random_fixed<PointerId>();
  anchor.record_key = crypto::random_fixed<WrappedKey>();
  PatientEntry patient;
  patient.pseudonym = crypto::random_fixed<PrincipalId>();
  patient.sealed_identifier = Bytes(40, 7);
  auto lossy = anchor;
  lossy.canon = ledger::v1::CANON_METHOD_JCS;
  lossy.lossy_numbers = 7;
  record.entries = {anchor, patient, lossy};
  const auto bytes = record.encode();
  auto decoded = OutboxRecord::decode(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, record);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(OutboxRecord::decode(ByteSpan(bytes).first(size))) << size;
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(OutboxRecord::decode(longer));
}

}  // namespace
}  // namespace galen::vault
