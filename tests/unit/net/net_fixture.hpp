// A consortium for tests: members with their own CAs and TLS certificates in a temporary directory, nodes on loopback
// with ports the system chose, and a raw TLS client that behaves as badly as a test wants.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "galen/crypto/random.hpp"
#include "galen/crypto/x509.hpp"
#include "galen/net/mesh.hpp"
#include "net/wire.hpp"

namespace galen::net::test {

inline constexpr auto kPatience = std::chrono::seconds(30);

struct Files {
  std::string certificate, key;
};

class Consortium {
 public:
  explicit Consortium(std::size_t members);
  ~Consortium();

  std::size_t size() const { return members_.size(); }
  const MeshMember& member(std::size_t index) const { return members_[index].info; }
  /// A certificate of `request` for a new key, issued by the CA of member `ca`.
  Files issue(std::size_t ca, const crypto::CertificateRequest& request);
  /// The same through another certificate (an intermediate CA if it may issue), which follows in the file.
  Files issue_through_intermediate(std::size_t ca, const crypto::CertificateRequest& request, bool may_issue);
  /// The ordinary certificate of a member.
  crypto::CertificateRequest ordinary(std::size_t index) const;
  const Files& files(std::size_t index) const { return members_[index].files; }
  const std::string& ca_pem(std::size_t index) const { return members_[index].info.ca_pem; }
  MeshOptions options(MemberIndex self) const;
  Hash chain_id = crypto::random_fixed<Hash>();

 private:
  struct Entry {
    MeshMember info;
    crypto::PrivateKey ca_key;
    Files files;
  };
  std::filesystem::path directory_;
  std::vector<Entry> members_;
  std::size_t issued_ = 0;
};

/// A mesh and what it reported. Frames keep their credits until taken, unless `release` is set.
class Node {
 public:
  explicit Node(MeshOptions options, bool release = true);
  ~Node() { mesh->stop(); }

  /// Waits until `condition` (called under the lock) holds; false after kPatience.
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kPatience, condition);
  }
  bool wait_up(MemberIndex peer) {
    return wait([&] { return up[peer]; });
  }
  bool wait_down(MemberIndex peer) {
    return wait([&] { return !up[peer]; });
  }
  bool wait_frames(std::size_t count) {
    return wait([&] { return frames.size() >= count; });
  }
  std::vector<Frame> take_frames() {
    std::lock_guard lock(mutex);
    return std::exchange(frames, {});
  }
  std::uint64_t refused(Refusal reason) const { return mesh->refusals()[static_cast<std::size_t>(reason)]; }
  PeerStatus peer(MemberIndex index) const;
  /// One entry of the maps below, outside of wait().
  template <class Value>
  Value now(std::map<MemberIndex, Value>& map, MemberIndex index) {
    std::lock_guard lock(mutex);
    return map[index];
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::map<MemberIndex, bool> up;
  std::map<MemberIndex, int> ups, downs;
  std::map<MemberIndex, std::string> down_reason;
  std::map<MemberIndex, std::string> in_use;  ///< what the peer said when it refused this process for another one
  std::map<MemberIndex, bool> removed;        ///< what the peer said of this node's member
  std::vector<Frame> frames;
  std::unique_ptr<Mesh> mesh;
};

/// Polls a condition that no callback announces.
template <class Condition>
bool eventually(Condition condition) {
  auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// A blocking client for one connection.
class RawClient {
 public:
  explicit RawClient(const std::string& address);
  ~RawClient();
  struct Tls {
    std::optional<Files> files;
    int version = TLS1_3_VERSION;
    std::string alpn = "galen/1";
  };
  /// True if the client believes in the handshake; under TLS 1.3 the server may still refuse the certificate.
  bool handshake(const Tls& tls);
  void send_plain(ByteSpan bytes);
  void send(ByteSpan bytes);
  /// A TLS KeyUpdate that asks for one in return.
  void renew_keys();
  /// The next `bytes` over TLS; fewer when the connection ends first.
  Bytes receive(std::size_t bytes);
  /// The next frame: its type and payload; nothing at the end.
  std::optional<std::pair<wire::Type, Bytes>> receive_frame();
  /// Says hello as a member and reads until the connection is activated: its id; nothing if it is not.
  std::optional<std::uint64_t> join(const Hash& chain_id, std::uint64_t nonce = 7, std::uint64_t last_connection = 0);
  /// Waits for the end of the connection.
  bool wait_closed();
  void close();

 private:
  int fd_ = -1;
  SSL_CTX* ctx_ = nullptr;
  SSL* ssl_ = nullptr;
};

}  // namespace galen::net::test
