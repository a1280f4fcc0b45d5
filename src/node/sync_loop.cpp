#include "node/sync_loop.hpp"

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"

namespace galen::node {
namespace {

constexpr std::uint64_t kIdleUs = 500'000;
constexpr std::uint64_t kRetryUs = 2'000'000;
constexpr std::uint64_t kRestStepUs = 50'000;
constexpr std::uint64_t kDeclinedUs = 60'000'000;

}  // namespace

SyncLoop::SyncLoop(const Identity& identity, ledger::Store& store, const ledger::StoreOptions& options, Health& health,
                   Height join_behind, Ports ports)
    : identity_(identity),
      store_(store),
      health_(health),
      join_behind_(join_behind),
      ports_(std::move(ports)),
      peers_(identity, ports_.send),
      joiner_(identity, options, join_behind, peers_,
              Joiner::Ports{.applied = [this] { return store_.applied_height().value_or(0); },
                            .pause_blocks = [this](bool paused) { joining_ = paused; },
                            .say = [this](std::string what) { publish(true, std::move(what)); },
                            .has_room = [this] { return !health_.disk_low; },
                            .own_lowest = [this] { return own_lowest(); }}),
      backfill_(identity, store, peers_) {}

SyncLoop::~SyncLoop() { stop(); }

void SyncLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void SyncLoop::stop() {
  peers_.close();
  if (thread_.joinable()) thread_.join();
}

void SyncLoop::run() {
  name_this_thread("sync");
  if (auto resumed = joiner_.resume(join_behind_ != 0); !resumed) return ports_.fatal(resumed.error());
  if (backfill_.due()) log::info("backfilling floor={}", store_.backfill_floor());
  else if (join_behind_ == 0) return peers_.close();  // nothing can become due: backfilling begins with a start
  while (!peers_.closed() && turn()) {
  }
}

bool SyncLoop::may_fetch_blocks(Height missing) {
  if (joining_) return false;
  if (join_behind_ == 0 || missing < join_behind_ || system_clock().monotonic_us() < declined_until_us_) return true;
  far_behind_ = true;
  return false;
}

bool SyncLoop::turn() {
  const bool far_behind = far_behind_.exchange(false);
  // What differs in a diverged node's state is for people to see: no snapshot takes its place.
  const bool diverged = health_.core().mode == galen::v1::NODE_MODE_DIVERGED;
  if (health_.disk_low || diverged) {
    if (far_behind) declined_until_us_ = system_clock().monotonic_us() + kDeclinedUs;
    publish(joiner_.under_way(), diverged ? "" : "waits for disk space");
    rest(kRetryUs);
    return true;
  }
  if (joiner_.under_way() || far_behind) return join();
  if (backfill_.due()) return backfill();
  publish(false, "");
  rest(kIdleUs);
  return true;
}

bool SyncLoop::join() {
  if (joiner_.under_way()) {
    joining_ = true;
    publish(true, "asks the other members for snapshots");
  }
  auto outcome = joiner_.attempt();
  if (!outcome) return ports_.fatal(outcome.error()), false;
  if (*outcome == Joiner::Outcome::complete) {
    publish(true, "opens the ledger of the snapshot");
    ports_.reopen();
    return false;
  }
  joining_ = joiner_.under_way();
  if (!joining_) declined_until_us_ = system_clock().monotonic_us() + kDeclinedUs;
  publish(joiner_.under_way(), joiner_.under_way() ? "waits for members that have the snapshot" : "");
  rest(kRetryUs);
  return true;
}

// Half of the time at most: voting and executing come first.
bool SyncLoop::backfill() {
  publish(false, "");
  const auto began = system_clock().monotonic_us();
  auto more = backfill_.step();
  if (!more) return ports_.fatal(more.error()), false;
  rest(*more ? std::min(system_clock().monotonic_us() - began, kRetryUs) : kRetryUs);
  return true;
}

Result<std::optional<ledger::PastWanted>> SyncLoop::own_lowest() const {
  std::optional<ledger::PastWanted> none;
  GALEN_ASSIGN(auto view, store_.snapshot());
  const auto height = std::max<Height>(store_.backfill_floor(), 1);
  if (view->height() < height) return none;
  GALEN_ASSIGN(auto info, view->info(height));
  if (!info) return Error{ErrorCode::CORRUPT, "the ledger's lowest block has no info row"};
  return std::optional(ledger::PastWanted{height, info->digest, info->results_root});
}

void SyncLoop::publish(bool joining, std::string detail) {
  health_.set_sync({joining, std::move(detail), peers_.banned()});
}

void SyncLoop::rest(std::uint64_t us) {
  for (; us > 0 && !peers_.closed(); us -= std::min(us, kRestStepUs))
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(us, kRestStepUs)));
}

}  // namespace galen::node
