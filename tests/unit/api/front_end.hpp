// A whole front end in the test's process: the real server with real certificates and sockets, and a fake node behind the
// socketpair whose answers the test gives. Clients are stock gRPC.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

#include "api/server.hpp"
#include "galen/crypto/x509.hpp"

namespace galen::api::test {

inline constexpr auto kPatience = std::chrono::seconds(30);  // only how long a broken build may hang

/// A key with its certificate, PEM.
struct Identity {
  std::string certificate, key;
};

/// A directory of its own with a member's CA and what it signed; removed at the end.
class Pki {
 public:
  Pki();
  ~Pki();
  Identity issue(const std::string& name, std::optional<PrincipalId> principal, std::int64_t not_before_s = 0,
                 std::int64_t not_after_s = 0) const;
  void write(const std::string& name, const std::string& text) const;
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  const std::string& ca() const { return ca_; }

 private:
  std::filesystem::path dir_;
  crypto::PrivateKey ca_key_;
  std::string ca_;
};

/// The node's end of the channel. Calls wait in a queue until the test takes them, unless `answer` is set.
class FakeNode {
 public:
  using Answer = std::function<std::optional<galen::node::v1::Reply>(const galen::node::v1::Call&)>;
  explicit FakeNode(int fd, std::uint32_t write_credits = 100, std::uint32_t read_credits = 100, Answer answer = {});

  galen::node::v1::Call next_call();
  std::uint64_t next_cancel();
  void reply(std::uint64_t call_id, const std::string& response);
  void fail(std::uint64_t call_id, ErrorCode code, const std::string& message, std::uint32_t retry_after_ms = 0,
            std::map<std::string, std::string> details = {});
  void close() { channel_->close(); }
  galen::node::v1::Hello wait_hello();

 private:
  template <class T>
  T take(std::deque<T>& queue, const char* what);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<galen::node::v1::Call> calls_;
  std::deque<std::uint64_t> cancels_;
  std::deque<galen::node::v1::Hello> hellos_;
  Answer answer_;
  std::unique_ptr<socket::Channel> channel_;
};

struct CallResult {
  grpc::Status status;
  std::string response;
  std::multimap<std::string, std::string> trailers;
};

class FrontEndTest : public testing::Test {
 protected:
  FrontEndTest();
  ~FrontEndTest() override;

  /// Starts server and node; call first. Options may be changed before.
  void start(FakeNode::Answer answer = {}, std::uint32_t write_credits = 100, std::uint32_t read_credits = 100);
  std::shared_ptr<grpc::Channel> connect(const Identity& identity) const;
  /// One unary call by name with raw bytes, blocking.
  static CallResult call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                         const std::string& request = "", grpc::ClientContext* context = nullptr);
  int port() const;

  Pki pki_;
  PrincipalId principal_;
  Identity client_;
  ServerOptions options_;
  std::unique_ptr<FakeNode> node_;
  std::unique_ptr<Server> server_;
  std::mutex closed_mutex_;
  std::condition_variable closed_changed_;
  bool closed_ = false;
};

}  // namespace galen::api::test
