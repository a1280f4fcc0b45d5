// Everyone who must stay outside, each with the reason an operator will read, and frames that lie after the handshake.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "galen/types/genesis.hpp"
#include "unit/net/net_fixture.hpp"

namespace galen::net::test {
namespace {

class Handshake : public ::testing::Test {
 protected:
  Handshake() : node(impatient(consortium.options(0))) {}

  static MeshOptions impatient(MeshOptions options) {
    options.timings.probe_ms = 300;
    return options;
  }

  /// Tries as a client and expects exactly this refusal.
  void expect_refused(const RawClient::Tls& tls, Refusal reason) {
    auto before = node.refused(reason);
    RawClient client(node.mesh->listen_address());
    client.handshake(tls);
    EXPECT_TRUE(client.wait_closed());
    EXPECT_TRUE(eventually([&] { return node.refused(reason) == before + 1; }))
        << to_reason(reason) << " " << counters();
  }
  std::string counters() const {
    std::string out;
    auto counts = node.mesh->refusals();
    for (std::size_t i = 0; i < kRefusals; ++i)
      if (counts[i] > 0) out += std::string(to_reason(static_cast<Refusal>(i))) + "=" + std::to_string(counts[i]) + " ";
    return out;
  }

  Consortium consortium{3};
  Node node;
};

TEST_F(Handshake, AMemberIsWelcome) {
  RawClient client(node.mesh->listen_address());
  ASSERT_TRUE(client.handshake({.files = consortium.files(1)}));
  EXPECT_TRUE(client.join(consortium.chain_id));
  EXPECT_TRUE(node.wait_up(1));
  EXPECT_EQ(counters(), "");
}

TEST_F(Handshake, AnIntermediateBelowThePinIsFine) {
  RawClient client(node.mesh->listen_address());
  ASSERT_TRUE(client.handshake({.files = consortium.issue_through_intermediate(1, consortium.ordinary(1), true)}));
  EXPECT_TRUE(client.join(consortium.chain_id));
  client.close();
  ASSERT_TRUE(node.wait([&] { return node.downs[1] == 1; }));
  expect_refused({.files = consortium.issue_through_intermediate(2, consortium.ordinary(1), true)},
                 Refusal::UNKNOWN_CA);
}

TEST_F(Handshake, AnOrdinaryCertificateIssuesNothing) {
  expect_refused({.files = consortium.issue_through_intermediate(1, consortium.ordinary(1), false)},
                 Refusal::BAD_CERTIFICATE);
}

TEST_F(Handshake, TheLowerIndexChoosesAmongConnections) {
  auto dial = [&] {
    auto client = std::make_unique<RawClient>(node.mesh->listen_address());
    EXPECT_TRUE(client->handshake({.files = consortium.files(1)}));
    return client;
  };
  auto first = dial();
  auto first_id = first->join(consortium.chain_id, 7);
  ASSERT_TRUE(first_id);
  EXPECT_FALSE(dial()->join(consortium.chain_id, 7)) << "raced: the dialler has not seen the first connection";
  EXPECT_EQ(node.refused(Refusal::DUPLICATE), 1u);
  auto second = dial();
  auto second_id = second->join(consortium.chain_id, 7, *first_id);
  EXPECT_TRUE(second_id) << "the dialler has seen the first connection and lost it";
  EXPECT_TRUE(first->wait_closed());
  auto third = dial();
  EXPECT_TRUE(third->join(consortium.chain_id, 8)) << "the member has restarted, and its old process answers nothing";
  EXPECT_TRUE(second->wait_closed());
  EXPECT_EQ(node.peer(1).second_processes, 0u);
  auto fourth = dial();
  EXPECT_TRUE(fourth->join(consortium.chain_id, 7));
  EXPECT_TRUE(eventually([&] { return node.peer(1).second_processes == 1; })) << "a former process is still there";
  ASSERT_TRUE(node.wait([&] { return node.ups[1] == 4; }));
  EXPECT_EQ(node.now(node.downs, 1), 3);
}

TEST_F(Handshake, NoCertificate) { expect_refused({}, Refusal::NO_CERTIFICATE); }

TEST_F(Handshake, Tls12) {
  expect_refused({.files = consortium.files(1), .version = TLS1_2_VERSION}, Refusal::TLS_VERSION);
}

TEST_F(Handshake, OtherProtocol) { expect_refused({.files = consortium.files(1), .alpn = "h2"}, Refusal::ALPN); }

TEST_F(Handshake, NoProtocol) { expect_refused({.files = consortium.files(1), .alpn = ""}, Refusal::ALPN); }

TEST_F(Handshake, CertificateIssuedByAnotherMembersCa) {
  expect_refused({.files = consortium.issue(2, consortium.ordinary(1))}, Refusal::UNKNOWN_CA);
}

TEST_F(Handshake, CertificateOfAStrangersCaWithTheSameName) {
  Consortium stranger(3);
  expect_refused({.files = stranger.issue(1, consortium.ordinary(1))}, Refusal::UNKNOWN_CA);
}

TEST_F(Handshake, Expired) {
  auto request = consortium.ordinary(1);
  request.not_before_s = std::time(nullptr) - 7200;
  request.not_after_s = std::time(nullptr) - 3600;
  expect_refused({.files = consortium.issue(1, request)}, Refusal::EXPIRED);
}

TEST_F(Handshake, NotYetValid) {
  auto request = consortium.ordinary(1);
  request.not_before_s = std::time(nullptr) + 3600;
  request.not_after_s = std::time(nullptr) + 7200;
  expect_refused({.files = consortium.issue(1, request)}, Refusal::NOT_YET_VALID);
}

TEST_F(Handshake, NamesNoMember) {
  auto request = consortium.ordinary(1);
  request.principal = crypto::random_fixed<PrincipalId>();
  expect_refused({.files = consortium.issue(1, request)}, Refusal::WRONG_MEMBER);
  request.principal.reset();
  expect_refused({.files = consortium.issue(1, request)}, Refusal::WRONG_MEMBER);
}

TEST_F(Handshake, NamesTheNodeItself) { expect_refused({.files = consortium.files(0)}, Refusal::WRONG_MEMBER); }

TEST_F(Handshake, TheDialledMemberMustAnswer) {
  Node other(consortium.options(2));
  node.mesh->set_address(1, other.mesh->listen_address());
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::WRONG_MEMBER) > 0; })) << counters();
  EXPECT_NE(node.peer(1).last_error.find("WRONG_MEMBER"), std::string::npos) << node.peer(1).last_error;
}

TEST_F(Handshake, ADiallerLearnsWhyItWasRefused) {
  auto options = consortium.options(1);
  auto request = consortium.ordinary(1);
  request.not_before_s = std::time(nullptr) - 7200;
  request.not_after_s = std::time(nullptr) - 3600;
  auto expired = consortium.issue(1, request);
  options.certificate_path = expired.certificate;
  options.key_path = expired.key;
  Node late(options);  // starts, and says so in its log
  late.mesh->set_address(0, node.mesh->listen_address());
  EXPECT_TRUE(
      eventually([&] { return late.refused(Refusal::REFUSED_BY_PEER) > 0 && node.refused(Refusal::EXPIRED) > 0; }));
  EXPECT_NE(late.peer(0).last_error.find("expired"), std::string::npos) << late.peer(0).last_error;
}

TEST_F(Handshake, PlainText) {
  RawClient client(node.mesh->listen_address());
  client.send_plain(as_bytes("GET /metrics HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(client.wait_closed());
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::NOT_TLS) == 1; })) << counters();
}

TEST_F(Handshake, GarbageThatLooksLikeTls) {
  RawClient client(node.mesh->listen_address());
  Bytes garbage(2000, 0x5a);
  garbage[0] = 22, garbage[1] = 3, garbage[2] = 1, garbage[3] = 7, garbage[4] = 0xcb;
  client.send_plain(garbage);
  EXPECT_TRUE(client.wait_closed());
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::TLS_ERROR) == 1; })) << counters();
}

TEST_F(Handshake, ClosedEarly) {
  { RawClient client(node.mesh->listen_address()); }
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::CLOSED) == 1; })) << counters();
}

TEST_F(Handshake, OtherChain) {
  auto options = consortium.options(1);
  options.chain_id.data[0] ^= 1;
  Node foreign(options);
  foreign.mesh->set_address(0, node.mesh->listen_address());
  EXPECT_TRUE(
      eventually([&] { return node.refused(Refusal::WRONG_CHAIN) > 0 && foreign.refused(Refusal::WRONG_CHAIN) > 0; }));
  EXPECT_NE(foreign.peer(0).last_error.find("WRONG_CHAIN"), std::string::npos) << foreign.peer(0).last_error;
  EXPECT_EQ(node.mesh->connected_count(), 0u);
}

// The same members, names and parameters, and keys of another curve: the suite stands in genesis.json, so in the chain
// id.
TEST_F(Handshake, TheSameConsortiumUnderAnotherSuite) {
  auto options_of = [&](MemberIndex self, const std::string& folder) {
    std::ifstream file(GALEN_SOURCE_DIR "/tests/golden/" + folder + "genesis.json", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto genesis = Genesis::parse(as_bytes(text));
    EXPECT_TRUE(genesis) << genesis.error().message;
    auto options = consortium.options(self);
    if (genesis) options.chain_id = genesis->chain_id;
    return options;
  };
  Node ours(options_of(0, "")), theirs(options_of(1, "sm2-sm3/"));
  theirs.mesh->set_address(0, ours.mesh->listen_address());
  EXPECT_TRUE(
      eventually([&] { return ours.refused(Refusal::WRONG_CHAIN) > 0 && theirs.refused(Refusal::WRONG_CHAIN) > 0; }));
  EXPECT_EQ(ours.mesh->connected_count(), 0u);
}

TEST_F(Handshake, NoCommonVersion) {
  RawClient client(node.mesh->listen_address());
  ASSERT_TRUE(client.handshake({.files = consortium.files(1)}));
  wire::Hello hello;
  hello.version_min = 7;
  hello.version_max = 9;
  hello.chain_id = consortium.chain_id;
  Bytes out;
  wire::put_control(out, wire::Type::hello, hello.encode());
  client.send(out);
  std::optional<wire::Bye> bye;
  while (auto frame = client.receive_frame())
    if (frame->first == wire::Type::bye) bye = wire::Bye::decode(frame->second);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->reason, Refusal::VERSION);
}

TEST_F(Handshake, DeadlineAndCountOfStrangers) {
  auto options = consortium.options(2);
  options.timings.handshake_ms = 300;
  options.limits.handshakes_per_address_max = 2;
  Node strict(options);
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(std::make_unique<RawClient>(strict.mesh->listen_address()));
  EXPECT_TRUE(eventually([&] { return strict.refused(Refusal::TOO_MANY_CONNECTIONS) == 1; }));
  for (auto& client : silent) EXPECT_TRUE(client->wait_closed());
  EXPECT_EQ(strict.refused(Refusal::TIMEOUT), 2u);
  RawClient late(strict.mesh->listen_address());
  ASSERT_TRUE(late.handshake({.files = consortium.files(1)}));
  EXPECT_TRUE(late.wait_closed()) << "TLS is not enough: the hello is missing";
  EXPECT_TRUE(eventually([&] { return strict.refused(Refusal::TIMEOUT) == 3; }));
}

TEST_F(Handshake, StrangersWhoHoldAPlaceMakeRoomForAMember) {
  auto options = consortium.options(0);
  options.limits.handshakes_max = 3;
  Node strict(options);
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(std::make_unique<RawClient>(strict.mesh->listen_address()));
  RawClient member(strict.mesh->listen_address());
  ASSERT_TRUE(member.handshake({.files = consortium.files(1)}));
  EXPECT_TRUE(member.join(consortium.chain_id));
  EXPECT_TRUE(silent.front()->wait_closed());
  EXPECT_EQ(strict.refused(Refusal::TOO_MANY_CONNECTIONS), 1u) << "the oldest, and it alone";
  EXPECT_EQ(strict.refused(Refusal::TIMEOUT), 0u);
}

TEST_F(Handshake, AMemberGetsTwoConnectionsAtMost) {
  // Seen from member 2 the clients of member 1 are the side that chooses, so none of them is activated by itself.
  Node strict(consortium.options(2));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(strict.mesh->listen_address()));
    ASSERT_TRUE(clients.back()->handshake({.files = consortium.files(1)}));
    auto frame = clients.back()->receive_frame();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->first, i < 2 ? wire::Type::hello : wire::Type::bye);
  }
  EXPECT_EQ(strict.refused(Refusal::TOO_MANY_CONNECTIONS), 1u);
}

TEST_F(Handshake, LyingFramesEndTheConnection) {
  auto header = [](std::uint8_t lane, std::uint8_t type, std::uint32_t length) {
    return ByteWriter().u16(wire::kMagic).u8(lane).u8(type).u32(length).bytes();
  };
  wire::Hello again;
  again.chain_id = consortium.chain_id;
  Bytes hello, activate;
  wire::put_control(hello, wire::Type::hello, again.encode());
  wire::put_control_u64(activate, wire::Type::activate, 1);
  const std::vector<std::pair<const char*, Bytes>> lies = {
      {"garbage", Bytes(500, 0xee)},
      {"oversized", header(1, 7, limits::kFrameBytesMax + 1)},
      {"oversized in parts", ByteWriter().raw(header(2, 8, 14)).u32(limits::kFrameBytesMax + 1).raw(Bytes(10)).bytes()},
      {"short ping", ByteWriter().raw(header(0, 3, 1)).u8(1).bytes()},
      {"second hello", hello},
      {"activates what is not its to activate", activate},
      {"empty farewell", header(0, 5, 0)},
  };
  int round = 0;
  for (const auto& [name, bytes] : lies) {
    RawClient client(node.mesh->listen_address());
    ASSERT_TRUE(client.handshake({.files = consortium.files(1)}));
    ASSERT_TRUE(client.join(consortium.chain_id)) << name;
    ++round;
    ASSERT_TRUE(node.wait([&] { return node.ups[1] == round; })) << name;
    client.send(bytes);
    EXPECT_TRUE(client.wait_closed()) << name;
    ASSERT_TRUE(node.wait([&] { return node.downs[1] == round; })) << name;
  }
}

// OpenSSL answers each without a bound: 20,000 of them, half a megabyte, cost a receiver 0.8 s in one read.
TEST_F(Handshake, NoKeyIsRenewedAfterTheHandshake) {
  RawClient client(node.mesh->listen_address());
  ASSERT_TRUE(client.handshake({.files = consortium.files(1)}));
  ASSERT_TRUE(client.join(consortium.chain_id));
  ASSERT_TRUE(node.wait_up(1));
  client.renew_keys();
  ASSERT_TRUE(node.wait_down(1));
  EXPECT_NE(node.now(node.down_reason, 1).find("TLS handshake message"), std::string::npos)
      << node.now(node.down_reason, 1);
}

TEST_F(Handshake, MoreBulkThanGrantedEndsTheConnection) {
  RawClient client(node.mesh->listen_address());
  ASSERT_TRUE(client.handshake({.files = consortium.files(1)}));
  ASSERT_TRUE(client.join(consortium.chain_id));
  Node holder(consortium.options(2), false);
  RawClient greedy(holder.mesh->listen_address());
  ASSERT_TRUE(greedy.handshake({.files = consortium.files(1)}));
  // As the lower index this client chooses the connection itself.
  wire::Hello hello;
  hello.chain_id = consortium.chain_id;
  hello.start_nonce = 3;
  Bytes out;
  wire::put_control(out, wire::Type::hello, hello.encode());
  wire::put_control_u64(out, wire::Type::activate, 1);
  greedy.send(out);
  ASSERT_TRUE(holder.wait_up(1));
  Bytes message;
  wire::put_header(message, 2, wire::Type::message, wire::kChunkBytesMax);
  message.resize(message.size() + wire::kChunkBytesMax);
  auto enough = MeshLimits{}.bulk_unprocessed_max / wire::kChunkBytesMax + 2;
  for (std::size_t i = 0; i < enough; ++i) greedy.send(message);
  ASSERT_TRUE(holder.wait_down(1));
  EXPECT_NE(holder.now(holder.down_reason, 1).find("granted"), std::string::npos) << holder.now(holder.down_reason, 1);
  EXPECT_LE(holder.peer(1).bulk.unprocessed_bytes, MeshLimits{}.bulk_unprocessed_max);
}

TEST_F(Handshake, WhoIsHeldHasNothingToSay) {
  RawClient first(node.mesh->listen_address()), second(node.mesh->listen_address());
  ASSERT_TRUE(first.handshake({.files = consortium.files(1)}));
  ASSERT_TRUE(first.join(consortium.chain_id, 7));
  ASSERT_TRUE(second.handshake({.files = consortium.files(1)}));
  wire::Hello hello;
  hello.chain_id = consortium.chain_id;
  hello.start_nonce = 8;
  Bytes out;
  wire::put_control(out, wire::Type::hello, hello.encode());
  wire::put_control_u64(out, wire::Type::ping, 1);
  second.send(out);
  EXPECT_TRUE(second.wait_closed());
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::MALFORMED) == 1; })) << counters();
  EXPECT_EQ(node.now(node.downs, 1), 0) << "the one that is connected stays";
}

TEST_F(Handshake, MessagesBeforeActivationAreRefused) {
  RawClient client(node.mesh->listen_address());
  ASSERT_TRUE(client.handshake({.files = consortium.files(1)}));
  Bytes out;
  wire::put_header(out, 1, wire::Type::message, 0);
  client.send(out);
  EXPECT_TRUE(client.wait_closed());
  EXPECT_TRUE(eventually([&] { return node.refused(Refusal::MALFORMED) == 1; })) << counters();
}

TEST_F(Handshake, OwnFilesAreJudgedAtTheStart) {
  auto expect = [&](MeshOptions options, ErrorCode code, const char* words) {
    auto mesh = Mesh::make(std::move(options), {});
    ASSERT_FALSE(mesh) << words;
    EXPECT_EQ(mesh.error().code, code) << mesh.error().message;
    EXPECT_NE(mesh.error().message.find(words), std::string::npos) << mesh.error().message;
  };
  auto options = consortium.options(1);
  options.certificate_path = "/nonexistent.pem";
  expect(options, ErrorCode::CONFIG_INVALID, "/nonexistent.pem");
  options = consortium.options(1);
  options.key_path = consortium.files(2).key;
  expect(options, ErrorCode::CONFIG_INVALID, "key");
  options = consortium.options(1);
  options.certificate_path = consortium.files(2).certificate;
  options.key_path = consortium.files(2).key;
  expect(options, ErrorCode::CONFIG_INVALID, "does not name this member");
  auto foreign = consortium.issue(2, consortium.ordinary(1));
  options.certificate_path = foreign.certificate;
  options.key_path = foreign.key;
  expect(options, ErrorCode::CONFIG_INVALID, "will be refused by the others");
  options = consortium.options(1);
  options.members[2].ca_pem = "nonsense";
  expect(options, ErrorCode::CONFIG_INVALID, "CA certificate of member C");
  options = consortium.options(1);
  options.listen = "127.0.0.1";
  expect(options, ErrorCode::CONFIG_INVALID, "port");
  options = consortium.options(1);
  ::chmod(options.key_path.c_str(), 0644);
  expect(options, ErrorCode::KEY_FILE_READABLE, "TLS key");
}

TEST_F(Handshake, ARenewedCertificateServesNewHandshakes) {
  auto request = consortium.ordinary(0);
  request.not_after_s = std::time(nullptr) + 1234567;
  auto renewed = consortium.issue(0, request);
  auto own = consortium.files(0);
  std::filesystem::copy_file(renewed.certificate, own.certificate, std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(node.mesh->reload_certificate()) << "the key is still the old one";
  EXPECT_NE(node.mesh->certificate_not_after_s(), request.not_after_s);
  std::filesystem::copy_file(renewed.key, own.key, std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(node.mesh->reload_certificate());
  EXPECT_EQ(node.mesh->certificate_not_after_s(), request.not_after_s);
  Node other(consortium.options(1));
  other.mesh->set_address(0, node.mesh->listen_address());
  ASSERT_TRUE(other.wait_up(0));
  EXPECT_EQ(other.peer(0).certificate_not_after_s, request.not_after_s);
}

}  // namespace
}  // namespace galen::net::test
