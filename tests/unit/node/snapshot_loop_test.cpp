// Snapshots made in the background: one that is made, and what a disk that fails under it ends.
#include "node/snapshot_loop.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "unit/execution/chain_fixture.hpp"
#include "unit/node/told.hpp"

namespace galen::node {
namespace {

class SnapshotLoopTest : public execution::test::ExecutionTest {
 protected:
  SnapshotLoopTest()
      : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]},
        files(node.directory()),
        loop(identity, node.store(), files, health, 2,
             {.in_use = [](Height) { return false; }, .fatal = [this](const Error& error) { fatal.put(error.code); }}) {
  }
  /// Blocks 2 and 3, of which the latter names the former's state: a snapshot of height 2 is due.
  void make_one_due() {
    loop.on_executed();
    auto executed = run({});
    loop.on_executed();
    auto certifying = chain.block({}, &executed);
    node.apply(certifying);
    EXPECT_TRUE(node.store().put_certificate(chain.commit_certificate(certifying->skeleton.header)));
    loop.start();
    loop.on_executed();
  }

  Identity identity;
  Health health;
  ledger::SnapshotFiles files;
  test::Told<ErrorCode> fatal;
  SnapshotLoop loop;
};

TEST_F(SnapshotLoopTest, MakesOneOfTheHeightThatIsDue) {
  make_one_due();
  const auto until = std::chrono::steady_clock::now() + test::kPatience;
  while (files.heights().empty() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(files.heights(), std::vector<Height>{2});
  loop.stop();
  EXPECT_TRUE(fatal.empty());
}

TEST_F(SnapshotLoopTest, AWriteThatFailsEndsTheProcess) {
  std::ofstream(node.directory() + "/snapshots") << "a file where the folder should be";
  make_one_due();
  EXPECT_EQ(fatal.next(), ErrorCode::IO_ERROR);
}

TEST_F(SnapshotLoopTest, NothingIsWrittenToAFullDiskAndNothingEnds) {
  std::ofstream(node.directory() + "/snapshots") << "a file where the folder should be";
  health.disk_low = true;
  make_one_due();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  loop.stop();
  EXPECT_TRUE(fatal.empty());
}

}  // namespace
}  // namespace galen::node
