// The supervision of the front end, with real processes that are none: what they inherit, that another follows one that
// ends, and that stop() leaves nothing running.
#include "galen/node/front_end.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

namespace galen::node {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class FrontEndTest : public testing::Test {
 protected:
  FrontEndTest() {
    std::string pattern = (fs::temp_directory_path() / "galen-front-end-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  ~FrontEndTest() override { fs::remove_all(dir_); }

  /// A front end that is a shell script; $out is a file of its own.
  FrontEnd script(const std::string& text) {
    return FrontEnd(
        {.program = "/bin/sh",
         .arguments = {"-c", "out=" + file() + "; " + text},
         .write_credits = 1,
         .read_credits = 1},
        {.on_call = [](galen::node::v1::Call&&) {}, .on_cancel = [](std::uint64_t) {}, .on_gone = [this] { ++gone_; }});
  }
  std::string file() const { return (dir_ / "out").string(); }
  std::vector<std::string> lines() const {
    std::ifstream in(file());
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  /// The whole frames in the file: what each call heard.
  std::map<std::uint64_t, ErrorCode> replies() const {
    std::ifstream in(file(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    std::map<std::uint64_t, ErrorCode> out;
    for (std::size_t at = 0; at + 5 <= bytes.size();) {
      std::size_t length = 0;
      for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<std::uint8_t>(bytes[at + i]);
      if (at + 4 + length > bytes.size()) break;
      galen::node::v1::Reply reply;
      const bool is_reply = bytes[at + 4] == static_cast<char>(socket::FrameType::reply);
      if (is_reply && reply.ParseFromArray(bytes.data() + at + 5, static_cast<int>(length - 1)))
        out[reply.call_id()] = static_cast<ErrorCode>(reply.code());
      at += 4 + length;
    }
    return out;
  }
  /// Only a broken build waits long.
  bool wait_for_lines(std::size_t count) const {
    for (auto until = std::chrono::steady_clock::now() + 30s; std::chrono::steady_clock::now() < until;) {
      if (lines().size() >= count) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  static void wait_until_up(const FrontEnd& front_end) {
    for (const auto until = std::chrono::steady_clock::now() + 30s; std::chrono::steady_clock::now() < until;) {
      if (front_end.up()) return;
      std::this_thread::sleep_for(10ms);
    }
    ADD_FAILURE() << "no hello";
  }
  /// The versions 1 to 1.
  static constexpr const char* kHelloScript = "printf '\\0\\0\\0\\5\\1\\10\\1\\20\\1' >&3; ";
  fs::path dir_;
  std::atomic<int> gone_{0};
};

TEST_F(FrontEndTest, AnotherFollowsOneThatEnds) {
  auto front_end = script("echo $$ >> $out");
  front_end.start();
  ASSERT_TRUE(wait_for_lines(3));
  front_end.stop();
  auto pids = lines();
  EXPECT_NE(pids[0], pids[1]);
  EXPECT_FALSE(front_end.up()) << "none of them ever said hello";
  EXPECT_GE(gone_, 3) << "each that ends is told";
}

TEST_F(FrontEndTest, ItInheritsTheSocketAndNothingElse) {
  auto front_end = script(
      // The descriptor that reads the directory is in the list and gone when the loop begins.
      "for f in /proc/$$/fd/*; do [ -e $f ] && echo ${f##*/}; done > $out.new; echo end >> $out.new; mv $out.new $out; "
      "exec sleep 1000");
  std::ifstream of_ours("/proc/self/status");  // an open file that is not marked close-on-exec by everybody
  front_end.start();
  ASSERT_TRUE(wait_for_lines(2));
  front_end.stop();
  std::vector<std::string> inherited;
  for (const auto& line : lines())
    if (line != "0" && line != "1" && line != "2" && line != "end") inherited.push_back(line);
  // The shell has one descriptor of its own for `> $out.new`, at 10 or above.
  std::erase_if(inherited, [](const std::string& fd) { return fd.size() > 1; });
  EXPECT_EQ(inherited, std::vector<std::string>{"3"});
}

TEST_F(FrontEndTest, StopEndsOneThatListensToNobody) {
  auto front_end = script("trap '' TERM; echo $$ >> $out; while :; do sleep 1; done");
  front_end.start();
  ASSERT_TRUE(wait_for_lines(1));
  front_end.stop();
  EXPECT_EQ(::kill(std::stoi(lines()[0]), 0), -1) << "it still runs";
  front_end.stop();  // again: nothing to do
}

// A front end that is slow for a moment: too much is on its way to it, and still every call hears something.
TEST_F(FrontEndTest, AnAnswerThatFindsNoRoomIsRefused) {
  constexpr std::uint64_t kCalls = 20;
  auto front_end =
      script(std::string(kHelloScript) + "while [ ! -e $out.go ]; do sleep 0.05; done; exec cat <&3 > $out");
  front_end.start();
  wait_until_up(front_end);
  galen::node::v1::Reply large;
  large.set_response(std::string(8u << 20, 'x'));
  for (std::uint64_t id = 1; id <= kCalls; ++id) {
    large.set_call_id(id);
    front_end.reply(large);
  }
  std::ofstream(file() + ".go") << "go";
  std::map<std::uint64_t, ErrorCode> heard;
  for (const auto until = std::chrono::steady_clock::now() + 30s; std::chrono::steady_clock::now() < until;) {
    heard = replies();
    if (heard.size() == kCalls) break;
    std::this_thread::sleep_for(200ms);
  }
  front_end.stop();
  ASSERT_EQ(heard.size(), kCalls);
  EXPECT_EQ(heard.at(1), ErrorCode::OK);
  EXPECT_EQ(heard.at(kCalls), ErrorCode::RESOURCE_EXHAUSTED);
}

TEST_F(FrontEndTest, WhatWasRepliedArrivesBeforeTheEnd) {
  constexpr std::uint64_t kCalls = 5;
  auto front_end = script(std::string(kHelloScript) + "sleep 0.1; exec cat <&3 > $out");
  front_end.start();
  wait_until_up(front_end);
  galen::node::v1::Reply reply;
  reply.set_response(std::string(1u << 20, 'x'));
  for (std::uint64_t id = 1; id <= kCalls; ++id) {
    reply.set_call_id(id);
    front_end.reply(reply);
  }
  front_end.stop();
  EXPECT_EQ(replies().size(), kCalls);
}

TEST_F(FrontEndTest, AProgramThatIsNotThereIsTriedAgainUntilStopped) {
  FrontEnd front_end({.program = (dir_ / "missing").string(), .arguments = {}, .write_credits = 1, .read_credits = 1},
                     {.on_call = [](galen::node::v1::Call&&) {}, .on_cancel = [](std::uint64_t) {}});
  front_end.start();
  front_end.reply({});  // to nobody
  front_end.stop();
  EXPECT_FALSE(front_end.up());
}

}  // namespace
}  // namespace galen::node
