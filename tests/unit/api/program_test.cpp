// galend-api as galend starts it: a child process with one end of a socketpair.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "api/seatbelts.hpp"
#include "front_end.hpp"
#include "galen/socket/method.hpp"

extern char** environ;

namespace galen::api::test {
namespace {

// The names a reflection client sees; empty if the server has no reflection. The request {list_services: "*"} and the
// answer are read by hand, since Debian does not ship the protos of reflection.
std::set<std::string> reflected_services(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::CompletionQueue queue;
  auto stream = stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  auto wait = [&] { return queue.Next(&tag, &ok) && ok; };
  stream->StartCall(nullptr);
  wait();
  grpc::Slice slice(std::string("\x3a\x01*"));
  stream->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
  wait();
  grpc::ByteBuffer answer;
  stream->Read(&answer, nullptr);
  std::set<std::string> names;
  if (wait()) {
    std::vector<grpc::Slice> slices;
    answer.Dump(&slices).ok();
    std::string text;
    for (const auto& part : slices) text.append(reinterpret_cast<const char*>(part.begin()), part.size());
    for (const auto& info : socket::kMethods)
      if (text.find(info.service) != std::string::npos) names.emplace(info.service);
  }
  return names;
}

class ProgramTest : public testing::Test {
 protected:
  ~ProgramTest() override {
    node_.reset();
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  std::vector<std::string> arguments(const std::string& listen = "127.0.0.1:0") const {
    return {"--listen", listen, "--cert", pki_.path("server.pem"), "--key", pki_.path("server.key"), "--client-ca",
            pki_.path("ca.pem"), "--log-level", "error"};
  }
  void spawn(std::vector<std::string> words) {
    auto pair = socket::make_socket_pair();
    ASSERT_TRUE(pair);
    words.insert(words.begin(), GALEND_API_PROGRAM);
    words.insert(words.end(), {"--node-fd", "3"});
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair->second, 3);
    ASSERT_EQ(posix_spawn(&pid_, GALEND_API_PROGRAM, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pair->second);
    node_ = std::make_unique<FakeNode>(pair->first);
  }
  int wait_exit() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  Pki pki_;
  pid_t pid_ = -1;
  std::unique_ptr<FakeNode> node_;
};

TEST_F(ProgramTest, TellsWhereItServesAndEndsWithTheNode) {
  spawn(arguments());
  const auto hello = node_->wait_hello();
  ASSERT_EQ(hello.listening_size(), 1);
  EXPECT_NE(hello.listening(0), "127.0.0.1:0");
  EXPECT_FALSE(hello.build().empty());
  node_->close();
  EXPECT_EQ(wait_exit(), 0);
}

TEST_F(ProgramTest, EndsOnSigterm) {
  spawn(arguments());
  node_->wait_hello();
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(wait_exit(), 0);
}

TEST_F(ProgramTest, ATakenPortIsAnError) {
  spawn(arguments());
  const auto taken = node_->wait_hello().listening(0);
  const auto first = std::exchange(pid_, -1);
  const auto first_node = std::move(node_);
  spawn(arguments(taken));
  EXPECT_EQ(wait_exit(), 1);
  ::kill(first, SIGKILL);
  ::waitpid(first, nullptr, 0);
}

TEST_F(ProgramTest, MissingOrWrongFlagsAreUsageErrors) {
  spawn({"--listen", "127.0.0.1:0"});
  EXPECT_EQ(wait_exit(), 2);
  auto words = arguments();
  words.push_back("--no-such-flag");
  spawn(words);
  EXPECT_EQ(wait_exit(), 2);
}

TEST_F(ProgramTest, AMissingCertificateIsAnError) {
  auto words = arguments();
  words[3] = pki_.path("nothing.pem");
  spawn(words);
  EXPECT_EQ(wait_exit(), 1);
}

TEST(SeatbeltsTest, TheWatchdogEndsAProcessAboveItsLimit) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  ASSERT_EXIT(
      {
        start_memory_watchdog(1);
        ::pause();
      },
      testing::ExitedWithCode(kMemoryExit), "");
}

TEST(SeatbeltsTest, ResidentMemoryIsMeasured) {
  const auto before = resident_bytes();
  ASSERT_TRUE(before);
  std::string large(64 * 1024 * 1024, 'x');
  const auto after = resident_bytes();
  ASSERT_TRUE(after);
  EXPECT_GE(*after, *before + large.size() / 2);
}

TEST_F(ProgramTest, ReflectionCanBeSwitchedOff) {
  for (const bool on : {true, false}) {
    auto words = arguments();
    words.push_back(on ? "--reflection" : "--no-reflection");
    spawn(words);
    const auto address = node_->wait_hello().listening(0);
    PrincipalId principal;
    principal.data.fill(1);
    const auto client = pki_.issue("client", principal);
    const auto channel = grpc::CreateChannel(
        "localhost" + address.substr(address.rfind(':')),
        grpc::SslCredentials(
            {.pem_root_certs = pki_.ca(), .pem_private_key = client.key, .pem_cert_chain = client.certificate}));
    EXPECT_EQ(reflected_services(channel).contains("galen.v1.RecordService"), on);
    node_->close();
    EXPECT_EQ(wait_exit(), 0);
  }
}

}  // namespace
}  // namespace galen::api::test
