// H03: the commitment on chain is keyed, with a fresh key for each version. Who has the chain alone can test no guess,
// not even with all identifiers that a hospital could have given out.
#include "galen/vault/commitment.hpp"

#include <gtest/gtest.h>

#include <random>

#include "galen/crypto/random.hpp"
#include "unit/suite.hpp"

namespace galen::vault {
namespace {

const auto kSuite = galen::test::suite();
constexpr auto kRaw = ledger::v1::CANON_METHOD_RAW;
constexpr std::uint32_t kNumbers = 1'000'000;

/// A document that holds nothing but a medical record number: six digits, the worst there is to hide.
class Document {
 public:
  explicit Document(std::uint32_t number) { set(number); }
  ByteSpan set(std::uint32_t number) {
    for (std::size_t i = 0; i < 6; ++i, number /= 10) text_[kAt + 5 - i] = static_cast<char>('0' + number % 10);
    return bytes();
  }
  ByteSpan bytes() const { return as_bytes(text_); }

 private:
  static constexpr std::size_t kAt = 56;
  std::string text_ = R"({"resourceType":"Patient","identifier":[{"value":"MRN-00)"
                      "000000"
                      R"("}]})";
};

TEST(CommitmentTest, EqualBytesGiveUnrelatedCommitments) {
  Document document(271828);
  auto one = crypto::random_fixed<RecordKey>(), other = crypto::random_fixed<RecordKey>();
  EXPECT_NE(commit(kSuite, one, kRaw, document.bytes()), commit(kSuite, other, kRaw, document.bytes()));
  EXPECT_EQ(commit(kSuite, one, kRaw, document.bytes()), commit(kSuite, one, kRaw, document.bytes()));
}

TEST(CommitmentTest, AnyWrongKeyAndAnyOtherBytesFail) {
  Document document(314159);
  const auto key = crypto::random_fixed<RecordKey>();
  const auto made = commit(kSuite, key, kRaw, document.bytes());
  for (std::size_t bit = 0; bit < 8 * RecordKey::kSize; ++bit) {
    auto wrong = key;
    wrong.data[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_NE(commit(kSuite, wrong, kRaw, document.bytes()), made) << "bit " << bit;
  }
  auto bytes = to_bytes(document.bytes());
  for (auto& byte : bytes) {
    byte ^= 1;
    EXPECT_NE(commit(kSuite, key, kRaw, bytes), made);
    byte ^= 1;
  }
  bytes.push_back(0);
  EXPECT_NE(commit(kSuite, key, kRaw, bytes), made);
}

TEST(CommitmentTest, ADictionaryOfAllNumbersFindsNothingWithoutTheKey) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::uint32_t secret = random() % kNumbers;
  const auto key = crypto::random_fixed<RecordKey>();
  const auto pointer = crypto::random_fixed<RecordKey>();  // stands on chain beside the commitment
  Document document(secret);
  const auto on_chain = commit(kSuite, key, kRaw, document.bytes());

  // What somebody without the key can do: hash as it is, or take for a key what everybody knows.
  ByteWriter prefix;
  prefix.raw("galen1").u8(static_cast<std::uint8_t>(kRaw)).u64(document.bytes().size());
  std::uint32_t tried = 0;
  for (std::uint32_t number = 0; number < kNumbers; ++number, ++tried) {
    auto guess = document.set(number);
    ASSERT_NE(crypto::hash(kSuite, guess), on_chain);
    ASSERT_NE(crypto::hash(kSuite, {prefix.bytes(), guess}), on_chain);
    ASSERT_NE(commit(kSuite, RecordKey{}, kRaw, guess), on_chain);
    ASSERT_NE(commit(kSuite, pointer, kRaw, guess), on_chain);
  }
  EXPECT_EQ(tried, kNumbers);

  // The same search with the key finds the number, and no other: it is the key that hides it, nothing else.
  std::vector<std::uint32_t> found;
  for (std::uint32_t number = 0; number < kNumbers; ++number)
    if (commit(kSuite, key, kRaw, document.set(number)) == on_chain) found.push_back(number);
  EXPECT_EQ(found, std::vector{secret});
}

}  // namespace
}  // namespace galen::vault
