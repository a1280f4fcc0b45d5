// The file that keeps what the log held for a damaged vault.
#include "node/kept_outbox.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::random_id;
using execution::test::take;

class KeptOutboxTest : public testing::Test {
 protected:
  LogReplay::Entry entry(LogSeq seq) const { return {seq, Bytes(seq % 50 + 1, static_cast<std::uint8_t>(seq))}; }

  Rng rng{11};
  const RequestId log = random_id<RequestId>(rng), other = random_id<RequestId>(rng);
  execution::test::TempDir dir;
};

TEST_F(KeptOutboxTest, WhatIsHereAlreadyIsNotAddedAgain) {
  KeptOutbox kept;
  EXPECT_TRUE(kept.add(log, std::vector{entry(7), entry(9)}));
  EXPECT_FALSE(kept.add(log, std::vector{entry(7), entry(9)}));
  EXPECT_TRUE(kept.add(log, std::vector{entry(9), entry(30)}));
  EXPECT_TRUE(kept.add(other, std::vector{entry(9)})) << "of a log that was begun anew";
  ASSERT_EQ(kept.records.size(), 4u);
  const std::vector<LogSeq> expected{7, 9, 30, 9};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(kept.records[i].seq, expected[i]);
  EXPECT_EQ(kept.end_of(log), 31u);
  EXPECT_EQ(kept.end_of(other), 10u);
  EXPECT_EQ(kept.end_of(random_id<RequestId>(rng)), 0u);
}

TEST_F(KeptOutboxTest, ComesBackFromTheFileThoughOneCopyIsDamaged) {
  EXPECT_FALSE(take(load_kept_outbox(dir.path()))) << "no file";
  KeptOutbox kept{{log, 41, true}, {}};
  kept.add(log, std::vector{entry(50), entry(60)});
  ASSERT_TRUE(save_kept_outbox(dir.path(), kept));
  const auto path = dir.path() + "/vault.outbox";
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(path));
  const auto flip = [&](std::streamoff offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(offset);
    file.put(byte);
  };
  for (std::streamoff offset = 0; offset < size; offset += 3) {
    flip(offset);
    const auto back = take(load_kept_outbox(dir.path()));
    ASSERT_TRUE(back) << offset;
    EXPECT_EQ(back->records, kept.records) << offset;
    EXPECT_EQ(back->reach.log_id, log);
    EXPECT_EQ(back->reach.oldest_seq, 41u);
    EXPECT_TRUE(back->reach.started_over);
    flip(offset);
  }
  flip(1);
  flip(size / 2 + 1);
  EXPECT_EQ(load_kept_outbox(dir.path()).error().code, ErrorCode::CORRUPT);
  ASSERT_TRUE(remove_kept_outbox(dir.path()));
  EXPECT_FALSE(take(load_kept_outbox(dir.path())));
}

TEST_F(KeptOutboxTest, ForeignBytesAreRefused) {
  EXPECT_FALSE(KeptOutbox::decode({}));
  EXPECT_FALSE(KeptOutbox::decode(to_bytes(std::string_view("seven.."))));
  auto bytes = KeptOutbox{{log, 1, false}, {}}.encode();
  bytes.pop_back();
  EXPECT_FALSE(KeptOutbox::decode(bytes));
}

}  // namespace
}  // namespace galen::node
