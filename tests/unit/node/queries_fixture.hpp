// The reading calls on a real ledger, as the front end asks them: a node of member 0 and one of member 1 over one store.
// service_a and patient belong to member 0, service_b to member 1.
#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "galen/base/clock.hpp"
#include "galen/v1/ledger_service.pb.h"
#include "node/queries.hpp"
#include "unit/execution/chain_fixture.hpp"
#include "unit/node/told.hpp"

namespace galen::node {

namespace pb = ledger::v1;
using execution::test::ExecutionTest;
using execution::test::random_id;
using execution::test::take;
using execution::test::TempDir;
using node::v1::Call;
using node::v1::Reply;
using socket::Method;

inline constexpr std::chrono::seconds kPatience{30};  // only a broken build waits that long

class QueriesTest : public ExecutionTest {
 protected:
  QueriesTest() {
    for (MemberIndex i = 0; i < 2; ++i) {
      vault::RecordVault::Options options{.keyring_directory = dirs[i].path() + "/keyring",
                                          .vault_directory = dirs[i].path() + "/vault",
                                          .master_key_file = dirs[i].path() + "/master.key"};
      std::filesystem::create_directories(options.keyring_directory);
      std::filesystem::create_directories(options.vault_directory);
      EXPECT_TRUE(vault::RecordVault::create(options));
      vaults[i].emplace(take(vault::RecordVault::open(options)));
      identities[i].emplace(Identity{chain.genesis, i, chain.genesis.context(), chain.keys[i]});
      barriers[i].emplace(*identities[i], 0,
                          ReadBarrier::Ports{.send =
                                                 [this](MemberIndex, Bytes message) {
                                                   std::lock_guard lock(asked_mutex);
                                                   asked = *decode_fetch_high(ByteSpan(message).subspan(1));
                                                   return true;
                                                 },
                                             .own = [](std::uint64_t nonce) { return HighAnswer{.nonce = nonce, .counts = true}; },
                                             .now_ms = [] { return system_clock().monotonic_us() / 1000; }});
      queries[i].emplace(
          *identities[i], node.store(), &*vaults[i], health, *barriers[i], Queries::Options{.data_dir = dirs[i].path()},
          Queries::Ports{
              .reply = [this](const Reply& reply) { answered.set_value(reply); },
              .fatal = [](const Error& error) { ADD_FAILURE() << error.message; },
              .peers = [] { return std::vector<net::PeerStatus>{{.member = 1, .name = "B", .throttled_us = 4'000}}; },
              .peer_cpu_us = [](MemberIndex member) { return member * 7'000u; },
              .front_end_up = [] { return true; },
              .identity_in_use = [] { return std::vector<std::pair<MemberIndex, std::string>>(); }});
      queries[i]->start();
    }
  }

  /// Asked of the member's node by its service.
  template <class Request>
  std::future<Reply> ask_for(MemberIndex member, Method method, const Request& request, std::uint32_t deadline_ms = 0) {
    answered = {};
    auto reply = answered.get_future();
    Call call;
    call.set_call_id(1);
    call.set_deadline_ms(deadline_ms);
    call.set_method(static_cast<std::uint32_t>(method));
    call.set_principal((member == 0 ? service_a : service_b).str());
    call.set_request(request.SerializeAsString());
    EXPECT_TRUE(queries[member]->on_call(std::move(call)));
    return reply;
  }
  static Reply wait(std::future<Reply> reply) {
    EXPECT_EQ(reply.wait_for(kPatience), std::future_status::ready) << "no answer";
    return reply.wait_for(std::chrono::seconds(0)) == std::future_status::ready ? reply.get() : Reply();
  }
  template <class Response>
  static Response decode(const Reply& reply) {
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    Response response;
    EXPECT_TRUE(response.ParseFromString(reply.response()));
    return response;
  }

  pb::Operation superseding(const PointerId& pointer, const PointerId& before) {
    auto operation = anchor(pointer);
    operation.mutable_anchor_record()->set_supersedes(before.str());
    return operation;
  }
  void commit(MemberIndex origin, BatchItem item) { ASSERT_EQ(run_one(origin, std::move(item)), ErrorCode::OK); }
  ConsentId grant_to(MemberIndex grantee) {
    const auto id = random_id<ConsentId>(chain.rng);
    auto operation = grant(id);
    operation.mutable_grant_consent()->set_grantee(chain.member(grantee).str());
    commit(0, chain.item(patient, {operation}, &patient_key));
    return id;
  }
  void decide_for(MemberIndex requester) {
    auto operation = ask();
    operation.mutable_decide()->set_requester(chain.member(requester).str());
    commit(requester, chain.item(requester == 0 ? service_a : service_b, {operation}));
  }

  /// Another of member 0, with bounds of its own, which tells `replies`.
  std::unique_ptr<Queries> make_bounded(std::size_t items_max, std::size_t bytes_max) {
    auto out = std::make_unique<Queries>(
        *identities[0], node.store(), vaults[0] ? &*vaults[0] : nullptr, health, *barriers[0],
        Queries::Options{.data_dir = dirs[0].path(), .items_max = items_max, .bytes_max = bytes_max},
        Queries::Ports{.reply = [this](const Reply& reply) { replies.put(reply); },
                       .fatal = [](const Error& error) { ADD_FAILURE() << error.message; },
                       .peers = {},
                       .peer_cpu_us = {},
                       .front_end_up = {},
                       .identity_in_use = {}});
    out->start();
    return out;
  }
  Call head_call(std::uint64_t call_id, Height height_min) const {
    auto request = head_request();
    request.mutable_read_options()->set_min_height(height_min);
    Call call;
    call.set_call_id(call_id);
    call.set_method(static_cast<std::uint32_t>(Method::get_head));
    call.set_principal(service_a.str());
    call.set_request(request.SerializeAsString());
    return call;
  }

  /// What member `from` says to the question that is asked just now.
  void tell(MemberIndex from, std::optional<QuorumCertificate> certificate) {
    std::uint64_t nonce = 0;
    for (int i = 0; i < 5'000 && nonce == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::lock_guard lock(asked_mutex);
      nonce = asked;
    }
    EXPECT_TRUE(barriers[0]->on_answer(from, encode_high({nonce, true, std::move(certificate)})));
  }
  galen::v1::GetHeadRequest head_request() const {
    galen::v1::GetHeadRequest out;
    out.mutable_read_options();
    return out;
  }

  TempDir dirs[2];
  Health health;
  std::mutex asked_mutex;
  std::uint64_t asked = 0;
  std::optional<ReadBarrier> barriers[2];
  std::promise<Reply> answered;
  test::Told<Reply> replies;
  std::optional<vault::RecordVault> vaults[2];
  std::optional<Identity> identities[2];
  std::optional<Queries> queries[2];
};

}  // namespace galen::node
