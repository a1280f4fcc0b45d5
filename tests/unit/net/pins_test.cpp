// Members that change: their CAs, and who is none any more.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "unit/net/net_fixture.hpp"

namespace galen::net::test {
namespace {

class Pins : public ::testing::Test {
 protected:
  /// A certificate for the member by its next CA, which bears the name of the present one; the CA's certificate follows or not.
  Files renewed(MemberIndex member, bool shown = true) {
    auto files = next.issue(member, consortium.ordinary(member));
    if (shown) std::ofstream(files.certificate, std::ios::app) << next.ca_pem(member);
    return files;
  }
  Hash next_ca(MemberIndex member) const { return *crypto::certificate_fingerprint(next.ca_pem(member)); }
  bool is_let_in(Node& node, const Files& files) {
    RawClient client(node.mesh->listen_address());
    if (!client.handshake({.files = files}) || !client.join(consortium.chain_id)) return false;
    client.close();
    return node.wait_down(1);
  }

  Consortium consortium{3}, next{3};
};

TEST_F(Pins, AFingerprintIsEnoughOfAMemberThatShowsTheCertificate) {
  auto options = consortium.options(0);
  options.members[1].ca_pem.clear();
  options.members[1].ca_fingerprint = next_ca(1);
  Node node(std::move(options));
  EXPECT_TRUE(is_let_in(node, renewed(1)));
  EXPECT_FALSE(is_let_in(node, renewed(1, false)));
  EXPECT_FALSE(is_let_in(node, consortium.files(1)));
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::UNKNOWN_CA) == 2; }));
}

TEST_F(Pins, TheCaOfTheNextEpochIsGoodFromItsDecisionOnBesideThePresentOne) {
  Node node(consortium.options(0));
  EXPECT_FALSE(is_let_in(node, renewed(1)));
  ASSERT_TRUE(node.mesh->pin_also(1, next_ca(1)));
  ASSERT_TRUE(node.mesh->pin_also(1, next_ca(1)));
  EXPECT_TRUE(is_let_in(node, renewed(1)));
  EXPECT_TRUE(is_let_in(node, consortium.files(1)));
  EXPECT_FALSE(is_let_in(node, renewed(2))) << "it is that of one member";
  auto foreign = next.issue(1, consortium.ordinary(2));
  std::ofstream(foreign.certificate, std::ios::app) << next.ca_pem(1);
  EXPECT_FALSE(is_let_in(node, foreign)) << "and issues for no other";
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::UNKNOWN_CA) == 3; }));
}

TEST_F(Pins, ACaOnItsOperatorsWordNeedNotBeShown) {
  auto options = consortium.options(0);
  options.members[1].more_ca_pems = {next.ca_pem(2) + next.ca_pem(1)};
  Node node(std::move(options));
  EXPECT_TRUE(is_let_in(node, renewed(1, false)));
  EXPECT_TRUE(is_let_in(node, consortium.files(1)));
  options = consortium.options(0);
  options.members[1].more_ca_pems = {"nonsense"};
  EXPECT_FALSE(Mesh::make(std::move(options), {}));
}

// It was away while its CA changed: its ledger pins the old one, and the others expect the new one.
TEST_F(Pins, WhoDoesNotKnowItsOwnNewPinYetShowsIt) {
  auto behind = consortium.options(1);
  const auto files = renewed(1, false);
  behind.certificate_path = files.certificate;
  behind.key_path = files.key;
  EXPECT_EQ(Mesh::make(behind, {}).error().code, ErrorCode::CONFIG_INVALID);
  behind.members[1].more_ca_pems = {next.ca_pem(1)};
  auto ahead = consortium.options(0);
  ahead.members[1].ca_pem.clear();
  ahead.members[1].ca_fingerprint = next_ca(1);
  Node other(std::move(ahead)), node(std::move(behind));
  node.mesh->set_address(0, other.mesh->listen_address());
  EXPECT_TRUE(node.wait_up(0));
  EXPECT_TRUE(other.wait_up(1));
}

TEST_F(Pins, WhoWasRemovedIsToldSoAndComesBackSeldom) {
  auto options = consortium.options(0);
  options.members.pop_back();
  options.former = {consortium.member(2).id};
  Node node(std::move(options)), removed(consortium.options(2));
  removed.mesh->set_address(0, node.mesh->listen_address());
  ASSERT_TRUE(removed.wait([&] { return removed.removed[0]; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_EQ(node.refused(Refusal::MEMBER_REMOVED), 1u);
  EXPECT_EQ(removed.peer(0).last_error.find("MEMBER_REMOVED"), 0u) << removed.peer(0).last_error;
  RawClient stranger(node.mesh->listen_address());
  auto unknown = consortium.ordinary(2);
  unknown.principal = crypto::random_fixed<PrincipalId>();
  stranger.handshake({.files = consortium.issue(2, unknown)});
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::WRONG_MEMBER) == 1; })) << "who never was a member is told nothing";
}

/// Answers the first connection with a TLS alert in the clear, as anybody between two nodes can.
class Interloper {
 public:
  Interloper() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), bytes), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &bytes);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      constexpr std::uint8_t kRevoked[] = {21, 3, 3, 0, 2, 2, 44};
      for (int peer = ::accept(socket_, nullptr, nullptr); peer >= 0; peer = ::accept(socket_, nullptr, nullptr)) {
        std::uint8_t hello[4096];
        (void)!::read(peer, hello, sizeof hello);
        (void)!::write(peer, kRevoked, sizeof kRevoked);
        ::close(peer);
      }
    });
  }
  ~Interloper() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const int socket_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(Pins, NobodyOnTheWayCanSayThatAMemberWasRemoved) {
  Interloper interloper;
  Node node(consortium.options(1));
  node.mesh->set_address(0, interloper.address());
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::REFUSED_BY_PEER) >= 2; })) << "and is dialled again as ever";
  EXPECT_EQ(node.refused(Refusal::MEMBER_REMOVED), 0u);
  EXPECT_FALSE(node.now(node.removed, 0));
}

TEST_F(Pins, GenesisSaysWhoChoosesTheConnectionAndTheIdOfThoseWhoCameLater) {
  MeshOptions options;
  options.members = {consortium.member(2), consortium.member(1), consortium.member(0)};  // lower and lower ids
  EXPECT_TRUE(options.chooses(2, 0));
  options.members[0].genesis_place = 3;
  options.members[1].genesis_place = 7;
  EXPECT_TRUE(options.chooses(0, 1)) << "as places did before there were epochs";
  EXPECT_FALSE(options.chooses(1, 0));
  EXPECT_TRUE(options.chooses(1, 2)) << "a member of genesis before one that came later";
  EXPECT_FALSE(options.chooses(2, 1));
}

}  // namespace
}  // namespace galen::net::test
