#include "galen/execution/executor.hpp"

#include "execution/oldest_rows.hpp"

namespace galen::execution {

Executor::Executor(const Genesis& genesis, ledger::Store& store) : genesis_(genesis), store_(store), runner_(genesis) {}

Result<Height> Executor::start() {
  auto run = runner_.run_genesis();
  if (auto height = store_.applied_height()) {
    GALEN_TRY(check_oldest_rows(genesis_, run.update, store_));
    return *height;
  }
  GALEN_TRY(store_.apply(run.update));
  return Height{0};
}

Height Executor::applied_height() const {
  auto height = store_.applied_height();
  GALEN_ASSERT(height.has_value());
  return *height;
}

Result<ExecutedBlock> Executor::apply(const BlockPtr& block) {
  const auto& header = block->skeleton.header;
  const auto applied = applied_height();
  ExecutedBlock executed{.height = header.height, .time_ms = header.time_ms};

  if (header.height <= applied) {
    GALEN_ASSIGN(auto info, store_.latest().info(header.height));
    if (!info || info->header != header)
      return make_error(ErrorCode::CORRUPT, "Another block was applied at this height before.");
    executed.digest = info->digest;
    executed.state_root = info->state_root;
    executed.results_root = info->results_root;
    executed.replayed = true;
    GALEN_ASSIGN(auto now, membership());
    if (now.next && now.epoch == header.epoch && now.next->since <= header.height)
      executed.next_members = std::move(now.next->members);
    GALEN_ASSIGN(auto leadership, load_leadership(store_.latest()));
    executed.leader_skips = std::move(leadership.skips);
    return executed;
  }

  GALEN_ASSERT(header.height == applied + 1);
  GALEN_ASSIGN(auto run, runner_.run(store_.latest(), block));
  GALEN_ASSERT(run.items.size() == run.update.outcomes().size());
  GALEN_ASSIGN(auto done, store_.apply(run.update));
  executed.digest = done.info.digest;
  executed.state_root = done.info.state_root;
  executed.results_root = done.info.results_root;
  executed.items = std::move(run.items);
  executed.next_members = std::move(run.next_members);
  executed.leader_skips = std::move(run.leader_skips);
  executed.rows = done.rows;
  executed.bytes = done.bytes;
  return executed;
}

}  // namespace galen::execution
