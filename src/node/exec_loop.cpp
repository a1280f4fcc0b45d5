#include "node/exec_loop.hpp"

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"

namespace galen::node {
namespace {

constexpr std::size_t kEarlyCertificatesMax = 64;
/// Between checkpoints, which may be a day apart where little happens: so much of what was acknowledged has its keys in
/// the log alone, and is lost with it.
constexpr std::uint64_t kKeysInLogOnlyUs = 60'000'000;

}  // namespace

ExecLoop::ExecLoop(execution::Executor& executor, ledger::Store& store, Health& health, Ports ports)
    : executor_(executor),
      store_(store),
      health_(health),
      ports_(std::move(ports)),
      queue_({.items_max = 4096, .bytes_max = 64u << 20}) {}

ExecLoop::~ExecLoop() { stop(); }

void ExecLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void ExecLoop::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
  if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
}

void ExecLoop::push(CommittedBlock block) {
  std::size_t bytes = 0;
  for (const auto& batch : block.block->batches) bytes += batch->bytes().size();
  queue_.push(std::move(block), bytes);
}
void ExecLoop::push(ExecutedCertificate certificate) { queue_.push(std::move(certificate)); }

void ExecLoop::run() {
  name_this_thread("exec");
  for (;;) {
    auto work = queue_.pop();
    if (!work) return;
    if (!handle(*work)) return;
  }
}

bool ExecLoop::handle(Work& work) {
  if (auto* certificate = std::get_if<ExecutedCertificate>(&work)) {
    if (certificate->subject.height > executor_.applied_height()) {
      if (early_.size() < kEarlyCertificatesMax) early_.push_back(std::move(*certificate));
      return true;
    }
    if (auto status = store_.put_certificate(*certificate); !status) return ports_.fatal(status.error()), false;
    ports_.certified();
    return true;
  }
  auto& committed = std::get<CommittedBlock>(work);
  auto began = system_clock().monotonic_us();
  auto executed = executor_.apply(committed.block);
  if (!executed) return ports_.fatal(executed.error()), false;
  if (committed.certificate) {
    if (auto status = store_.put_certificate(*committed.certificate); !status) return ports_.fatal(status.error()), false;
  }
  for (auto& certificate : std::exchange(early_, {})) {
    Work again(std::move(certificate));
    if (!handle(again)) return false;
  }
  const auto now = system_clock().monotonic_us();
  health_.counters.execute_us += now - began;
  health_.execute_times.add(now, now - began);
  ++health_.counters.blocks;
  health_.counters.transactions += executed->items.size();
  ports_.executed(std::make_shared<const execution::ExecutedBlock>(std::move(*executed)));
  checkpoint_if_due();
  return true;
}

void ExecLoop::checkpoint_if_due() {
  if (checkpointing_) return;
  const bool whole = ports_.checkpoint_due() || checkpoint_wanted_;
  const auto now = system_clock().monotonic_us();
  if (!whole && !(now - keys_flushed_us_ >= kKeysInLogOnlyUs && ports_.has_keys_to_flush())) return;
  if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
  checkpointing_ = true;
  keys_flushed_us_ = now;
  if (whole) checkpoint_wanted_ = false;
  checkpoint_thread_ = std::thread([this, whole] {
    name_this_thread("checkpoint");
    if (auto status = whole ? checkpoint() : ports_.flush_keys(); !status) return ports_.fatal(status.error());
    checkpointing_ = false;
  });
}

Status ExecLoop::checkpoint() {
  auto began = system_clock().monotonic_us();
  GALEN_ASSIGN(auto height, store_.checkpoint());
  GALEN_TRY(ports_.checkpointed(height));
  ++health_.counters.checkpoints;
  log::info("checkpoint height={} took_ms={}", height, (system_clock().monotonic_us() - began) / 1000);
  return {};
}

}  // namespace galen::node
