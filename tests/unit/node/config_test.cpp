// node.toml: what is wrong is named with file, line, key and what to write instead.
#include "galen/node/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace galen::node {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = (fs::temp_directory_path() / "galen-config-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  ~ConfigTest() override { fs::remove_all(dir_); }
  std::string path() const { return (dir_ / "node.toml").string(); }
  Result<Config> load(const std::string& text) {
    std::ofstream(path()) << text;
    return load_config(path());
  }
  void refused(const std::string& text, const std::vector<std::string>& words) {
    auto config = load(text);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, ErrorCode::CONFIG_INVALID);
    for (const auto& word : words)
      EXPECT_NE(config.error().message.find(word), std::string::npos) << word << " in: " << config.error().message;
  }
  /// The example that operators begin with.
  static std::string example() {
    std::ifstream file(GALEN_SOURCE_DIR "/config/node.example.toml");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string changed(const std::string& from, const std::string& to) {
    auto text = example();
    auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  }
  fs::path dir_;
};

TEST_F(ConfigTest, TheExampleLoads) {
  auto config = load(example());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->member.empty());
  EXPECT_FALSE(config->peers.addresses.empty());
  EXPECT_EQ(config->path, path());
}

TEST_F(ConfigTest, RelativePathsAreRelativeToTheFile) {
  auto text = example();
  auto config = load(text);
  ASSERT_TRUE(config);
  for (const auto& file : {config->genesis, config->data_dir, config->keys.consensus, config->keys.tls_cert,
                           config->keys.master, config->api.client_ca})
    EXPECT_TRUE(fs::path(file).is_absolute()) << file;
  EXPECT_TRUE(config->peers.cas.empty());
  config = load(text + "\n[peers.cas]\nB = \"b.pem\"\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->peers.cas.at("B"), (dir_ / "b.pem").string());
}

TEST_F(ConfigTest, AnUnknownKeyIsToldItsLineAndTheNearestOne) {
  refused("membre = \"A\"\n" + example(), {path() + ":1:", "unknown key \"membre\"", "did you mean \"member\""});
  refused(example() + "\n[limits2]\nx = 1\n", {"unknown key \"limits2.x\""});
}

TEST_F(ConfigTest, WrongKindsAreTold) {
  refused("member = 5\n", {path() + ":1:", "member must be"});
  refused("member = \"A\"\n[api]\nenabled = \"yes\"\n", {path() + ":3:", "api.enabled must be"});
  refused("[limits]\nopen_writes_max = -1\n", {path() + ":2:", "limits.open_writes_max must be"});
  refused("[peers]\naddresses = 3\n", {path() + ":2:", "table"});
  refused("[peers]\ncas = 3\n", {path() + ":2:", "table"});
  refused(example() + "\n[peers.cas]\nB = 5\n", {"peers.cas.B must be the path"});
}

TEST_F(ConfigTest, NumbersHaveTheirRanges) {
  struct Case {
    const char* key;
    std::int64_t min, max;
  };
  for (const auto& [key, min, max] : {Case{"api.memory_mib_max", 64, 1'048'576},
                                      {"limits.open_writes_max", 1, 20'000},
                                      {"limits.open_reads_max", 1, 4'000},
                                      {"limits.peer_mib_per_second_max", 0, 65'536},
                                      {"limits.log_segment_mib", 1, 4'096},
                                      {"limits.block_cache_mib", 0, 1'048'576},
                                      {"scrub.period_s", 0, 31'622'400},
                                      {"sync.snapshot_interval_blocks", 0, 1'000'000'000},
                                      {"sync.join_behind_blocks", 0, 1'000'000'000}}) {
    const auto allowed =
        std::string(key) + " must be a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    for (auto value : {min - 1, max + 1})
      refused(std::string(key) + " = " + std::to_string(value) + "\n", {path() + ":1:", allowed});
    // What is in the range is not what is wrong with this file.
    for (auto value : {min, max})
      refused(std::string(key) + " = " + std::to_string(value) + "\n", {"the key \"member\" is missing"});
  }
}

TEST_F(ConfigTest, AddressesAreHostAndPort) {
  struct Place {
    std::string key, line;
  };
  for (const auto& [key, line] : {Place{"peers.listen", "listen = \"0.0.0.0:7400\""},
                                  {"peers.addresses.B", "B = \"galen.hospital-b.example:7400\""},
                                  {"api.listen", "listen = \"127.0.0.1:7401\""}}) {
    const auto with = [&, name = line.substr(0, line.find(' '))](const std::string& address) {
      return changed(line, name + " = \"" + address + "\"");
    };
    const auto before = example().substr(0, example().find(line));
    const auto place = path() + ":" + std::to_string(1 + std::count(before.begin(), before.end(), '\n')) + ": " + key;
    for (const char* port : {":70000", ":65536", ":", ":http", ":-1", ""})
      refused(with(std::string("127.0.0.1") + port), {place, "port"});
    refused(with("127.0.0.1:0"), {place, "port 0"});
    refused(with("::1:7400"), {place, "[::1]:port"});
    for (const char* fine : {"127.0.0.1:65535", "[::1]:1", "localhost:7400"}) {
      auto config = load(with(fine));
      EXPECT_TRUE(config) << key << " " << fine << ": " << config.error().message;
    }
  }
  refused(changed("galen.hospital-b.example:7400", ":7400"), {"peers.addresses.B", "host is missing"});
  EXPECT_TRUE(load(changed("listen = \"0.0.0.0:7400\"", "listen = \":7400\""))) << "every address of this host";
  auto off = changed("# enabled = true", "enabled = false");
  off.replace(off.find("127.0.0.1:7401"), 14, "");
  EXPECT_TRUE(load(off)) << "nobody listens there";
}

TEST_F(ConfigTest, WhatIsMissingIsNamed) {
  refused("", {"is missing"});
  refused("log_level = \"info\"\n", {"the key \"", "is missing"});
}

TEST_F(ConfigTest, BrokenTomlIsToldItsLine) { refused("member = \"A\"\nmember = \"B\"\n", {path() + ":2:"}); }

// Of some of these the library's tables say nothing.
TEST_F(ConfigTest, CharactersOfOtherScriptsAreToldTheirLineOrStandInStrings) {
  for (const char* text :
       {"\nhh\u00e9 = 1\n", "\nhh\xEF\xBA\xBF\xEF\xBB\xBF", "\na = 1 \u2010\n", "\nmember = \u0410\n"})
    refused(text, {path() + ":2:"});
  refused("\xEF\xBB\xBFmember = \"Spital Z\u00fcrich \u2010\" # \u00e9 '\xEF\xBA\xBF\n", {"is missing"});
}

TEST_F(ConfigTest, EverySettingSaysWhereItComesFrom) {
  std::ofstream(path()) << example();
  auto values = explain_config(path());
  ASSERT_TRUE(values) << values.error().message;
  bool from_file = false, from_default = false;
  for (const auto& value : *values) {
    EXPECT_FALSE(value.key.empty());
    from_file = from_file || value.source.starts_with(path() + ":");
    from_default = from_default || value.source == "default";
  }
  EXPECT_TRUE(from_file && from_default);
}

}  // namespace
}  // namespace galen::node
