// One run of the offline check: what its parts share. One thread walks; with VerifyOptions::jobs others check the signatures
// of what it has read. The scrub of a running node checks single blocks with the same code.
#pragma once

#include <map>
#include <mutex>
#include <thread>

#include "galen/base/bounded_queue.hpp"
#include "galen/base/clock.hpp"
#include "galen/ledger/history_tree.hpp"
#include "galen/ledger/verify.hpp"
#include "ledger/database.hpp"
#include "ledger/epoch_rows.hpp"
#include "ledger/past_store.hpp"
#include "ledger/view_state.hpp"

namespace galen::ledger {

/// Executes every block again in a scratch ledger and compares what comes out with what is stored.
class Replay {
 public:
  static Result<std::unique_ptr<Replay>> make(const VerifyOptions& options, const ChainContext& context);
  using Found = std::function<void(Height, const char* where, std::string what)>;
  /// Blocks in order from 0. An error of the executor is a finding, and ends the replay.
  void check(const BlockPtr& block, const BlockInfo& stored, const Database& database, const Found& found);
  /// After the last block: list rows that differ, are missing, or should not be there.
  Status finish(Database& database, Height height_last, const Found& found);
  bool running() const { return running_; }
  void stop() { running_ = false; }

 private:
  Replay() = default;
  static Status set_end_certificate(BlockUpdate& update, const Database& database);
  Status compare(const BlockUpdate& update, const BlockInfo& executed, const BlockInfo& stored,
                 const Database& database, const Found& found);

  BlockExecutor* executor_ = nullptr;
  std::unique_ptr<Store> scratch_;
  /// List rows that differ from the stored ones, with the block that wrote them: a later block may still replace them.
  std::map<std::string, Height> lists_differing_;
  bool running_ = true;
};

class Verification {
 public:
  Verification(const VerifyOptions& options, std::shared_ptr<Database> database);
  ~Verification();
  Status run(std::unique_ptr<Replay> replay);
  /// One block by itself, against the rows below it: a running node may do this for any height it has applied.
  void run_block(Height height);
  VerifyReport take_report() { return std::move(report_); }

 private:
  void found(Height height, const char* where, std::string what);
  Replay::Found finder();
  bool enough();
  Status find_last_height();
  void find_floor();
  /// The members of every epoch. `again`: links are verified from genesis on, else taken as this ledger's own.
  void load_epochs(bool again);
  /// What the walk compares its first block with comes from the rows below.
  void begin_at(Height height);
  /// Runs a check of signatures, which may add findings, here or on another thread. `bytes`: what it holds until then.
  void check_signatures(std::size_t bytes, std::function<void()> check);
  void start_jobs();
  void finish_jobs();
  void progress(Height height, bool now = false);

  // verify_blocks.cpp
  void check_block(Height height);
  std::optional<BlockInfo> check_info(Height height);
  void check_header(const BlockInfo& info);
  void check_epoch(const BlockHeader& header);
  void check_executed_roots(const BlockInfo& info);
  void check_history(const BlockInfo& info);
  BlockPtr check_body(const BlockInfo& info);
  void check_outcomes(const BlockInfo& info, const Block& block);
  void check_transaction_rows(const BlockInfo& info, const Block& block, const std::vector<ItemOutcome>& outcomes);
  void check_certificates(const BlockInfo& info);

  // verify_rows.cpp
  void check_state();
  void check_transaction_count();
  void check_readable(Family family);
  void check_tree();
  void check_files();

  const VerifyOptions& options_;
  std::shared_ptr<Database> database_;
  std::unique_ptr<View> view_;
  ChainContext context_;  ///< of the chain; each epoch's own is in epochs_
  EpochChain epochs_;     ///< as far as the stored links hold
  std::mutex report_mutex_;  ///< guards findings, certificates and certified_height of the report while jobs run
  VerifyReport report_;
  BoundedQueue<std::function<void()>> checks_{{.items_max = 256, .bytes_max = 64u << 20}};
  std::vector<std::thread> jobs_;
  std::unique_ptr<Replay> replay_;
  std::optional<BlockInfo> previous_;  ///< nothing after a block whose info row is damaged
  std::optional<HistoryTree> history_;
  std::uint64_t transactions_first_ = 0;  ///< index rows whose first occurrence was seen in a block
  bool blocks_whole_ = true;              ///< every body could be read
  std::uint64_t started_us_ = system_clock().monotonic_us();
  std::uint64_t progress_us_ = started_us_;
};

}  // namespace galen::ledger
