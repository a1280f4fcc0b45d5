#include "api/gateway.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"

namespace galen::api {

using galen::node::v1::Call;
using galen::node::v1::Cancel;
using galen::node::v1::Hello;
using galen::node::v1::Reply;

namespace {

constexpr auto kTick = std::chrono::milliseconds(100);

Gateway::Begun refuse(ErrorCode code, std::string why, std::uint32_t retry_after_ms) {
  Gateway::Begun begun;
  begun.failure.error = make_error(code, std::move(why));
  begun.failure.retry_after_ms = retry_after_ms;
  return begun;
}

Reply failed_reply(ErrorCode code, std::string why, std::uint32_t retry_after_ms) {
  Reply reply;
  reply.set_code(static_cast<std::uint32_t>(code));
  reply.set_message(std::move(why));
  reply.set_retry_after_ms(retry_after_ms);
  return reply;
}

constexpr const char* kNodeGone = "the node behind this front end is restarting or stopped";

}  // namespace

Gateway::Gateway(int node_fd, Limits limits, Handlers handlers)
    : limits_(limits),
      handlers_(std::move(handlers)),
      // Higher than all of an earlier front end: a late answer to one of its calls must not answer one of ours.
      last_id_(static_cast<std::uint64_t>(Clock::now().time_since_epoch() / std::chrono::nanoseconds(1))) {
  socket::Channel::Handlers on;
  on.on_hello = [this](Hello&& hello) { on_hello(std::move(hello)); };
  on.on_reply = [this](Reply&& reply) { on_reply(std::move(reply)); };
  on.on_closed = [this](const Error& why) { on_channel_closed(why); };
  channel_ = std::make_unique<socket::Channel>(node_fd, std::move(on), limits_.channel);
}

Gateway::~Gateway() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ticker_wakes_.notify_all();
  if (ticker_.joinable()) ticker_.join();  // it sends on the channel
  channel_.reset();                        // ends every waiter, through on_channel_closed
}

void Gateway::start() {
  channel_->start();
  ticker_ = std::thread([this] {
    name_this_thread("ticker");
    tick_loop();
  });
}

void Gateway::greet(const std::vector<std::string>& listening) {
  Hello hello;
  hello.set_version_min(socket::kProtocolVersion);
  hello.set_version_max(socket::kProtocolVersion);
  hello.set_build(GALEN_BUILD);
  for (const auto& address : listening) hello.add_listening(address);
  channel_->send(hello).ignore("a closed channel is told by on_closed");
}

Gateway::Begun Gateway::begin(Request&& request, Waiter* waiter) {
  Call call;
  call.set_method(static_cast<std::uint32_t>(request.method));
  call.set_deadline_ms(request.deadline_ms);
  call.set_principal(request.principal.data.data(), request.principal.kSize);
  call.set_traceparent(std::move(request.traceparent));
  call.set_request(std::move(request.body));
  const auto ends = Clock::now() + std::chrono::milliseconds(request.deadline_ms + kGraceMs);
  std::uint64_t id = 0;
  {
    std::lock_guard lock(mutex_);
    if (closed_ || !greeted_) return refuse(ErrorCode::UNAVAILABLE, kNodeGone, 1'000);
    auto& open = request.writes ? figures_.writes_open : figures_.reads_open;
    const auto credits = request.writes ? limits_.write_credits : limits_.read_credits;
    if (open >= credits) {
      figures_.refused += 1;
      return refuse(ErrorCode::RESOURCE_EXHAUSTED,
                    fmt::format("{} {} calls are in progress, which is this node's limit", open,
                                request.writes ? "write" : "read"),
                    kRetryAfterMs);
    }
    open += 1;
    figures_.calls += 1;
    id = ++last_id_;
    open_.emplace(id, Open{waiter, request.writes, ends});
  }
  call.set_call_id(id);
  auto sent = channel_->send(call);
  if (sent) return Begun{id, {}};

  std::lock_guard lock(mutex_);
  const auto found = open_.find(id);
  // Gone: the channel closed meanwhile, and the waiter has heard so.
  if (found == open_.end()) return Begun{id, {}};
  give_back(found->second);
  open_.erase(found);
  figures_.refused += 1;
  const auto code = sent.error().code;
  return refuse(code, code == ErrorCode::UNAVAILABLE ? kNodeGone : sent.error().message,
                code == ErrorCode::TOO_LARGE ? 0 : kRetryAfterMs);
}

bool Gateway::cancel(std::uint64_t call_id) {
  {
    std::lock_guard lock(mutex_);
    const auto found = open_.find(call_id);
    if (found == open_.end() || found->second.waiter == nullptr) return false;
    found->second.waiter = nullptr;
    found->second.ends = Clock::now() + std::chrono::milliseconds(kAbandonedMs);
    figures_.cancelled += 1;
  }
  send_cancel(call_id);
  return true;
}

Gateway::Figures Gateway::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

bool Gateway::greeted() const {
  std::lock_guard lock(mutex_);
  return greeted_;
}

void Gateway::on_hello(Hello&& hello) {
  {
    std::lock_guard lock(mutex_);
    if (hello.write_credits() > 0) limits_.write_credits = std::min(limits_.write_credits, hello.write_credits());
    if (hello.read_credits() > 0) limits_.read_credits = std::min(limits_.read_credits, hello.read_credits());
    greeted_ = true;
  }
  log::info("node greeted build={} write_credits={} read_credits={}", hello.build(), limits_.write_credits,
            limits_.read_credits);
  if (handlers_.on_greeted) handlers_.on_greeted();
}

void Gateway::on_reply(Reply&& reply) {
  Waiter* waiter = nullptr;
  {
    std::lock_guard lock(mutex_);
    const auto found = open_.find(reply.call_id());
    if (found == open_.end()) return;  // abandoned long ago
    waiter = found->second.waiter;
    give_back(found->second);
    open_.erase(found);
  }
  if (waiter != nullptr) waiter->on_reply(std::move(reply));
}

void Gateway::on_channel_closed(const Error& why) {
  std::unordered_map<std::uint64_t, Open> ended;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    ended.swap(open_);
    figures_.writes_open = figures_.reads_open = 0;
  }
  for (const auto& [id, open] : ended)
    if (open.waiter != nullptr) open.waiter->on_reply(failed_reply(ErrorCode::UNAVAILABLE, kNodeGone, 1'000));
  if (handlers_.on_closed) handlers_.on_closed(why);
}

void Gateway::tick_loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    ticker_wakes_.wait_for(lock, kTick);
    if (open_.empty()) continue;
    lock.unlock();
    expire(Clock::now());
    lock.lock();
  }
}

void Gateway::expire(Clock::time_point now) {
  std::vector<std::pair<std::uint64_t, Waiter*>> late;
  {
    std::lock_guard lock(mutex_);
    for (auto at = open_.begin(); at != open_.end();) {
      auto& open = at->second;
      if (open.ends > now) {
        ++at;
      } else if (open.waiter != nullptr) {
        late.emplace_back(at->first, std::exchange(open.waiter, nullptr));
        open.ends = now + std::chrono::milliseconds(kAbandonedMs);
        figures_.expired += 1;
        ++at;
      } else {
        give_back(open);
        at = open_.erase(at);
      }
    }
  }
  for (const auto& [id, waiter] : late) {
    send_cancel(id);
    waiter->on_reply(failed_reply(ErrorCode::DEADLINE_EXCEEDED, "the node did not answer before the deadline", 0));
  }
}

void Gateway::give_back(const Open& open) {
  auto& count = open.writes ? figures_.writes_open : figures_.reads_open;
  GALEN_ASSERT(count > 0);
  count -= 1;
}

void Gateway::send_cancel(std::uint64_t call_id) {
  Cancel cancel;
  cancel.set_call_id(call_id);
  channel_->send(cancel).ignore("the node has the call's deadline too");
}

}  // namespace galen::api
