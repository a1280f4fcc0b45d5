// The text of a cursor: what is written is read, and nothing else is.
#include "galen/types/event_cursor.hpp"

#include <gtest/gtest.h>

#include "galen/base/rng.hpp"
#include "unit/test_seed.hpp"

namespace galen {
namespace {

const std::string kChain = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

EventCursor sample() { return {*Hash::parse_hex(kChain), 17, 3, 1}; }

TEST(EventCursorTest, TheTextIsTheOneOfTheSpec) {
  EXPECT_EQ(sample().encode(), kChain + ":17:3:1");
  EXPECT_EQ(EventCursor::at_block(sample().chain_id, 0).encode(), kChain + ":0:0:0");
}

TEST(EventCursorTest, WhatIsWrittenIsRead) {
  for (const auto& cursor :
       {sample(), EventCursor{{}, 0, 0, 0}, EventCursor{sample().chain_id, UINT64_MAX, UINT32_MAX, UINT32_MAX}}) {
    auto read = EventCursor::decode(cursor.encode());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, cursor);
  }
}

TEST(EventCursorTest, NothingElseIsRead) {
  const std::string upper = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff";
  for (const auto& text : {std::string(),
                           kChain,
                           kChain + ":",
                           kChain + ":1",
                           kChain + ":1:2",
                           kChain + ":1:2:",
                           kChain + ":1:2:3:",
                           kChain + ":1:2:3:4",
                           kChain + ":01:2:3",
                           kChain + ":1:02:3",
                           kChain + ":1:2:03",
                           kChain + ":+1:2:3",
                           kChain + ":-1:2:3",
                           kChain + ": 1:2:3",
                           kChain + ":1:2:3 ",
                           kChain + ":1 :2:3",
                           kChain + ":a:2:3",
                           kChain + "::2:3",
                           kChain + ":18446744073709551616:0:0",
                           kChain + ":1:4294967296:0",
                           kChain + ":1:0:4294967296",
                           upper + ":1:2:3",
                           kChain.substr(1) + ":1:2:3",
                           "0" + kChain + ":1:2:3",
                           kChain + "x1:2:3",
                           kChain + ":1:2:3" + std::string(100, '0'),
                           kChain + ":1:2:3" + std::string(1, '\0')}) {
    auto read = EventCursor::decode(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::INVALID_ARGUMENT);
  }
}

TEST(EventCursorTest, AChangedTextIsAnotherCursorOrNone) {
  const auto seed = test::test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  const auto text = EventCursor{sample().chain_id, 1'234'567, 4'095, 999}.encode();
  for (int i = 0; i < 20'000; ++i) {
    auto changed = text;
    changed[rng.below(changed.size())] = static_cast<char>(rng.below(256));
    if (auto read = EventCursor::decode(changed)) EXPECT_EQ(read->encode(), changed);
  }
}

TEST(EventCursorTest, OrderIsHeightThenTransactionThenEvent) {
  const auto chain = sample().chain_id;
  const std::vector<EventCursor> ascending = {
      {chain, 0, 9, 9}, {chain, 1, 0, 5}, {chain, 1, 2, 0}, {chain, 1, 2, 1}, {chain, 2, 0, 0}};
  for (std::size_t i = 0; i < ascending.size(); ++i)
    for (std::size_t j = 0; j < ascending.size(); ++j) EXPECT_EQ(ascending[i].is_before(ascending[j]), i < j);
}

}  // namespace
}  // namespace galen
