// Verbs that write, from the command line to the request a node gets; and options that cannot apply, which are told.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <sstream>

#include "galen/types/genesis.hpp"
#include "galen/types/json.hpp"
#include "galen/types/transaction.hpp"
#include "galen/v1/access_service.grpc.pb.h"
#include "galen/v1/ledger_service.grpc.pb.h"
#include "galen/v1/patient_service.grpc.pb.h"
#include "galen/v1/record_service.grpc.pb.h"
#include "galenctl/app.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/dev_make.hpp"
#include "galenctl/files.hpp"
#include "galenctl/output.hpp"
#include "temp_dir.hpp"

namespace galen::galenctl {
namespace {

/// At the API address of a consortium's first node, with that node's certificates.
class TlsNode final : public v1::PatientService::Service,
                      public v1::RecordService::Service,
                      public v1::AccessService::Service,
                      public v1::LedgerService::Service {
 public:
  explicit TlsNode(const DevLayout& layout) : genesis(*Genesis::load(layout.genesis_path())) {
    const auto keys = layout.node_dir(layout.nodes[0]) + "/keys/";
    grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = *read_text_file(keys + "client-ca.pem");
    tls.pem_key_cert_pairs = {{*read_text_file(keys + "api.key"), *read_text_file(keys + "api.pem")}};
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(layout.nodes[0].api_port), grpc::SslServerCredentials(tls));
    builder.RegisterService(static_cast<v1::PatientService::Service*>(this));
    builder.RegisterService(static_cast<v1::RecordService::Service*>(this));
    builder.RegisterService(static_cast<v1::AccessService::Service*>(this));
    builder.RegisterService(static_cast<v1::LedgerService::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~TlsNode() override { server_->Shutdown(std::chrono::system_clock::now()); }

  const Genesis genesis;
  std::string lost;        ///< writes are answered with this reason, unless it is empty
  std::string request_id;  ///< of the last write
  std::optional<Transaction> submitted;
  int versions = 0;  ///< that a record has
  v1::Event event;
  v1::StreamEventsRequest followed;
  v1::SetRecordStatusRequest status_set;
  v1::RegisterServiceRequest service;
  std::string caller;  ///< of the last call: the certificate's common name
  v1::TransactionState state = v1::TRANSACTION_STATE_COMMITTED;
  std::string pseudonym = std::string(32, 'p');
  bool known = false;
  std::string rejected_as = "RECORD_NOT_CURRENT";

 private:
  grpc::Status answer(grpc::ServerContext* context, const std::string& id, v1::TransactionOutcome& outcome) {
    request_id = id;
    auto names = context->auth_context()->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
    caller = names.empty() ? "" : std::string(names[0].data(), names[0].size());
    if (!lost.empty()) {
      context->AddTrailingMetadata("galen-reason", lost);
      return {grpc::StatusCode::UNAVAILABLE, "the node says so"};
    }
    outcome.set_state(state);
    outcome.set_height(1234);
    outcome.set_reason(state == v1::TRANSACTION_STATE_REJECTED ? rejected_as : "");
    outcome.set_transaction_id(std::string(32, 't'));
    return grpc::Status::OK;
  }
  grpc::Status SetRecordStatus(grpc::ServerContext* context, const v1::SetRecordStatusRequest* request,
                               v1::SetRecordStatusResponse* response) override {
    status_set = *request;
    return answer(context, request->request_id(), *response->mutable_outcome());
  }
  grpc::Status AnchorRecord(grpc::ServerContext* context, const v1::AnchorRecordRequest* request,
                            v1::AnchorRecordResponse* response) override {
    return answer(context, request->request_id(), *response->mutable_outcome());
  }
  grpc::Status ListRecordVersions(grpc::ServerContext*, const v1::ListRecordVersionsRequest*,
                                  v1::ListRecordVersionsResponse* response) override {
    for (int i = 0; i < versions; ++i)
      response->add_versions()->mutable_state()->set_retention(ledger::v1::RETENTION_CLASS_HIPAA_6Y);
    return grpc::Status::OK;
  }
  grpc::Status RegisterService(grpc::ServerContext* context, const v1::RegisterServiceRequest* request,
                               v1::RegisterServiceResponse* response) override {
    service = *request;
    return answer(context, request->request_id(), *response->mutable_outcome());
  }
  grpc::Status RegisterPatient(grpc::ServerContext* context, const v1::RegisterPatientRequest* request,
                               v1::RegisterPatientResponse* response) override {
    response->set_pseudonym(pseudonym);
    response->set_already_registered(known);
    return answer(context, request->request_id(), *response->mutable_outcome());
  }
  grpc::Status Decide(grpc::ServerContext* context, const v1::DecideRequest* request,
                      v1::DecideResponse* response) override {
    return answer(context, request->request_id(), *response->mutable_outcome());
  }
  grpc::Status SubmitTransaction(grpc::ServerContext* context, const v1::SubmitTransactionRequest* request,
                                 v1::SubmitTransactionResponse* response) override {
    auto decoded = Transaction::decode(genesis.suite, genesis.chain_id, as_bytes(request->transaction()));
    if (!decoded) return {grpc::StatusCode::INVALID_ARGUMENT, decoded.error().message};
    const auto sign_bytes = Transaction::sign_bytes(genesis.suite, genesis.chain_id, decoded->hash());
    response->set_sign_bytes(std::string(sign_bytes.begin(), sign_bytes.end()));
    if (request->validate_only()) return grpc::Status::OK;
    submitted = std::move(*decoded);
    return answer(context, std::string(as_text(submitted->request_id().span())), *response->mutable_outcome());
  }
  grpc::Status GetTransaction(grpc::ServerContext*, const v1::GetTransactionRequest*,
                              v1::GetTransactionResponse* response) override {
    response->mutable_outcome()->set_state(state);
    return grpc::Status::OK;
  }
  grpc::Status StreamEvents(grpc::ServerContext*, const v1::StreamEventsRequest* request,
                            grpc::ServerWriter<v1::StreamEventsResponse>* writer) override {
    followed = *request;
    v1::StreamEventsResponse response;
    *response.add_events() = event;
    writer->Write(response);
    return grpc::Status::OK;
  }

  std::unique_ptr<grpc::Server> server_;
};

class VerbsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"GALEN_DIR", "GALEN_ENDPOINT", "GALEN_CA", "GALEN_CERT", "GALEN_KEY"}) ::unsetenv(name);
    auto made = make_consortium(dir.path() + "/d", 4, GenesisParameters{}, crypto::Suite::p256_sha256);
    ASSERT_TRUE(made) << made.error().message;
    layout.emplace(std::move(*made));
    ASSERT_TRUE(layout->save());
  }
  struct Ran {
    int code;
    std::string out, err;
  };
  Ran plain(std::vector<std::string> arguments) {
    std::ostringstream out, err;
    int code = run(arguments, out, err, false);
    return {code, out.str(), err.str()};
  }
  Ran run_with(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--dir", layout->dir()});
    return plain(std::move(arguments));
  }
  /// A matter of usage, in which the option stands.
  void refused(const std::vector<std::string>& words, const std::string& told) {
    auto ran = run_with(words);
    EXPECT_EQ(ran.code, kExitUsage) << testing::PrintToString(words) << ran.err;
    EXPECT_NE(ran.err.find(told), std::string::npos) << told << ": " << ran.err;
  }

  TempDir dir;
  std::optional<DevLayout> layout;
  const std::string a = std::string(64, 'a'), b = std::string(64, 'b');
};

TEST_F(VerbsTest, ARecordIsMarked) {
  TlsNode node(*layout);
  auto marked = run_with({"record", "status", "entered-in-error", "--pointer", a});
  ASSERT_EQ(marked.code, kExitOk) << marked.err;
  EXPECT_NE(marked.out.find("marked entered-in-error at height 1,234\ntransaction 7474"), std::string::npos)
      << marked.out;
  EXPECT_EQ(node.status_set.pointer_id(), std::string(32, '\xaa'));
  EXPECT_EQ(node.status_set.status(), ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR);
  EXPECT_EQ(node.status_set.request_id().size(), 16u);
  EXPECT_FALSE(node.status_set.validate_only());

  auto json =
      run_with({"--json", "record", "status", "superseded", "--pointer", a, "--superseded-by", b, "--validate-only"});
  ASSERT_EQ(json.code, kExitOk) << json.err;
  EXPECT_EQ(json.out, R"({"pointer_id":")" + a + R"(","status":"SUPERSEDED","superseded_by":")" + b +
                          "\",\"validate_only\":true}\n");
  EXPECT_EQ(node.status_set.superseded_by(), std::string(32, '\xbb'));
  EXPECT_TRUE(node.status_set.validate_only());

  node.state = v1::TRANSACTION_STATE_REJECTED;
  auto no = run_with({"record", "status", "entered-in-error", "--pointer", a});
  EXPECT_EQ(no.code, kExitError);
  EXPECT_NE(no.err.find("RECORD_NOT_CURRENT"), std::string::npos) << no.err;

  refused({"record", "status", "entered-in-error"}, "--pointer");
  refused({"record", "status", "current", "--pointer", a}, "current");
  refused({"record", "status", "superseded", "--pointer", a}, "--superseded-by");
  refused({"record", "status", "entered-in-error", "--pointer", a, "--superseded-by", b}, "--superseded-by");
  refused({"record", "status", "entered-in-error", "--pointer", "12"}, "--pointer");
}

TEST_F(VerbsTest, AServiceIsRegisteredByTheAdministrator) {
  TlsNode node(*layout);
  auto ran = run_with({"member", "register-service", a});
  ASSERT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_NE(ran.out.find("registered service " + a + " at height 1,234"), std::string::npos) << ran.out;
  EXPECT_EQ(node.service.id(), std::string(32, '\xaa'));
  EXPECT_EQ(node.caller, "A admin");

  const auto cert = layout->clients_dir(layout->nodes[0]) + "/galenctl.pem";
  auto json = run_with({"--json", "member", "register-service", "--client-cert", cert});
  ASSERT_EQ(json.code, kExitOk) << json.err;
  auto document = JsonDocument::parse(json.out);
  ASSERT_TRUE(document) << json.out;
  const auto id = *principal_of_certificate(cert);
  EXPECT_EQ(document->root().find_text("id"), id.hex());
  EXPECT_EQ(document->root().find("outcome")->find_text("state"), "COMMITTED");
  EXPECT_EQ(node.service.id(), id.str());

  EXPECT_EQ(run_with({"--as", "galenctl", "member", "register-service", a, "--validate-only"}).code, kExitOk);
  EXPECT_EQ(node.caller, "A galenctl") << "as is asked for";
  EXPECT_TRUE(node.service.validate_only());
  refused({"member", "register-service"}, "--client-cert");
  refused({"member", "register-service", a, "--client-cert", cert}, "--client-cert");
  refused({"member", "register-service", "12"}, "ID");
}

TEST_F(VerbsTest, APatientKeepsHerKeyWhenSheIsNamedAgainWithoutIt) {
  TlsNode node(*layout);
  const auto key = dir.path() + "/anna.pem", kept = layout->patient_path("anna");
  ASSERT_EQ(run_with({"patient", "keygen", "--out", key}).code, kExitOk);
  auto first = run_with({"patient", "register", "--name", "anna", "--source", "7", "--key", key});
  ASSERT_EQ(first.code, kExitOk) << first.err;
  EXPECT_NE(first.out.find("patient registered, with her own key"), std::string::npos) << first.out;
  const auto before = *read_text_file(kept);
  EXPECT_NE(before.find(key), std::string::npos) << before;

  node.known = true;
  auto again = run_with({"patient", "register", "--name", "anna", "--source", "7"});
  ASSERT_EQ(again.code, kExitOk) << again.err;
  EXPECT_NE(again.out.find("patient was registered before\n"), std::string::npos) << again.out;
  EXPECT_EQ(*read_text_file(kept), before);

  node.known = false;
  node.pseudonym = std::string(32, 'q');
  auto other = run_with({"patient", "register", "--name", "berta", "--source", "8"});
  EXPECT_NE(other.out.find("patient registered, without a key of her own"), std::string::npos) << other.out;
  EXPECT_EQ(read_text_file(layout->patient_path("berta"))->find("\"key\""), std::string::npos);
  EXPECT_EQ(run_with({"patient", "register", "--name", "anna", "--source", "8"}).code, kExitError)
      << "another patient's name";
  EXPECT_EQ(*read_text_file(kept), before);
}

TEST_F(VerbsTest, WhatCannotApplyToTheTargetIsTold) {
  for (const char* option : {"--ca", "--cert", "--key"}) refused({option, "x", "whoami"}, option);
  const std::vector<std::string> at = {"--endpoint", "127.0.0.1:1", "--ca", "x", "--cert", "x", "--key", "x"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.begin(), at.begin(), at.end());
    return words;
  };
  refused(with({"--as", "admin", "whoami"}), "--as");
  refused(with({"--as", "galenctl", "whoami"}), "--as");
  refused(with({"--node", "B", "whoami"}), "--node");
  refused(with({"node", "status", "--all"}), "--endpoint");
  refused(with({"dev", "status"}), "--endpoint");
  refused({"node", "status", "--all", "--node", "B"}, "--node");
  auto one = run_with({"dev", "status", "--node", "B"});
  EXPECT_EQ(one.code, kExitError) << "nothing runs";
  EXPECT_NE(one.out.find("\nB "), std::string::npos) << one.out;
  EXPECT_EQ(one.out.find("\nA "), std::string::npos) << one.out;
}

// A governance act: what is left aside may be what was meant.
TEST_F(VerbsTest, AProposalTakesWhatItsChangeNeedsAndNothingElse) {
  refused({"member", "propose", "rotate-key", "--paper", "p", "--member", "B"},
          "--member goes with promote, remove, pin-ca");
  refused({"member", "propose", "add", "--paper", "p", "--tls-ca", "c"}, "--tls-ca goes with pin-ca");
  for (const char* change : {"promote", "remove"}) {
    refused({"member", "propose", change, "--member", a, "--paper", "p"}, "--paper goes with add, rotate-key");
    refused({"member", "propose", change, "--member", a, "--tls-ca", "c"}, "--tls-ca goes with pin-ca");
  }
  refused({"member", "propose", "pin-ca", "--member", a, "--tls-ca", "c", "--paper", "p"}, "--paper");
  refused({"member", "proof", "rotation", "--consensus-key", "k", "--out", dir.path() + "/o", "--member", "B", "--name",
           "B"},
          "--name");
  refused({"member", "proof", "admission", "--consensus-key", "k", "--out", dir.path() + "/o", "--member", "B"},
          "--member");
}

TEST_F(VerbsTest, WholeIsNeverRaw) {
  auto file = dir.write("r.json", R"({"resourceType":"Basic","id":"1"})");
  refused({"record", "canonical", "--whole", "--method", "raw", file}, "--whole");
  EXPECT_EQ(run_with({"record", "canonical", "--whole", "--method", "jcs", file}).code, kExitOk);
  EXPECT_EQ(run_with({"record", "canonical", "--whole", file}).code, kExitOk);
}

TEST_F(VerbsTest, ANameThatIsNotKeptIsTold) {
  TlsNode node(*layout);
  auto none = dir.write("none.json", R"({"resourceType":"Basic","id":"1","id":"2"})");
  auto ran = run_with({"record", "import", "--subject-name", "anna", none});
  EXPECT_NE(ran.err.find("the name anna is not kept: no patients were met"), std::string::npos) << ran.err;
  EXPECT_FALSE(file_exists(layout->patient_path("anna")));
}

// The answer is lost, the write may not be: whoever was given no id to ask by would have to guess.
TEST_F(VerbsTest, AWriteWithoutAnAnswerCanBeAskedFor) {
  TlsNode node(*layout);
  const auto file = dir.write("r.json", R"({"resourceType":"Basic","id":"1"})");
  const std::vector<std::pair<std::vector<std::string>, std::string>> writes = {
      {{"record", "status", "entered-in-error", "--pointer", a}, ""},
      {{"record", "anchor", file}, ""},
      {{"patient", "register"}, ""},
      {{"decide", "--patient", a, "--purpose", "TREAT"}, ""},
      {{"member", "register-service", a}, " --as admin"},
  };
  for (const auto& [words, as] : writes) {
    for (const char* reason : {"NO_QUORUM", "SHUTTING_DOWN", "CANCELLED", "DEADLINE_EXCEEDED"}) {
      node.lost = reason;
      auto ran = run_with(words);
      EXPECT_EQ(ran.code, exit_code_of(error_code_from_reason(reason)));
      const auto id = to_hex(as_bytes(node.request_id));
      const auto ask = "galenctl tx get --request-id " + id + as;
      EXPECT_NE(ran.err.find("request_id " + id + "\n"), std::string::npos) << ran.err;
      EXPECT_NE(ran.err.find(ask + "\n"), std::string::npos) << ran.err;

      auto with_json = words;
      with_json.insert(with_json.begin(), "--json");
      auto json = run_with(with_json);
      const auto again = to_hex(as_bytes(node.request_id));
      EXPECT_NE(json.err.find("\"request_id\":\"" + again + "\",\"ask\":\"galenctl tx get --request-id " + again + as),
                std::string::npos)
          << json.err;
    }
    // A rule said no: nothing is open.
    node.lost = "PERMISSION_DENIED";
    EXPECT_EQ(run_with(words).err.find("tx get"), std::string::npos);
  }
  node.lost = "NO_QUORUM";
  auto only_asked = run_with({"record", "anchor", file, "--validate-only"});
  EXPECT_EQ(only_asked.code, kExitWaiting);
  EXPECT_EQ(only_asked.err.find("tx get"), std::string::npos) << only_asked.err;
}

TEST_F(VerbsTest, AnOutcomeThatIsNotKnownYetNamesTheTransaction) {
  TlsNode node(*layout);
  node.state = v1::TRANSACTION_STATE_UNKNOWN;
  auto ran = run_with({"--json", "record", "status", "entered-in-error", "--pointer", a});
  EXPECT_EQ(ran.code, kExitWaiting);
  EXPECT_NE(ran.err.find("\"transaction_id\":\"7474"), std::string::npos) << ran.err;
  // Every replica refused it: that is what became of it, whatever is to be waited for.
  node.state = v1::TRANSACTION_STATE_REJECTED;
  node.rejected_as = "MEMBERS_CHANGE_PENDING";
  auto no = run_with({"record", "status", "entered-in-error", "--pointer", a});
  EXPECT_EQ(no.code, kExitWaiting);
  EXPECT_EQ(no.err.find("tx get"), std::string::npos) << no.err;
}

// docs/operations.md, Exit codes.
TEST_F(VerbsTest, TheFateOfATransactionIsAnExitCode) {
  TlsNode node(*layout);
  for (const auto& [state, code] : {std::pair(v1::TRANSACTION_STATE_COMMITTED, kExitOk),
                                    {v1::TRANSACTION_STATE_REJECTED, kExitRefused},
                                    {v1::TRANSACTION_STATE_EXPIRED, kExitRefused},
                                    {v1::TRANSACTION_STATE_UNKNOWN, kExitWaiting}}) {
    node.state = state;
    EXPECT_EQ(run_with({"tx", "get", "--tx", a}).code, code) << v1::TransactionState_Name(state);
  }
}

TEST_F(VerbsTest, AConsentNamesAMemberThatJoinedLaterByItsId) {
  TlsNode node(*layout);
  const auto key = dir.path() + "/anna.pem";
  ASSERT_EQ(run_with({"patient", "keygen", "--out", key}).code, kExitOk);
  auto grant = [&](const std::string& to, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"consent", "grant", "--patient", a, "--key", key, "--to", to, "--purpose", "TREAT"});
    return more;
  };
  auto ran = run_with(grant(b, {"--until", "24h"}));
  ASSERT_EQ(ran.code, kExitOk) << ran.err;
  ASSERT_TRUE(node.submitted);
  const auto consent = node.submitted->operations().front().grant_consent();
  EXPECT_EQ(consent.grantee(), std::string(32, '\xbb'));
  EXPECT_NE(consent.not_after_ms(), 0u);
  ASSERT_EQ(run_with(grant("B")).code, kExitOk);
  const auto to_b = PrincipalId::from(node.submitted->operations().front().grant_consent().grantee());
  ASSERT_TRUE(to_b);
  EXPECT_EQ(member_name(node.genesis, *to_b), "B");
  auto nobody = run_with(grant("Z"));
  EXPECT_EQ(nobody.code, kExitError);
  EXPECT_NE(nobody.err.find("one that joined later is named by its id"), std::string::npos) << nobody.err;

  node.submitted.reset();
  // 0 would be a consent without end.
  for (const char* until : {"1970-01-01", "0s", "2020-02-29T12:00:00Z"})
    refused(grant("B", {"--until", until}), "past already");
  EXPECT_FALSE(node.submitted);

  node.lost = "NO_QUORUM";
  auto open = run_with(grant("B"));
  EXPECT_EQ(open.code, kExitWaiting);
  const auto ask = "galenctl tx get --tx " + node.submitted->id().hex() + " --valid-until " +
                   std::to_string(node.submitted->valid_until_ms());
  EXPECT_NE(open.err.find(ask), std::string::npos) << open.err;
  EXPECT_NE(open.err.find("request_id " + node.submitted->request_id().hex()), std::string::npos) << open.err;
}

TEST_F(VerbsTest, WhatWouldBeLeftAsideIsRefused) {
  refused({"tx", "get", "--tx", a, "--author", b}, "--author goes with --request-id");
  refused({"receipt", "get", "--tx", a, "--author", b}, "--author goes with --request-id");
  for (const char* verb : {"get", "history"})
    refused({"record", verb, "--pointer", a, "--system", "urn:x"}, "--system");
  refused({"patient", "register", "--system", "urn:x"}, "--source");
  refused({"events", "--heartbeats"}, "--heartbeats goes with --json");
}

TEST_F(VerbsTest, AHistoryThatMayBeCutOffSaysSo) {
  TlsNode node(*layout);
  node.versions = 999;
  auto whole = run_with({"record", "history", "--pointer", a});
  ASSERT_EQ(whole.code, kExitOk) << whole.err;
  EXPECT_EQ(whole.out.find("there may be more"), std::string::npos);
  auto json = run_with({"--json", "record", "history", "--pointer", a});
  EXPECT_NE(json.out.find("\"truncated\":false"), std::string::npos);
  EXPECT_NE(json.out.find("\"retention\":\"HIPAA_6Y\""), std::string::npos);
  node.versions = 1000;
  EXPECT_NE(run_with({"record", "history", "--pointer", a}).out.find("there may be more"), std::string::npos);
  json = run_with({"--json", "record", "history", "--pointer", a});
  EXPECT_NE(json.out.find("\"truncated\":true"), std::string::npos);
}

TEST_F(VerbsTest, AnEventHasItsDetailInFields) {
  TlsNode node(*layout);
  node.event.set_type(v1::EVENT_TYPE_CONSENT_GRANTED);
  auto& consent = *node.event.mutable_detail()->mutable_consent_granted();
  consent.set_consent_id(std::string(32, '\xaa'));
  consent.set_grantee(std::string(32, '\xbb'));
  consent.set_purposes(*parse_purposes("TREAT,HPAYMT"));
  consent.set_not_after_ms(7);
  auto ran = run_with({"--json", "events", "--member", b});
  ASSERT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_EQ(node.followed.member(), std::string(32, '\xbb'));
  EXPECT_NE(ran.out.find("\"detail\":{\"consent_id\":\"" + a + "\",\"patient\":\"\",\"grantee\":\"" + b +
                         R"(","purposes":"HPAYMT,TREAT","not_before_ms":0,"not_after_ms":7})"),
            std::string::npos)
      << ran.out;
}

}  // namespace
}  // namespace galen::galenctl
