// Layouts of the ledger's rows: they read back, and no truncated, extended or lying row gets through or makes us
// allocate.
#include "galen/ledger/rows.hpp"

#include "ledger/database.hpp"
#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {
namespace {

/// `decode` takes the bytes and nothing that is shorter or longer.
template <class Decode>
void expect_exact_length(const Bytes& bytes, Decode decode) {
  ASSERT_TRUE(decode(bytes).has_value());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    auto decoded = decode(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
    ASSERT_FALSE(decoded.has_value()) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::CORRUPT);
  }
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer).has_value());
  auto other_format = bytes;
  other_format[0] = 9;
  EXPECT_FALSE(decode(other_format).has_value());
}

TEST(RowsTest, outcomesReadBackAndNothingElseDoes) {
  std::vector<ItemOutcome> outcomes{{0, {to_bytes("a"), {}}}, {302, {}}, {0, {Bytes(300, 7)}}};
  auto bytes = encode_outcomes(outcomes);
  EXPECT_EQ(decode_outcomes(bytes).value(), outcomes);
  expect_exact_length(bytes, [](const Bytes& row) { return decode_outcomes(row); });
  EXPECT_TRUE(decode_outcomes(encode_outcomes({})).value().empty());
}

TEST(RowsTest, countsThatTheRowCannotHoldAreRefusedBeforeAllocating) {
  EXPECT_FALSE(decode_outcomes(ByteWriter().u8(1).u32(0xffffffff).bytes()).has_value());
  EXPECT_FALSE(decode_outcomes(ByteWriter().u8(1).u32(1).u32(0).u32(0xffffffff).bytes()).has_value());
  EXPECT_FALSE(decode_outcomes(ByteWriter().u8(1).u32(1).u32(0).u32(1).u32(0xffffffff).bytes()).has_value());
  EXPECT_FALSE(decode_changes(ByteWriter().u8(1).u32(0xffffffff).bytes()).has_value());
}

TEST(RowsTest, transactionRowsReadBack) {
  TransactionEntry first{3, 0, 7, 0, 50}, latest{9, 1, 2, 300, 90};
  expect_exact_length(TransactionRow(first, latest).encode(), [](const Bytes& row) {
    // Cut after the first entry it is a whole row of its own, which is not what is asked here.
    return row.size() == 29 ? Result<TransactionRow>(ErrorCode::CORRUPT, "") : TransactionRow::decode(row);
  });
  EXPECT_EQ(TransactionRow::decode(TransactionRow(first).encode()).value(), TransactionRow(first));
}

TEST(RowsTest, blockInfoReadsBack) {
  Rng rng(3);
  BlockInfo info;
  info.header.chain_id = random_id<Hash>(rng);
  info.header.height = 77;
  info.digest = random_id<Hash>(rng);
  info.outcome_root = random_id<Hash>(rng);
  info.results_root = random_id<Hash>(rng);
  info.state_root = random_id<Hash>(rng);
  info.item_count = 5;
  info.body_bytes = 1234;
  info.history_nodes = {random_id<Hash>(rng), random_id<Hash>(rng)};
  EXPECT_EQ(BlockInfo::decode(info.encode()).value(), info);
  expect_exact_length(info.encode(), [](const Bytes& row) { return BlockInfo::decode(row); });
}

TEST(RowsTest, changedKeysReadBack) {
  std::map<std::string, std::optional<Bytes>> rows{{"\x01key", Bytes{1}}, {"\x02other", std::nullopt}};
  auto bytes = encode_changes(rows);
  EXPECT_EQ(decode_changes(bytes).value(), (std::vector<std::string>{"\x01key", "\x02other"}));
  expect_exact_length(bytes, [](const Bytes& row) { return decode_changes(row); });
}

TEST(RowsTest, listKeysSortBySequenceAndNoListIsInsideAnother) {
  EXPECT_LT(list_row_key(1, as_bytes("k"), 255), list_row_key(1, as_bytes("k"), 256));
  auto prefix = list_row_prefix(1, as_bytes("k"));
  EXPECT_EQ(list_row_key(1, as_bytes("k"), 0).compare(0, prefix.size(), prefix), 0);
  // A key that continues with what could be a sequence is still another list.
  auto longer = list_row_key(1, as_bytes(std::string("k\0\0\0\0\0\0\0\0", 9)), 0);
  EXPECT_NE(longer.compare(0, prefix.size(), prefix), 0);
  EXPECT_LT(block_key(1, BlockPart::outcomes), block_key(2, BlockPart::info));
}

}  // namespace
}  // namespace galen::ledger::test
