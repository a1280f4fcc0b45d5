#include "galen/vault/keyring.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "galen/base/crc32c.hpp"
#include "galen/vault/commitment.hpp"
#include "unit/suite.hpp"

namespace galen::vault {
namespace {

class KeyringTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-keyring-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    ASSERT_TRUE(MasterKey::create(directory_ + "/master.key"));
    master_ = MasterKey::load(directory_ + "/master.key").value();
    ASSERT_TRUE(Keyring::create(directory_, master_, galen::test::suite()));
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string file() const { return directory_ + "/keyring.bin"; }
  std::string content() const {
    std::ifstream in(file(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void damage(std::size_t offset) {
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
    const auto byte = static_cast<char>(content()[offset] ^ 1);
    out.seekp(static_cast<std::streamoff>(offset));
    out.put(byte);
  }

  static constexpr std::size_t kSlot = 512, kSecondCopy = 512 * kSlots;
  std::string directory_;
  MasterKey master_;
};

TEST_F(KeyringTest, KeepsItsKeysAndAddsEpochs) {
  crypto::AeadKey index, first_epoch, second_epoch;
  {
    auto keyring = Keyring::open(directory_, master_, galen::test::suite()).value();
    index = keyring.index_key();
    first_epoch = keyring.epoch_key(keyring.current_epoch()).value();
    const auto slot = keyring.add_epoch().value();
    EXPECT_EQ(slot, keyring.current_epoch());
    second_epoch = keyring.epoch_key(slot).value();
  }
  auto keyring = Keyring::open(directory_, master_, galen::test::suite()).value();
  EXPECT_EQ(keyring.index_key(), index);
  EXPECT_EQ(keyring.epoch_key(keyring.current_epoch()).value(), second_epoch);
  EXPECT_EQ(keyring.epoch_key(static_cast<SlotIndex>(keyring.current_epoch() - 1)).value(), first_epoch);
  EXPECT_EQ(keyring.epoch_key(0).error().code, ErrorCode::NOT_FOUND) << "not an epoch key";
  EXPECT_EQ(keyring.epoch_key(kSlots).error().code, ErrorCode::NOT_FOUND);
  for (const auto& key : {index, first_epoch, second_epoch}) EXPECT_EQ(content().find(key.str()), std::string::npos);
}

TEST_F(KeyringTest, AFreeSlotIsMendedToAFreeOne) {
  const auto whole = content();
  for (const std::size_t at : {529 * kSlot + 3, kSecondCopy + 529 * kSlot + 3}) {
    damage(at);
    EXPECT_EQ(Keyring::inspect(directory_).findings.size(), 1u) << at;
    ASSERT_TRUE(Keyring::open(directory_, master_, galen::test::suite())) << at;
    EXPECT_EQ(content(), whole) << at;
    EXPECT_TRUE(Keyring::open(directory_, master_, galen::test::suite())) << at;
  }
}

/// As releases to 0.1.0 left it when they mended one.
TEST_F(KeyringTest, ASealedFreeSlotIsFree) {
  ByteWriter slot;
  slot.raw("GKEY").u16(1).u8(0).u8(0).u16(7).u32(0).raw(Bytes(60, 0x5a)).raw(Bytes(kSlot - 14 - 60 - 4));
  slot.u32(crc32c(slot.bytes()));
  for (const std::size_t copy : {std::size_t{0}, kSecondCopy}) {
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(copy + 7 * kSlot));
    out << as_text(slot.bytes());
  }
  EXPECT_TRUE(Keyring::inspect(directory_).findings.empty());
  auto keyring = Keyring::open(directory_, master_, galen::test::suite());
  ASSERT_TRUE(keyring) << keyring.error().message;
  EXPECT_EQ(keyring->epochs().size(), 1u);
  {
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);  // it was killed between the copies
    out.seekp(kSecondCopy + 7 * kSlot);
    out << std::string(kSlot, '\0');
  }
  EXPECT_EQ(Keyring::inspect(directory_).findings.size(), 1u);
  ASSERT_TRUE(Keyring::open(directory_, master_, galen::test::suite()));
  EXPECT_TRUE(Keyring::inspect(directory_).findings.empty()) << "a start evens them out";
}

TEST_F(KeyringTest, OneDamagedCopyIsRepairedTwoAreRefused) {
  const auto before = content();
  for (std::size_t at : {std::size_t{0}, std::size_t{20}, kSlot - 1, kSlot + 30, kSecondCopy + 2 * kSlot + 5}) {
    damage(at);
    ASSERT_NE(content(), before);
    ASSERT_TRUE(Keyring::open(directory_, master_, galen::test::suite())) << at;
    auto repaired = content();
    ASSERT_EQ(repaired.size(), before.size());
    const auto slot = at % kSecondCopy / kSlot;
    EXPECT_EQ(repaired.substr(slot * kSlot, kSlot), repaired.substr(kSecondCopy + slot * kSlot, kSlot)) << at;
  }
  damage(20);
  damage(kSecondCopy + 40);
  auto refused = Keyring::open(directory_, master_, galen::test::suite());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CORRUPT);
}

TEST_F(KeyringTest, InspectNamesEveryFlippedByteOfAUsedSlotWithoutAKey) {
  EXPECT_TRUE(Keyring::inspect(directory_).findings.empty());
  for (std::size_t offset : {std::size_t{0}, std::size_t{20}, std::size_t{300}, kSlot - 1, kSecondCopy + kSlot + 5}) {
    damage(offset);
    auto findings = Keyring::inspect(directory_).findings;
    ASSERT_EQ(findings.size(), 1u) << offset;
    EXPECT_NE(findings[0].find("one copy"), std::string::npos);
    damage(offset);  // flips it back
  }
  damage(0);
  damage(kSecondCopy);
  EXPECT_NE(Keyring::inspect(directory_).findings.at(0).find("both copies"), std::string::npos);
  EXPECT_FALSE(Keyring::inspect(directory_).epochs) << "nobody knows what the slot held";
  std::filesystem::resize_file(file(), kSlot);
  EXPECT_EQ(Keyring::inspect(directory_).findings.size(), 1u);
  std::filesystem::remove(file());
  EXPECT_EQ(Keyring::inspect(directory_).findings.size(), 1u);
}

TEST_F(KeyringTest, InspectCountsTheKeysAsAStartDoes) {
  const auto whole = content();
  for (SlotIndex slot = 0; slot < 3; ++slot) {
    auto lacking = whole;
    for (std::size_t copy : {std::size_t{0}, kSecondCopy}) lacking.replace(copy + slot * kSlot, kSlot, kSlot, '\0');
    std::ofstream(file(), std::ios::binary) << lacking;
    const auto findings = Keyring::inspect(directory_).findings;
    ASSERT_EQ(findings.size(), 1u) << slot;
    EXPECT_EQ(findings[0], Keyring::open(directory_, master_, galen::test::suite()).error().message);
    EXPECT_NE(findings[0].find("keys are missing in the keyring: put back"), std::string::npos) << findings[0];
  }
  std::ofstream(file(), std::ios::binary) << std::string(whole.size(), '\0');
  EXPECT_EQ(Keyring::inspect(directory_).findings.size(), 1u);
}

TEST_F(KeyringTest, ASoundSlotInAnothersPlaceIsDamageToBoth) {
  auto moved = content();
  for (std::size_t copy : {std::size_t{0}, kSecondCopy}) moved.replace(copy + 3 * kSlot, kSlot, moved, copy, kSlot);
  std::ofstream(file(), std::ios::binary) << moved;
  const auto refused = Keyring::open(directory_, master_, galen::test::suite());
  ASSERT_FALSE(refused);
  EXPECT_EQ(Keyring::inspect(directory_).findings.at(0), refused.error().message);
}

// A circle of links: root cannot open it either.
TEST_F(KeyringTest, OneThatCannotBeOpenedIsNotToldAsLost) {
  std::filesystem::remove(file());
  std::filesystem::create_symlink("keyring.bin", file());
  for (const auto& said : {Keyring::open(directory_, master_, galen::test::suite()).error().message,
                           Keyring::inspect(directory_).findings.at(0)}) {
    EXPECT_NE(said.find(file()), std::string::npos) << said;
    EXPECT_EQ(said.find("backup"), std::string::npos) << said;
  }
}

TEST_F(KeyringTest, AnOlderCopyLacksASlotInUse) {
  const auto before = content();
  const auto slot = Keyring::open(directory_, master_, galen::test::suite()).value().add_epoch().value();
  const auto newer = Keyring::inspect(directory_).epochs.value();
  EXPECT_EQ(newer, Keyring::open(directory_, master_, galen::test::suite()).value().epochs());
  EXPECT_EQ(newer.back(), slot);
  EXPECT_TRUE(check_keyring_follows(newer, newer));
  std::ofstream(file(), std::ios::binary) << before;
  const auto status = check_keyring_follows(Keyring::inspect(directory_).epochs.value(), newer);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::CORRUPT);
  EXPECT_NE(status.error().message.find("older copy"), std::string::npos) << status.error().message;
}

TEST_F(KeyringTest, AReplacedKeyLeavesNothingBehind) {
  auto keyring = Keyring::open(directory_, master_, galen::test::suite()).value();
  const auto slot = keyring.current_epoch();
  const auto old_key = keyring.epoch_key(slot).value();
  const auto old_bytes = content().substr(slot * kSlot + 14, 60);  // the wrapped key behind the slot's head
  ASSERT_NE(content().find(old_bytes), std::string::npos);
  const auto new_key = keyring.replace_epoch(slot).value();
  EXPECT_NE(new_key, old_key);
  EXPECT_EQ(content().find(old_bytes), std::string::npos);
  EXPECT_EQ(Keyring::open(directory_, master_, galen::test::suite()).value().epoch_key(slot).value(), new_key);
}

TEST_F(KeyringTest, CutInTheMiddleOfAReplacementEitherKeyStands) {
  const auto before = content();
  auto keyring = Keyring::open(directory_, master_, galen::test::suite()).value();
  const auto slot = keyring.current_epoch();
  const auto new_key = keyring.replace_epoch(slot).value();
  auto cut = content();
  cut.replace(kSecondCopy + slot * kSlot, kSlot, before.substr(kSecondCopy + slot * kSlot, kSlot));
  std::ofstream(file(), std::ios::binary) << cut;
  EXPECT_EQ(Keyring::open(directory_, master_, galen::test::suite()).value().epoch_key(slot).value(), new_key);
  EXPECT_EQ(content().find(before.substr(slot * kSlot + 14, 60)), std::string::npos) << "the old copy is gone too";
}

// Nothing makes it again: who is told to run galend init is told that there is something already.
TEST_F(KeyringTest, MissingAndShortFilesNameTheBackup) {
  const auto refused = [this] {
    auto error = Keyring::open(directory_, master_, galen::test::suite()).error();
    for (const auto& said : {error.message, Keyring::inspect(directory_).findings.at(0)}) {
      EXPECT_NE(said.find("backup of keyring/"), std::string::npos) << said;
      EXPECT_EQ(said.find("galend init"), std::string::npos) << said;
    }
    return error.code;
  };
  std::filesystem::resize_file(file(), 1000);
  EXPECT_EQ(refused(), ErrorCode::CORRUPT);
  std::filesystem::remove(file());
  EXPECT_EQ(refused(), ErrorCode::DATA_DIR_MISSING);
}

// The value was computed with Python's hmac module from the layout in docs/spec/commitments.md.
TEST(CommitmentTest, FrozenVector) {
  RecordKey key;
  for (std::size_t i = 0; i < key.data.size(); ++i) key.data[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(commit(crypto::Suite::p256_sha256, key, ledger::v1::CANON_METHOD_RAW, as_bytes("{\"a\":1}")).hex(),
            "943601a8c06e63bbe42bac603004b6054d1be19cddfcf3fbf7b9b6ed3d3cbb2b");
  auto other = key;
  other.data[31] ^= 1;
  EXPECT_NE(commit(crypto::Suite::p256_sha256, key, ledger::v1::CANON_METHOD_RAW, as_bytes("x")),
            commit(crypto::Suite::p256_sha256, other, ledger::v1::CANON_METHOD_RAW, as_bytes("x")));
}

}  // namespace
}  // namespace galen::vault
