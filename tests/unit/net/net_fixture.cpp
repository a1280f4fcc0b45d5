#include "unit/net/net_fixture.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

namespace galen::net::test {

namespace {
void write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path, std::ios::binary) << text;
  ::chmod(path.c_str(), mode);
}
}  // namespace

Consortium::Consortium(std::size_t members) {
  auto pattern = (std::filesystem::temp_directory_path() / "galen-net-XXXXXX").string();
  directory_ = ::mkdtemp(pattern.data());
  for (std::size_t i = 0; i < members; ++i) {
    auto ca_key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
    crypto::CertificateRequest request;
    request.common_name = fmt::format("CA of member {}", i);
    request.is_ca = true;
    MeshMember info;
    info.id = crypto::random_fixed<PrincipalId>();
    info.id.data[0] = static_cast<std::uint8_t>(i);  // in the order of their places
    info.name = std::string(1, static_cast<char>('A' + i));
    info.ca_pem = crypto::make_ca_certificate(ca_key, request);
    members_.push_back({std::move(info), std::move(ca_key), {}});
    members_.back().files = issue(i, ordinary(i));
  }
}

Consortium::~Consortium() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

crypto::CertificateRequest Consortium::ordinary(std::size_t index) const {
  crypto::CertificateRequest request;
  request.common_name = "node " + members_[index].info.name;
  request.principal = members_[index].info.id;
  request.dns_names = {"localhost", "127.0.0.1"};
  return request;
}

Files Consortium::issue(std::size_t ca, const crypto::CertificateRequest& request) {
  auto key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
  auto base = (directory_ / fmt::format("tls-{}", issued_++)).string();
  Files files{base + ".pem", base + ".key"};
  auto leaf = crypto::make_certificate(key.public_key(), request, members_[ca].ca_key, members_[ca].info.ca_pem);
  write_file(files.certificate, leaf, 0644);
  write_file(files.key, key.to_pem(), 0600);
  return files;
}

MeshOptions Consortium::options(MemberIndex self) const {
  MeshOptions options;
  options.self = self;
  for (const auto& member : members_) options.members.push_back(member.info);
  options.chain_id = chain_id;
  options.listen = "127.0.0.1:0";
  options.certificate_path = members_[self].files.certificate;
  options.key_path = members_[self].files.key;
  return options;
}

Files Consortium::issue_through_intermediate(std::size_t ca, const crypto::CertificateRequest& request,
                                             bool may_issue) {
  auto middle_key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
  crypto::CertificateRequest middle_request;
  middle_request.common_name = "intermediate";
  middle_request.is_ca = may_issue;
  auto middle =
      crypto::make_certificate(middle_key.public_key(), middle_request, members_[ca].ca_key, members_[ca].info.ca_pem);
  auto key = crypto::PrivateKey::generate(crypto::Suite::p256_sha256);
  auto base = (directory_ / fmt::format("tls-{}", issued_++)).string();
  Files files{base + ".pem", base + ".key"};
  write_file(files.certificate, crypto::make_certificate(key.public_key(), request, middle_key, middle) + middle, 0644);
  write_file(files.key, key.to_pem(), 0600);
  return files;
}

Node::Node(MeshOptions options, bool release) {
  MeshCallbacks callbacks;
  callbacks.on_frame = [this, release](Frame frame) {
    std::lock_guard lock(mutex);
    if (release) frame.credit.release();
    frames.push_back(std::move(frame));
    changed.notify_all();
  };
  callbacks.on_peer_up = [this](MemberIndex peer, const PeerHello&) {
    std::lock_guard lock(mutex);
    EXPECT_FALSE(up[peer]);
    up[peer] = true;
    ++ups[peer];
    changed.notify_all();
  };
  callbacks.on_peer_down = [this](MemberIndex peer, std::string_view reason) {
    std::lock_guard lock(mutex);
    EXPECT_TRUE(up[peer]);
    up[peer] = false;
    ++downs[peer];
    down_reason[peer] = reason;
    changed.notify_all();
  };
  callbacks.on_identity_in_use = [this](MemberIndex peer, std::string_view text) {
    std::lock_guard lock(mutex);
    in_use[peer] = text;
    changed.notify_all();
  };
  callbacks.on_removed = [this](MemberIndex peer) {
    std::lock_guard lock(mutex);
    removed[peer] = true;
    changed.notify_all();
  };
  auto made = Mesh::make(std::move(options), std::move(callbacks));
  if (!made) throw std::runtime_error(made.error().message);
  mesh = std::move(*made);
  auto started = mesh->start();
  if (!started) throw std::runtime_error(started.error().message);
}

PeerStatus Node::peer(MemberIndex index) const {
  for (auto& status : mesh->peers())
    if (status.member == index) return status;
  throw std::runtime_error("no such peer");
}

RawClient::RawClient(const std::string& address) {
  std::signal(SIGPIPE, SIG_IGN);
  auto colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval patience{30, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error("cannot connect to " + address);
}

RawClient::~RawClient() {
  close();
  SSL_free(ssl_);
  SSL_CTX_free(ctx_);
}

void RawClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawClient::handshake(const Tls& tls) {
  ctx_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(ctx_, tls.version);
  SSL_CTX_set_max_proto_version(ctx_, tls.version);
  if (tls.files) {
    SSL_CTX_use_certificate_chain_file(ctx_, tls.files->certificate.c_str());
    SSL_CTX_use_PrivateKey_file(ctx_, tls.files->key.c_str(), SSL_FILETYPE_PEM);
  }
  ssl_ = SSL_new(ctx_);
  if (!tls.alpn.empty()) {
    Bytes protocols{static_cast<std::uint8_t>(tls.alpn.size())};
    protocols.insert(protocols.end(), tls.alpn.begin(), tls.alpn.end());
    SSL_set_alpn_protos(ssl_, protocols.data(), static_cast<unsigned>(protocols.size()));
  }
  SSL_set_fd(ssl_, fd_);
  return SSL_connect(ssl_) == 1;
}

void RawClient::send_plain(ByteSpan bytes) {
  EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

void RawClient::send(ByteSpan bytes) {
  if (!bytes.empty()) SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
}

void RawClient::renew_keys() {
  ASSERT_EQ(SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED), 1);
  ASSERT_EQ(SSL_do_handshake(ssl_), 1);
}

Bytes RawClient::receive(std::size_t bytes) {
  Bytes out(bytes);
  std::size_t have = 0;
  while (have < bytes) {
    int count = SSL_read(ssl_, out.data() + have, static_cast<int>(bytes - have));
    if (count <= 0) break;
    have += static_cast<std::size_t>(count);
  }
  out.resize(have);
  return out;
}

std::optional<std::pair<wire::Type, Bytes>> RawClient::receive_frame() {
  auto header = receive(wire::kHeaderBytes);
  if (header.size() < wire::kHeaderBytes) return std::nullopt;
  ByteReader in(header);
  in.raw(3);
  auto type = static_cast<wire::Type>(in.u8());
  auto length = in.u32();
  auto payload = receive(length);
  if (payload.size() < length) return std::nullopt;
  return std::pair{type, std::move(payload)};
}

std::optional<std::uint64_t> RawClient::join(const Hash& chain_id, std::uint64_t nonce, std::uint64_t last_connection) {
  wire::Hello hello;
  hello.chain_id = chain_id;
  hello.start_nonce = nonce;
  hello.last_connection = last_connection;
  Bytes out;
  wire::put_control(out, wire::Type::hello, hello.encode());
  send(out);
  while (auto frame = receive_frame())
    if (frame->first == wire::Type::activate) return ByteReader(frame->second).u64();
  return std::nullopt;
}

bool RawClient::wait_closed() {
  std::uint8_t scratch[4096];
  for (;;) {
    auto count = ::recv(fd_, scratch, sizeof scratch, 0);
    if (count == 0 || (count < 0 && errno == ECONNRESET)) return true;
    if (count < 0) return false;
  }
}

}  // namespace galen::net::test
