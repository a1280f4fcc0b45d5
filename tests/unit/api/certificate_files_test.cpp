// What the front end makes of its certificate, key and client CA: at the start, and when they change under it.
#include "api/certificate_files.hpp"

#include <sys/stat.h>

#include <ctime>

#include "front_end.hpp"

namespace galen::api::test {
namespace {

constexpr std::int64_t kDayS = 24 * 3600;

std::int64_t now_s() { return static_cast<std::int64_t>(std::time(nullptr)); }

class CertificateFilesTest : public testing::Test {
 protected:
  CertificateFiles::Paths paths() const {
    return {pki_.path("server.pem"), pki_.path("server.key"), pki_.path("ca.pem")};
  }
  void write(const Identity& identity) const {
    pki_.write("server.pem", identity.certificate);
    pki_.write("server.key", identity.key);
  }
  /// Neither at the start nor later.
  void refused(const std::string& file, const std::string& why, ErrorCode code = ErrorCode::CONFIG_INVALID) {
    const auto status = CertificateFiles(paths()).load(now_s());
    ASSERT_FALSE(status) << why;
    EXPECT_EQ(status.error().code, code);
    for (const auto& words : {pki_.path(file), why})
      EXPECT_NE(status.error().message.find(words), std::string::npos) << words << " in: " << status.error().message;
    const auto before = files_.current();
    files_.look(now_s());
    EXPECT_EQ(files_.current(), before) << why;
  }
  void SetUp() override { ASSERT_TRUE(files_.load(now_s())); }

  Pki pki_;
  Identity next_ = pki_.issue("server", std::nullopt);
  CertificateFiles files_{paths()};
};

TEST_F(CertificateFilesTest, WhatIsGoodIsTakenOnce) {
  const auto first = files_.current();
  files_.look(now_s());
  EXPECT_EQ(files_.current(), first) << "nothing has changed";
  write(next_);
  files_.look(now_s());
  EXPECT_EQ(files_.current()->certificate, next_.certificate);
  EXPECT_EQ(files_.current()->key, next_.key);
  EXPECT_EQ(files_.current()->client_ca, pki_.ca());
}

TEST_F(CertificateFilesTest, BrokenFilesAreRefusedByNameAndReason) {
  const auto good = files_.current();
  pki_.write("server.pem", "nonsense");
  refused("server.pem", "no certificate");
  pki_.write("server.pem", good->certificate.substr(0, good->certificate.size() / 2));
  refused("server.pem", "cannot be read");
  pki_.write("server.pem", "");
  refused("server.pem", "empty");
  pki_.write("server.pem", good->certificate + std::string(1, '\0'));
  refused("server.pem", "no text");
  pki_.write("server.pem", good->certificate);
  pki_.write("server.key", good->certificate);
  refused("server.key", "no private key");
  pki_.write("server.key", good->key);
  pki_.write("ca.pem", pki_.ca() + pki_.ca().substr(0, 200));
  refused("ca.pem", "certificate 2");
  std::filesystem::remove(pki_.path("ca.pem"));
  refused("ca.pem", "cannot be read");
  pki_.write("ca.pem", pki_.ca());
  write(next_);
  files_.look(now_s());
  EXPECT_EQ(files_.current()->certificate, next_.certificate);
}

TEST_F(CertificateFilesTest, AKeyThatIsAheadOfItsCertificateWaits) {
  pki_.write("server.key", next_.key);
  refused("server.key", "not the key of the certificate");
  pki_.write("server.pem", next_.certificate);
  files_.look(now_s());
  EXPECT_EQ(files_.current()->key, next_.key);
}

TEST_F(CertificateFilesTest, WhatIsOutsideItsValidityIsRefused) {
  write(pki_.issue("server", std::nullopt, now_s() - 2 * kDayS, now_s() - kDayS));
  refused("server.pem", "expired");
  const auto later = pki_.issue("server", std::nullopt, now_s() + kDayS, now_s() + 2 * kDayS);
  write(later);
  refused("server.pem", "not valid before");
  files_.look(now_s() + kDayS + 1);
  EXPECT_EQ(files_.current()->certificate, later.certificate) << "its day has come, and nothing has changed";
}

TEST_F(CertificateFilesTest, OfTheClientsCasOneMayHaveEnded) {
  const auto key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
  const auto old = crypto::make_ca_certificate(
      key,
      {.common_name = "old CA", .not_before_s = now_s() - 2 * kDayS, .not_after_s = now_s() - kDayS, .is_ca = true});
  pki_.write("ca.pem", old);
  refused("ca.pem", "expired");
  pki_.write("ca.pem", old + pki_.ca());
  files_.look(now_s());
  EXPECT_EQ(files_.current()->client_ca, old + pki_.ca());
}

TEST_F(CertificateFilesTest, AKeyThatEverybodyCanReadIsRefused) {
  write(next_);
  ::chmod(pki_.path("server.key").c_str(), 0644);
  refused("server.key", "every user", ErrorCode::KEY_FILE_READABLE);
  ::chmod(pki_.path("server.key").c_str(), 0640);
  files_.look(now_s());
  EXPECT_EQ(files_.current()->key, next_.key);
}

using ChangedFilesTest = FrontEndTest;

TEST_F(ChangedFilesTest, TheServerDoesNotStartWithAPairThatDoesNotFit) {
  pki_.write("server.key", pki_.issue("server", std::nullopt).key);
  auto pair = socket::make_socket_pair();
  ASSERT_TRUE(pair);
  const auto server = Server::start(pair->second, options_, {});
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, ErrorCode::CONFIG_INVALID);
  EXPECT_NE(server.error().message.find(pki_.path("server.key")), std::string::npos) << server.error().message;
  ::close(pair->first);
}

// The client knows only the CA that issued the certificate it is to be shown.
TEST_F(ChangedFilesTest, AChangeForTheWorseKeepsTheOldPairAndOneForTheBetterIsUsed) {
  options_.listen.push_back("127.0.0.1:0");
  start([](const auto&) -> std::optional<galen::node::v1::Reply> { return galen::node::v1::Reply{}; });
  const std::string method = "/galen.v1.NodeService/WhoAmI";
  const auto reaches = [&](const Pki& shown, const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(
        address,
        grpc::SslCredentials(
            {.pem_root_certs = shown.ca(), .pem_private_key = client_.key, .pem_cert_chain = client_.certificate}),
        arguments);
    return call(channel, method).status.error_code() != grpc::UNAVAILABLE;
  };
  for (const auto& address : server_->addresses()) ASSERT_TRUE(reaches(pki_, address));
  const Pki renewed;
  const auto next = renewed.issue("server", std::nullopt);
  pki_.write("server.key", next.key);
  std::this_thread::sleep_for(std::chrono::milliseconds(2'500));  // it looks once a second
  for (const auto& address : server_->addresses()) EXPECT_TRUE(reaches(pki_, address)) << "the key is ahead";
  pki_.write("server.pem", "nonsense");
  std::this_thread::sleep_for(std::chrono::milliseconds(2'500));
  for (const auto& address : server_->addresses()) EXPECT_TRUE(reaches(pki_, address)) << "the certificate is none";
  pki_.write("server.pem", next.certificate);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (const auto& address : server_->addresses()) {
    bool taken = false;
    while (!taken && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      taken = reaches(renewed, address);
    }
    EXPECT_TRUE(taken) << address;
    EXPECT_FALSE(reaches(pki_, address)) << "the old one is not shown any more";
  }
}

}  // namespace
}  // namespace galen::api::test
