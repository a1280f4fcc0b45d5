// Receipts and proofs over changes of members, built from a ledger and verified with genesis alone.
#include "galen/execution/proofs.hpp"
#include "galen/execution/receipts.hpp"
#include "galen/types/evidence.hpp"
#include "unit/ledger/test_chain.hpp"

namespace galen::execution {
namespace {

using ledger::test::TempDir;
using ledger::test::TestChain;

/// Epochs end at 3 (a member joins), 6 (a key is rotated) and 8 (a member leaves); the chain stands at 10.
class EpochsTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = ledger::Store::create(chain_.options(dir_)).value();
    for (Height height = 0; height <= 10; ++height) {
      const auto& now = chain_.members(chain_.epoch());
      auto applied = height == 3   ? chain_.end_epoch(*store_, now.add(chain_.rng()))
                     : height == 6 ? chain_.end_epoch(*store_, now.rotate(1))
                     : height == 8 ? chain_.end_epoch(*store_, now.remove(3))
                                   : chain_.advance(*store_, 2);
      ASSERT_OK(applied);
      // Some heights are certified at once, the others by a later header.
      ASSERT_TRUE(height % 2 == 1 || store_->put_certificate(chain_.executed_certificate(height)));
    }
  }
  const ledger::View& view() const { return store_->latest(); }
  TransactionId id_at(Height height) const { return chain_.transaction_ids(height)[0]; }
  Epoch epoch_of(Height height) const { return chain_.block(height)->skeleton.header.epoch; }
  /// Of a file that was written and read again.
  template <class File, class Check>
  ErrorCode verify(const File& file, Check check) const {
    auto again = File::decode(file.encode());
    if (!again) return again.error().code;
    auto verdict = check(chain_.genesis(), *again);
    return verdict ? ErrorCode::OK : verdict.error().code;
  }
  ErrorCode verify(const TransactionProofFile& file) const { return verify(file, verify_transaction_file); }
  ErrorCode verify(const StateProofFile& file) const { return verify(file, verify_state_file); }
  ErrorCode verify(const ConsistencyProofFile& file) const { return verify(file, verify_consistency_file); }

  TempDir dir_;
  TestChain chain_;
  std::unique_ptr<ledger::Store> store_;
};

TEST_F(EpochsTest, EveryReceiptVerifiesFromGenesis) {
  for (Height height = 1; height <= 9; ++height) {
    auto receipt = build_receipt(chain_.context(), view(), id_at(height));
    ASSERT_OK(receipt);
    EXPECT_EQ(receipt->has_confirmation(), height % 2 == 1) << height;
    const auto certified = receipt->has_confirmation() ? height + 1 : height;
    EXPECT_EQ(receipt->epochs_size(), static_cast<int>(epoch_of(certified)) - 1) << height;
    auto verdict = verify_receipt(chain_.genesis(), *receipt);
    ASSERT_TRUE(verdict) << height << ": " << verdict.error().message;
    EXPECT_EQ(verdict->certified_by.epoch, epoch_of(certified));
    EXPECT_EQ(verdict->certified_by.members, chain_.members(epoch_of(certified)).members.size());
    auto again = decode_receipt_file(encode_receipt_file(*receipt));
    ASSERT_OK(again);
    EXPECT_TRUE(verify_receipt(chain_.genesis(), *again));
    if (receipt->epochs_size() == 0) continue;
    receipt->mutable_epochs()->RemoveLast();
    EXPECT_EQ(verify_receipt(chain_.genesis(), *receipt).error().code, ErrorCode::BAD_PROOF) << height;
  }
}

TEST_F(EpochsTest, ARetryIsAnsweredTheSameButForItsCertificate) {
  auto bare = build_uncertified_receipt(chain_.context(), view(), id_at(3));
  ASSERT_OK(bare);
  EXPECT_EQ(bare->epochs_size(), 0) << "the block that ends epoch 1 is of epoch 1";
  bare = build_uncertified_receipt(chain_.context(), view(), id_at(9));
  ASSERT_OK(bare);
  EXPECT_EQ(bare->epochs_size(), 3);
}

TEST_F(EpochsTest, ProofsCarryTheLinksTheyNeed) {
  CertifyOptions far;
  far.at_height = 10;
  for (Height height = 1; height <= 9; ++height) {
    auto nearest = build_transaction_proof(chain_.context(), view(), id_at(height), {}, {});
    ASSERT_OK(nearest);
    EXPECT_EQ(verify(*nearest), ErrorCode::OK) << height;
    auto through = build_transaction_proof(chain_.context(), view(), id_at(height), {}, far);
    ASSERT_OK(through);
    EXPECT_EQ(through->epochs.size(), 3u);
    EXPECT_EQ(verify(*through), ErrorCode::OK) << height;
    auto cut = *through;
    cut.epochs.pop_back();
    EXPECT_EQ(verify(cut), ErrorCode::BAD_PROOF);
  }
  auto row = build_state_proof(chain_.context(), view(), ledger::test::kRecordKind, id_at(2), 0, {});
  ASSERT_OK(row);
  EXPECT_EQ(row->epochs.size(), 3u);
  EXPECT_EQ(verify(*row), ErrorCode::OK);
  auto consistency = build_consistency_proof(chain_.context(), view(), 2, 7);
  ASSERT_OK(consistency);
  EXPECT_EQ(consistency->epochs.size(), 2u) << "as far as the certified header, no further";
  EXPECT_EQ(verify(*consistency), ErrorCode::OK);
}

TEST_F(EpochsTest, ABlockBelowAnOpenEndIsNotConfirmedThroughIt) {
  const auto next = chain_.members(4).add(chain_.rng());
  ASSERT_TRUE(chain_.end_epoch(*store_, next, false).has_value());
  EXPECT_EQ(build_receipt(chain_.context(), view(), id_at(11)).error().code, ErrorCode::UNAVAILABLE);
  ASSERT_TRUE(store_->put_certificate(chain_.commit_certificate(11)));
  ASSERT_TRUE(chain_.advance(*store_, 1).has_value());
  auto receipt = build_receipt(chain_.context(), view(), id_at(11));
  ASSERT_OK(receipt);
  EXPECT_EQ(receipt->epochs_size(), 4);
  EXPECT_TRUE(verify_receipt(chain_.genesis(), *receipt));
}

}  // namespace
}  // namespace galen::execution
