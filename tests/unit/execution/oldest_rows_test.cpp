// A ledger that has lost one family's rows up to some day, and has those of the blocks since: opening it must tell.
#include "execution/oldest_rows.hpp"
#include "ledger/database.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

using ledger::Family;

class OldestRowsTest : public ExecutionTest {
 protected:
  void advance(int blocks) {
    for (int i = 0; i < blocks; ++i) ASSERT_EQ(run_one(1, chain.item(service_b, {ask()})), ErrorCode::OK);
  }
  ledger::StoreOptions options() const {
    ledger::StoreOptions options;
    options.directory = node.directory();
    options.context = chain.genesis.context();
    return options;
  }
  /// All rows that the family has so far; those to come are kept.
  void lose(Family family) {
    auto database = take(ledger::Database::open(options(), ledger::Database::Mode::open));
    auto batch = ledger::make_batch();
    batch.DeleteRange(database->family(family), rocksdb::Slice(), rocksdb::Slice("\xff\xff\xff\xff"));
    ASSERT_TRUE(database->write(batch).has_value());
    ASSERT_TRUE(database->flush().has_value());
  }
  Result<Height> start() {
    auto store = take(ledger::Store::open(options()));
    return Executor(chain.genesis, *store).start();
  }
};

TEST_F(OldestRowsTest, AWholeLedgerStarts) {
  advance(80);  // more than are looked at
  ASSERT_TRUE(node.store().checkpoint().has_value());
  node.stop();
  EXPECT_EQ(take(start()), chain.blocks.size());
}

TEST_F(OldestRowsTest, WhatAFamilyHasLostIsTold) {
  advance(3);
  ASSERT_TRUE(node.store().checkpoint().has_value());
  node.stop();
  for (auto [family, says] : {std::pair{Family::lists, "a list row of block 2"},
                              {Family::transactions, "the index row of a transaction in block 1"},
                              {Family::state, "state rows of genesis"}}) {
    lose(family);
    auto started = start();
    ASSERT_FALSE(started.has_value()) << says;
    EXPECT_EQ(started.error().code, ErrorCode::CORRUPT) << says;
    EXPECT_NE(started.error().message.find(says), std::string::npos) << started.error().message;
  }
}

}  // namespace
}  // namespace galen::execution::test
