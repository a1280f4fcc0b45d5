// A node whose row was changed behind its back computes another state: what is written down names the row, and nothing
// else.
#include "node/divergence.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "ledger/database.hpp"
#include "node/repair_answers.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::kSuite;
using execution::test::random_id;
using execution::test::take;
using execution::test::TestNode;
namespace pb = ledger::v1;

class DivergenceTest : public execution::test::ExecutionTest {
 protected:
  DivergenceTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]}, peer(chain) {
    peer.apply(chain.blocks.at(0));
    for (int i = 0; i < 30; ++i) both({anchor(), anchor()});
    pointer = random_id<PointerId>(chain.rng);
    both({anchor(pointer)});
  }
  void both(std::vector<pb::Operation> operations) {
    auto block = chain.block({chain.batch(0, {chain.item(service_a, std::move(operations))})});
    node.apply(block);
    peer.apply(block);
  }
  Bytes key() const { return to_bytes(pointer.span()); }
  void falsify() {
    ASSERT_TRUE(node.store().checkpoint());
    auto state = *node.state<pb::RecordState>(StateKind::record, pointer);
    node.stop();
    {
      ledger::StoreOptions options;
      options.directory = node.directory();
      options.context = chain.genesis.context();
      auto database = take(ledger::Database::open(options, ledger::Database::Mode::open));
      state.set_commitment(random_id<Hash>(chain.rng).str());
      std::string bytes;
      ASSERT_TRUE(state.SerializeToString(&bytes));
      ASSERT_TRUE(database->put(ledger::Family::state,
                                ledger::state_row_key(static_cast<std::uint8_t>(StateKind::record), pointer),
                                as_bytes(bytes)));
      ASSERT_TRUE(database->flush());
    }
    node.reopen();
  }
  void supersede() {
    auto operation = anchor();
    operation.mutable_anchor_record()->set_supersedes(pointer.str());
    both({operation});
  }
  std::string write_down() {
    Divergence* self = nullptr;
    Divergence divergence(identity, node.store(), health, node.directory(), [&](MemberIndex to, Bytes question) {
      if (to != 2) return false;
      auto view = take(peer.store().snapshot());
      const auto body = ByteSpan(question).subspan(1);
      const bool tree = question[0] == static_cast<std::uint8_t>(PeerMessageKind::fetch_tree);
      auto answer = take(tree ? answer_fetch_tree(*view, body) : answer_fetch_stored(*view, body));
      EXPECT_TRUE(self->on_answer(to, answer));
      return true;
    });
    self = &divergence;
    auto path = divergence.write_down(chain.parent.height);
    EXPECT_TRUE(path) << path.error().message;
    if (!path) return {};
    std::stringstream text;
    text << std::ifstream(*path).rdbuf();
    return text.str();
  }
  static std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
  }

  Identity identity;
  Health health;
  TestNode peer;
  PointerId pointer;
};

TEST_F(DivergenceTest, ARowThatWasWrittenFromAFalsifiedOneIsNamed) {
  falsify();
  supersede();
  ASSERT_NE(node.view().head().state_root, peer.view().head().state_root);
  const auto text = write_down();
  EXPECT_EQ(count(text, "\"path\""), 1u) << text;
  EXPECT_NE(text.find("\"kind\": 2, \"key\": \"" + pointer.hex() + "\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"compared_with\": \"member 2\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"complete\": true"), std::string::npos);
  EXPECT_EQ(text.find(patient.hex()), std::string::npos) << "no values";
}

TEST_F(DivergenceTest, EqualStatesAreNotWrittenDown) {
  Divergence divergence(identity, node.store(), health, node.directory(), [](MemberIndex, Bytes) { return false; });
  divergence.stop();
  auto path = divergence.write_down(chain.parent.height);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, ErrorCode::UNAVAILABLE);
}

}  // namespace
}  // namespace galen::node
