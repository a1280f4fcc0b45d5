// The messages of joining and backfilling, who is asked for what, and which reads wait for older blocks.
#include <gtest/gtest.h>

#include "galen/ledger/past_block.hpp"
#include "galen/v1/ledger_service.pb.h"
#include "node/past_reads.hpp"
#include "node/sync_peers.hpp"

namespace galen::node {
namespace {

using std::chrono::milliseconds;

ByteSpan body_of(const Bytes& message) { return ByteSpan(message).subspan(1); }

net::Frame frame(MemberIndex from, Bytes message) {
  net::Frame out;
  out.from = from;
  out.payload = std::move(message);
  return out;
}

class SyncPeersTest : public testing::Test {
 protected:
  SyncPeersTest() {
    std::vector<Member> members(4);
    for (std::uint8_t i = 0; i < 4; ++i) {
      members[i].id.data[0] = i;
      members[i].consensus_key.data[0] = i;
      identity.genesis.members.push_back({std::string(1, static_cast<char>('A' + i)), {}, {}, {}, ""});
    }
    identity.genesis.member_set = MemberSet(members);
  }
  bool ask_part(MemberIndex peer, std::uint32_t index) {
    return peers.ask(peer, PeerMessageKind::part, {7, index}, encode_subject(PeerMessageKind::fetch_part, {7, index}));
  }

  Identity identity{{}, 3, {}, crypto::PrivateKey::generate(crypto::Suite::p256_sha256)};
  std::vector<MemberIndex> sent;
  SyncPeers peers{identity, [this](MemberIndex to, Bytes) {
                    sent.push_back(to);
                    return to != 2;  // not connected
                  }};
};

}  // namespace

TEST(SyncMessagesTest, RoundTripsAndLimits) {
  EXPECT_EQ(*decode_snapshots(body_of(encode_snapshots(std::vector<Height>{3, 9}))), (std::vector<Height>{3, 9}));
  EXPECT_FALSE(decode_snapshots(body_of(encode_snapshots(std::vector<Height>{9, 3}))).has_value());
  EXPECT_FALSE(decode_snapshots(Bytes{9}).has_value());
  EXPECT_FALSE(decode_snapshots({}).has_value());
  EXPECT_EQ(*decode_fetch_manifest(body_of(encode_fetch_manifest(5))), 5u);
  EXPECT_FALSE(decode_fetch_manifest(Bytes(7)).has_value());
  EXPECT_EQ(*decode_subject(body_of(encode_subject(PeerMessageKind::fetch_part, {4, 2}))), (SyncSubject{4, 2}));
  EXPECT_FALSE(decode_subject(Bytes(13)).has_value());
  const auto part = encode_part_answer({4, 2}, Bytes{1, 2, 3});
  EXPECT_EQ(to_bytes(decode_part_answer(body_of(part))->part), (Bytes{1, 2, 3}));
  EXPECT_FALSE(decode_part_answer(Bytes(11)).has_value());
  const auto past = encode_past_answer(9, std::vector<Bytes>{{1}, {2, 2}});
  auto decoded = decode_past_answer(body_of(past));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->highest, 9u);
  ASSERT_EQ(decoded->blocks.size(), 2u);
  EXPECT_EQ(to_bytes(decoded->blocks[1]), (Bytes{2, 2}));
  EXPECT_FALSE(decode_past_answer(body_of(past).first(past.size() - 2)).has_value());
  EXPECT_FALSE(decode_past_answer(ByteWriter().u64(9).u32(kPastBlocksMax + 1).bytes()).has_value());
  EXPECT_EQ(decoded->bytes_in_pieces, 0u);
  EXPECT_EQ(decode_past_answer(body_of(encode_past_answer(9, {})))->bytes_in_pieces, 0u) << "not here";
  EXPECT_EQ(decode_past_answer(body_of(encode_past_in_pieces(9, ledger::kPastBlockBytesMax)))->bytes_in_pieces,
            ledger::kPastBlockBytesMax);
  EXPECT_FALSE(decode_past_answer(body_of(encode_past_in_pieces(9, ledger::kPastBlockBytesMax + 1))).has_value());
  EXPECT_FALSE(decode_past_answer(body_of(encode_past_in_pieces(9, kPastWholeBytesMax))).has_value());
}

TEST_F(SyncPeersTest, WhatWasNotAskedOfItsSenderIsDropped) {
  EXPECT_TRUE(ask_part(0, 5));
  EXPECT_FALSE(ask_part(2, 6));
  EXPECT_EQ(peers.open(0), 1u);
  EXPECT_EQ(peers.open(2), 0u);
  EXPECT_TRUE(peers.is_asked(PeerMessageKind::part, {7, 5}));
  peers.on_answer(frame(1, encode_part_answer({7, 5}, Bytes{1})));  // another sender
  peers.on_answer(frame(0, encode_part_answer({7, 4}, Bytes{1})));  // another part
  peers.on_answer(frame(0, encode_part_answer({8, 5}, Bytes{1})));  // another snapshot
  peers.on_answer(frame(0, encode_snapshots({})));                  // another kind
  peers.on_answer(frame(0, Bytes{static_cast<std::uint8_t>(PeerMessageKind::part)}));
  EXPECT_FALSE(peers.wait(milliseconds(1)).has_value());
  peers.on_answer(frame(0, encode_part_answer({7, 5}, Bytes{1})));
  peers.on_answer(frame(0, encode_part_answer({7, 5}, Bytes{1})));  // once only
  auto answer = peers.wait(milliseconds(1000));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->subject, (SyncSubject{7, 5}));
  EXPECT_FALSE(peers.wait(milliseconds(1)).has_value());
}

TEST_F(SyncPeersTest, WhoFloodsCostsNobodyElseAnAnswer) {
  EXPECT_TRUE(ask_part(0, 5));
  for (int i = 0; i < 1'000; ++i) peers.on_answer(frame(1, encode_snapshots({})));
  for (int i = 0; i < 10; ++i)
    peers.on_answer(frame(1, Bytes(4u << 20, static_cast<std::uint8_t>(PeerMessageKind::part))));
  peers.on_answer(frame(0, encode_part_answer({7, 5}, Bytes{1})));
  auto answer = peers.wait(milliseconds(1000));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->from, 0);
}

TEST_F(SyncPeersTest, ABannedMemberIsAskedNothingMore) {
  EXPECT_EQ(peers.usable().size(), 3u);
  EXPECT_TRUE(ask_part(1, 5));
  peers.ban(1, {ErrorCode::BAD_PROOF, "part: bad"});
  EXPECT_EQ(peers.open(1), 0u);
  EXPECT_EQ(peers.banned(), std::vector<MemberIndex>{1});
  for (auto peer : peers.usable()) EXPECT_NE(peer, 1);
  peers.on_answer(frame(1, encode_part_answer({7, 5}, Bytes{1})));
  EXPECT_FALSE(peers.wait(milliseconds(1)).has_value());
}

TEST(PastReadsTest, WhatNeedsOlderBlocksIsRefused) {
  using socket::Method;
  auto code = [](Method method, const std::string& request, Height floor) {
    auto status = check_past_reads(method, request, floor);
    return status ? ErrorCode::OK : status.error().code;
  };
  for (auto method : {Method::get_transaction, Method::get_receipt, Method::get_transaction_proof,
                      Method::get_consistency_proof, Method::list_consents, Method::list_accesses}) {
    EXPECT_EQ(code(method, "", 5), ErrorCode::BACKFILLING);
    EXPECT_EQ(code(method, "", 0), ErrorCode::OK);
  }
  for (auto method : {Method::get_record, Method::get_status, Method::get_head, Method::get_consent})
    EXPECT_EQ(code(method, "", 5), ErrorCode::OK);
  galen::v1::GetBlockRequest block;
  block.set_height(4);
  EXPECT_EQ(code(Method::get_block, block.SerializeAsString(), 5), ErrorCode::BACKFILLING);
  block.set_height(5);
  EXPECT_EQ(code(Method::get_block, block.SerializeAsString(), 5), ErrorCode::OK);
  galen::v1::GetStateProofRequest proof;
  EXPECT_EQ(code(Method::get_state_proof, proof.SerializeAsString(), 5), ErrorCode::OK);
  proof.set_by_history(true);
  EXPECT_EQ(code(Method::get_state_proof, proof.SerializeAsString(), 5), ErrorCode::BACKFILLING);
}

}  // namespace galen::node
