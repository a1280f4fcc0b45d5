// What a node asks of its TLS certificate and of its front end's key before it uses them.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "galen/crypto/x509.hpp"
#include "galen/node/node.hpp"
#include "node/mesh_options.hpp"

namespace galen::node {
namespace {

constexpr std::int64_t kBegin = 1'800'000'000, kEnd = 1'900'000'000;

class OwnFilesTest : public testing::Test {
 protected:
  OwnFilesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-own-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    config_.path = dir_ + "/node.toml";
    config_.genesis = dir_ + "/genesis.json";
  }
  ~OwnFilesTest() override { std::filesystem::remove_all(dir_); }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }
  std::string dir_;
  Config config_;
};

TEST_F(OwnFilesTest, ARenewalMustBeValidNow) {
  const auto key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
  config_.keys.tls_cert = file(
      "tls.pem", crypto::make_ca_certificate(key, {.common_name = "A", .not_before_s = kBegin, .not_after_s = kEnd}));
  EXPECT_TRUE(check_renewal(config_, kBegin));
  EXPECT_TRUE(check_renewal(config_, kEnd));
  for (const auto now_s : {kBegin - 1, kEnd + 1}) {
    const auto status = check_renewal(config_, now_s);
    ASSERT_FALSE(status) << now_s;
    EXPECT_EQ(status.error().code, ErrorCode::CONFIG_INVALID);
    for (const char* words :
         {config_.keys.tls_cert.c_str(), now_s < kBegin ? "2027-01-15T08:00:00Z" : "2030-03-17T17:46:40Z"})
      EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
  }
}

TEST_F(OwnFilesTest, AKeyOfTheFrontEndThatEverybodyCanReadIsRefused) {
  config_.api.key = file("api.key", "a key");
  const auto code = [&](mode_t mode) {
    ::chmod(config_.api.key.c_str(), mode);
    auto node = Node::make(config_);
    EXPECT_FALSE(node) << "there is no genesis";
    return node ? ErrorCode::OK : node.error().code;
  };
  EXPECT_EQ(code(0644), ErrorCode::KEY_FILE_READABLE);
  EXPECT_NE(code(0640), ErrorCode::KEY_FILE_READABLE);
  config_.api.enabled = false;
  EXPECT_NE(code(0644), ErrorCode::KEY_FILE_READABLE) << "nobody uses it";
}

}  // namespace
}  // namespace galen::node
