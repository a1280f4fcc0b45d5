#include "front_end.hpp"

#include <fmt/format.h>

#include <fstream>
#include <future>

#include "galen/base/log.hpp"

// Under asan: Debian's c-ares, which gRPC resolves names with, keeps a few bytes for the life of the process.
extern "C" const char* __lsan_default_suppressions();  // NOLINT: the sanitizer's name
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares"; }

namespace galen::api::test {

using galen::node::v1::Call;
using galen::node::v1::Cancel;
using galen::node::v1::Hello;
using galen::node::v1::Reply;

namespace {
// Before any test touches gRPC; the clients of the test live with the same setting, TLS 1.3 only.
const bool kPrepared = (prepare_grpc(), true);

std::filesystem::path make_directory() {
  auto name = (std::filesystem::temp_directory_path() / "galen-api-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  return name;
}

PrincipalId filled(std::uint8_t byte) {
  PrincipalId id;
  id.data.fill(byte);
  return id;
}
}  // namespace

Pki::Pki() : dir_(make_directory()), ca_key_(crypto::PrivateKey::generate(crypto::Suite::p256_sha256)) {
  ca_ = crypto::make_ca_certificate(ca_key_, {.common_name = "test CA", .is_ca = true});
  const auto server = issue("server", std::nullopt);
  write("ca.pem", ca_);
  write("server.pem", server.certificate);
  write("server.key", server.key);
}

Pki::~Pki() { std::filesystem::remove_all(dir_); }

Identity Pki::issue(const std::string& name, std::optional<PrincipalId> principal, std::int64_t not_before_s,
                    std::int64_t not_after_s) const {
  const auto key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
  return {crypto::make_certificate(key.public_key(),
                                   {.common_name = name,
                                    .principal = principal,
                                    .dns_names = {"localhost", "127.0.0.1"},
                                    .not_before_s = not_before_s,
                                    .not_after_s = not_after_s},
                                   ca_key_, ca_),
          key.to_pem()};
}

void Pki::write(const std::string& name, const std::string& text) const {
  std::ofstream(path(name)) << text;
  std::filesystem::permissions(path(name), std::filesystem::perms{0600});  // keys that everybody can read are refused
}

FakeNode::FakeNode(int fd, std::uint32_t write_credits, std::uint32_t read_credits, Answer answer)
    : answer_(std::move(answer)) {
  socket::Channel::Handlers on;
  on.on_hello = [this](Hello&& hello) {
    std::lock_guard lock(mutex_);
    hellos_.push_back(std::move(hello));
    changed_.notify_all();
  };
  on.on_call = [this](Call&& call) {
    if (answer_)
      if (auto reply = answer_(call)) {
        reply->set_call_id(call.call_id());
        EXPECT_TRUE(channel_->send(*reply));
        return;
      }
    std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    changed_.notify_all();
  };
  on.on_cancel = [this](Cancel&& cancel) {
    std::lock_guard lock(mutex_);
    cancels_.push_back(cancel.call_id());
    changed_.notify_all();
  };
  channel_ = std::make_unique<socket::Channel>(fd, std::move(on), socket::Channel::Limits{});
  channel_->start();
  Hello hello;
  hello.set_version_min(socket::kProtocolVersion);
  hello.set_version_max(socket::kProtocolVersion);
  hello.set_write_credits(write_credits);
  hello.set_read_credits(read_credits);
  EXPECT_TRUE(channel_->send(hello));
}

template <class T>
T FakeNode::take(std::deque<T>& queue, const char* what) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return !queue.empty(); })) {
    ADD_FAILURE() << "the node got no " << what;
    return T{};
  }
  T front = std::move(queue.front());
  queue.pop_front();
  return front;
}

Call FakeNode::next_call() { return take(calls_, "call"); }
std::uint64_t FakeNode::next_cancel() { return take(cancels_, "cancel"); }
Hello FakeNode::wait_hello() { return take(hellos_, "hello"); }

void FakeNode::reply(std::uint64_t call_id, const std::string& response) {
  Reply reply;
  reply.set_call_id(call_id);
  reply.set_response(response);
  EXPECT_TRUE(channel_->send(reply));
}

void FakeNode::fail(std::uint64_t call_id, ErrorCode code, const std::string& message, std::uint32_t retry_after_ms,
                    std::map<std::string, std::string> details) {
  Reply reply;
  reply.set_call_id(call_id);
  reply.set_code(static_cast<std::uint32_t>(code));
  reply.set_message(message);
  reply.set_retry_after_ms(retry_after_ms);
  for (auto& [name, value] : details) (*reply.mutable_details())[name] = value;
  EXPECT_TRUE(channel_->send(reply));
}

FrontEndTest::FrontEndTest() : principal_(filled(0x11)), client_(pki_.issue("client", principal_)) {
  options_.listen = {"127.0.0.1:0"};
  options_.certificate_path = pki_.path("server.pem");
  options_.key_path = pki_.path("server.key");
  options_.client_ca_path = pki_.path("ca.pem");
  options_.reload_s = 1;
}

FrontEndTest::~FrontEndTest() {
  server_.reset();
  node_.reset();
}

void FrontEndTest::start(FakeNode::Answer answer, std::uint32_t write_credits, std::uint32_t read_credits) {
  auto pair = socket::make_socket_pair();
  ASSERT_TRUE(pair);
  node_ = std::make_unique<FakeNode>(pair->first, write_credits, read_credits, std::move(answer));
  auto server = Server::start(pair->second, options_, [this](const Error&) {
    std::lock_guard lock(closed_mutex_);
    closed_ = true;
    closed_changed_.notify_all();
  });
  ASSERT_TRUE(server) << server.error().message;
  server_ = std::move(*server);
  node_->wait_hello();
  // The node's hello has been sent before; once any call passes, it has been read.
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!server_->gateway().greeted() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
}

int FrontEndTest::port() const {
  const auto& address = server_->addresses().front();
  return std::stoi(address.substr(address.rfind(':') + 1));
}

std::shared_ptr<grpc::Channel> FrontEndTest::connect(const Identity& identity) const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(
      fmt::format("localhost:{}", port()),
      grpc::SslCredentials({.pem_root_certs = pki_.ca(), .pem_private_key = identity.key,
                            .pem_cert_chain = identity.certificate}),
      arguments);
}

CallResult FrontEndTest::call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                              const std::string& request, grpc::ClientContext* context) {
  grpc::ClientContext own;
  if (context == nullptr) {
    own.set_deadline(std::chrono::system_clock::now() + kPatience);
    context = &own;
  }
  grpc::GenericStub stub(channel);
  grpc::Slice slice(request);
  grpc::ByteBuffer in(&slice, 1), out;
  std::promise<grpc::Status> done;
  stub.UnaryCall(context, path, {}, &in, &out, [&](grpc::Status status) { done.set_value(std::move(status)); });
  CallResult result;
  result.status = done.get_future().get();
  std::vector<grpc::Slice> slices;
  if (result.status.ok() && out.Dump(&slices).ok())
    for (const auto& part : slices) result.response.append(reinterpret_cast<const char*>(part.begin()), part.size());
  for (const auto& [name, value] : context->GetServerTrailingMetadata())
    result.trailers.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  return result;
}

}  // namespace galen::api::test
