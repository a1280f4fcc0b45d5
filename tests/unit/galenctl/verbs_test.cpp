// Verbs that write, from the command line to the request a node gets; and options that cannot apply, which are told.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <sstream>

#include "galen/types/json.hpp"
#include "galen/v1/patient_service.grpc.pb.h"
#include "galen/v1/record_service.grpc.pb.h"
#include "galenctl/app.hpp"
#include "galenctl/dev_make.hpp"
#include "galenctl/files.hpp"
#include "galenctl/output.hpp"
#include "temp_dir.hpp"

namespace galen::galenctl {
namespace {

/// At the API address of a consortium's first node, with that node's certificates.
class TlsNode final : public v1::PatientService::Service, public v1::RecordService::Service {
 public:
  explicit TlsNode(const DevLayout& layout) {
    const auto keys = layout.node_dir(layout.nodes[0]) + "/keys/";
    grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = *read_text_file(keys + "client-ca.pem");
    tls.pem_key_cert_pairs = {{*read_text_file(keys + "api.key"), *read_text_file(keys + "api.pem")}};
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(layout.nodes[0].api_port), grpc::SslServerCredentials(tls));
    builder.RegisterService(static_cast<v1::PatientService::Service*>(this));
    builder.RegisterService(static_cast<v1::RecordService::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~TlsNode() override { server_->Shutdown(std::chrono::system_clock::now()); }

  v1::SetRecordStatusRequest status_set;
  v1::RegisterServiceRequest service;
  std::string caller;  ///< of the last call: the certificate's common name
  v1::TransactionState state = v1::TRANSACTION_STATE_COMMITTED;
  std::string pseudonym = std::string(32, 'p');
  bool known = false;

 private:
  void fill(const grpc::ServerContext* context, v1::TransactionOutcome& outcome) {
    auto names = context->auth_context()->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
    caller = names.empty() ? "" : std::string(names[0].data(), names[0].size());
    outcome.set_state(state);
    outcome.set_height(1234);
    outcome.set_reason(state == v1::TRANSACTION_STATE_REJECTED ? "RECORD_NOT_CURRENT" : "");
    outcome.set_transaction_id(std::string(32, 't'));
  }
  grpc::Status SetRecordStatus(grpc::ServerContext* context, const v1::SetRecordStatusRequest* request,
                               v1::SetRecordStatusResponse* response) override {
    status_set = *request;
    fill(context, *response->mutable_outcome());
    return grpc::Status::OK;
  }
  grpc::Status RegisterService(grpc::ServerContext* context, const v1::RegisterServiceRequest* request,
                               v1::RegisterServiceResponse* response) override {
    service = *request;
    fill(context, *response->mutable_outcome());
    return grpc::Status::OK;
  }
  grpc::Status RegisterPatient(grpc::ServerContext* context, const v1::RegisterPatientRequest*,
                               v1::RegisterPatientResponse* response) override {
    fill(context, *response->mutable_outcome());
    response->set_pseudonym(pseudonym);
    response->set_already_registered(known);
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

}  // namespace
}  // namespace galen::galenctl
