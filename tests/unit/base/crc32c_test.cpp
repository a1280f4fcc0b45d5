#include "galen/base/crc32c.hpp"

#include <gtest/gtest.h>

#include "galen/base/rng.hpp"

namespace galen {
namespace {

TEST(Crc32cTest, PublishedVectors) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c(Bytes(32, 0)), 0x8a9136aaU);  // RFC 3720 B.4
  EXPECT_EQ(crc32c(Bytes(32, 0xff)), 0x62a8ab43U);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32cTest, GoesOnWhereItStopped) {
  Rng rng(7);
  Bytes bytes(1000);
  for (auto& b : bytes) b = static_cast<std::uint8_t>(rng.next());
  const auto whole = crc32c(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 13)
    EXPECT_EQ(crc32c(ByteSpan(bytes).subspan(cut), crc32c(ByteSpan(bytes).first(cut))), whole) << cut;
}

}  // namespace
}  // namespace galen
