// LedgerService.StreamEvents: see start_event_stream in reactors.hpp. The node is asked for one page at a time, the
// next only when gRPC has taken the one before; so a client that does not read holds one page here and nothing at the
// node. A client that let a page wait for kStalledMs is told what happened meanwhile (EventsBehind), which the node
// works out. State under the mutex; gRPC and the gateway are called without it. `self_` keeps the object while a
// reaction of the gateway's threads runs: gRPC only knows of its own.
#include <atomic>
#include <memory>
#include <mutex>

#include "api/reactors.hpp"
#include "api/status_map.hpp"
#include "galen/base/log.hpp"
#include "galen/v1/ledger_service.pb.h"

namespace galen::api {

using galen::node::v1::Reply;

namespace {

using Clock = std::chrono::steady_clock;

constexpr socket::MethodInfo kEvents = *socket::find_method(socket::Method::stream_events);
constexpr std::uint32_t kHeartbeatMsMin = 1'000, kHeartbeatMsDefault = 15'000, kHeartbeatMsMax = 30'000;
constexpr std::uint32_t kAnswerMs = 10'000;  // beyond the wait, before the node counts as silent
constexpr std::uint64_t kStalledMs = 2'000;

std::atomic<std::size_t> open_streams{0};

std::uint64_t ms_since(Clock::time_point then) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - then).count());
}

class EventStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public Waiter {
 public:
  EventStream(Front& front, grpc::CallbackServerContext* context) : front_(front), context_(context), self_(this) {
    over_limit_ = open_streams.fetch_add(1) >= front.limits.event_streams_max;
  }
  ~EventStream() override { --open_streams; }

  void start(const grpc::ByteBuffer& request) {
    ids_ = read_call_context(*context_, front_.limits.deadline_ms_max);
    if (auto failure = check_call_context(ids_)) return finish(std::move(*failure));
    if (auto failure = check_size(request.Length(), front_.limits)) return finish(std::move(*failure));
    if (over_limit_)
      return finish({make_error(ErrorCode::RESOURCE_EXHAUSTED, "the most streams of events this node gives are open"),
                     1'000,
                     {}});
    galen::v1::StreamEventsRequest parsed;
    const auto text = to_text(request);
    if (!parsed.ParseFromString(text))
      return finish({make_error(ErrorCode::MALFORMED, "the request does not parse"), 0, {}});
    heartbeat_ms_ = parsed.heartbeat_ms() == 0 ? kHeartbeatMsDefault : parsed.heartbeat_ms();
    if (heartbeat_ms_ < kHeartbeatMsMin || heartbeat_ms_ > kHeartbeatMsMax)
      return finish({make_error(ErrorCode::INVALID_ARGUMENT, "heartbeat_ms is 0 or 1,000 to 30,000"), 0, {}});
    until_head_ = parsed.until_head();
    read_.set_request(text);
    StartSendInitialMetadata();  // so that a client knows that it is heard, before the first event
    ask();
  }

  void on_reply(Reply&& reply) override {
    const auto keep = self_;
    {
      std::lock_guard lock(mutex_);
      asking_ = false;
    }
    if (reply.code() != 0) return finish(to_failure(std::move(reply)));
    galen::node::v1::EventPage page;
    if (!page.ParseFromString(reply.response()))
      return finish({make_error(ErrorCode::INTERNAL, "the node's page of events does not parse"), 0, {}});
    read_.set_cursor(page.cursor());
    at_end_ = until_head_ && page.at_head();
    out_ = to_buffer(std::move(*page.mutable_message()));
    bool cancelled = false;
    {
      std::lock_guard lock(mutex_);
      cancelled = cancelled_;
      writing_ = !cancelled;
    }
    if (cancelled) return finish(cancelled_failure());
    write_began_ = Clock::now();
    StartWrite(&out_);
  }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      cancelled_ = cancelled_ || !ok;
    }
    const auto waited_ms = ms_since(write_began_);
    read_.set_stalled_ms(waited_ms >= kStalledMs ? waited_ms : 0);
    if (ok && at_end_) return finish_ok();
    ask();
  }

  void OnCancel() override {
    std::uint64_t id = 0;
    {
      std::lock_guard lock(mutex_);
      cancelled_ = true;
      // A write in progress ends by itself, and a call that is just being begun looks at cancelled_ then.
      if (asking_ && !writing_) id = call_id_;
    }
    if (id != 0 && front_.gateway.cancel(id)) finish(cancelled_failure());
  }

  void OnDone() override { self_.reset(); }

 private:
  static Failure cancelled_failure() {
    return {make_error(ErrorCode::CANCELLED, "the client cancelled the stream or its deadline passed"), 0, {}};
  }

  // Asks the node for the next page. One call at a time, so `read_` and `call_id_` belong to whoever asks.
  void ask() {
    const auto keep = self_;
    std::uint64_t turn = 0;
    bool cancelled = false;
    {
      std::lock_guard lock(mutex_);
      cancelled = cancelled_;
      asking_ = !cancelled;
      call_id_ = 0;
      turn = ++turn_;
    }
    if (cancelled) return finish(cancelled_failure());
    read_.set_wait_ms(heartbeat_ms_);
    auto begun = front_.gateway.begin({.method = kEvents.method,
                                       .writes = kEvents.writes,
                                       .principal = *ids_.principal,
                                       .deadline_ms = heartbeat_ms_ + kAnswerMs,
                                       .traceparent = ids_.traceparent,
                                       .body = read_.SerializeAsString()},
                                      this);
    if (begun.call_id == 0) return finish(std::move(begun.failure));
    {
      std::lock_guard lock(mutex_);
      if (!asking_ || turn != turn_) return;  // answered already
      call_id_ = begun.call_id;
      cancelled = cancelled_;
    }
    if (cancelled && front_.gateway.cancel(begun.call_id)) finish(cancelled_failure());
  }

  void finish(Failure failure) {
    if (!first_finish()) return;
    Finish(refuse_call(*context_, ids_, kEvents.name, std::move(failure)));
  }
  void finish_ok() {
    if (first_finish()) Finish(grpc::Status::OK);
  }
  bool first_finish() {
    std::lock_guard lock(mutex_);
    return !std::exchange(finished_, true);
  }

  Front& front_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<EventStream> self_;  // until OnDone
  CallContext ids_;
  bool over_limit_ = false, until_head_ = false;
  std::uint32_t heartbeat_ms_ = kHeartbeatMsDefault;
  // Of whoever holds the turn: asking, then writing.
  galen::node::v1::ReadEvents read_;
  bool at_end_ = false;
  grpc::ByteBuffer out_;
  Clock::time_point write_began_;

  std::mutex mutex_;
  std::uint64_t call_id_ = 0, turn_ = 0;
  bool asking_ = false, writing_ = false, cancelled_ = false, finished_ = false;
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* start_event_stream(Front& front, grpc::CallbackServerContext* context,
                                                               const grpc::ByteBuffer& request) {
  auto* stream = new EventStream(front, context);
  stream->start(request);
  return stream;
}

}  // namespace galen::api
