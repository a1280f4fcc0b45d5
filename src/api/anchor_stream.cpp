// The one stream: see start_anchor_stream in reactors.hpp. Slots stand in the order of the requests; a slot is written
// when it is the first and has its answer. Reading pauses while stream_in_flight_max slots are open, which is how
// pressure reaches the client. Everything is under the mutex; gRPC is called without it, guarded by the flags. `self_`
// keeps the object while an answer of the gateway's threads is taken in: gRPC only knows of its own.
#include <algorithm>
#include <deque>
#include <memory>

#include "api/reactors.hpp"
#include "api/status_map.hpp"
#include "galen/base/log.hpp"
#include "galen/v1/record_service.pb.h"

namespace galen::api {

using galen::node::v1::Reply;

namespace {

constexpr socket::MethodInfo kBatch = *socket::find_method(socket::Method::anchor_record_batch);

class AnchorStream;

struct Slot final : Waiter {
  explicit Slot(AnchorStream& owner) : stream(owner) {}
  void on_reply(Reply&& reply) override;

  AnchorStream& stream;
  std::uint64_t call_id = 0;
  bool answered = false;
  std::string answer;
};

std::string failure_answer(const Failure& failure) {
  galen::v1::AnchorRecordBatchResponse response;
  response.set_reason(std::string(to_reason(failure.error.code)));
  response.set_message(full_message(failure.error));
  return response.SerializeAsString();
}

class AnchorStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  AnchorStream(Front& front, grpc::CallbackServerContext* context) : front_(front), context_(context), self_(this) {}

  void start() {
    ids_ = read_call_context(*context_, front_.limits.deadline_ms_max);
    if (auto failure = check_call_context(ids_)) {
      finished_ = true;
      Finish(refuse_call(*context_, ids_, "AnchorRecords", std::move(*failure)));
      return;
    }
    pump();
  }

  void OnReadDone(bool ok) override {
    Slot* slot = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (ok) slot = slots_.emplace_back(std::make_unique<Slot>(*this)).get();
      reads_ended_ = reads_ended_ || !ok;
    }
    if (slot != nullptr) begin(*slot);
    {
      std::lock_guard lock(mutex_);
      reading_ = false;
    }
    pump();
  }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      broken_ = broken_ || !ok;
    }
    pump();
  }

  void OnCancel() override {
    std::vector<std::uint64_t> ids;
    {
      std::lock_guard lock(mutex_);
      broken_ = true;
      for (const auto& slot : slots_)
        if (!slot->answered && slot->call_id != 0) ids.push_back(slot->call_id);
    }
    for (auto id : ids) take_back(id);
    pump();
  }

  void OnDone() override { self_.reset(); }

  void answer(Slot& slot, std::string&& bytes) {
    const auto keep = self_;  // once the slot is answered, another thread may finish the stream
    {
      std::lock_guard lock(mutex_);
      slot.answer = std::move(bytes);
      slot.answered = true;
    }
    pump();
  }

 private:
  // On gRPC's thread, one at a time: OnReadDone comes once per read. `reading_` is still set, so that nothing finishes
  // the stream meanwhile.
  void begin(Slot& slot) {
    auto refused = check_size(in_.Length(), front_.limits);
    std::uint64_t id = 0;
    if (!refused) {
      auto begun = front_.gateway.begin({.method = kBatch.method,
                                         .writes = kBatch.writes,
                                         .principal = *ids_.principal,
                                         .deadline_ms = front_.limits.deadline_ms_max,
                                         .traceparent = ids_.traceparent,
                                         .body = to_text(in_)},
                                        &slot);
      id = begun.call_id;
      if (id == 0) refused = std::move(begun.failure);
    }
    bool cancelled = false;
    {
      std::lock_guard lock(mutex_);
      // An answered slot may be written and gone by now.
      if (refused) {
        slot.answer = failure_answer(*refused);
        slot.answered = true;
      } else if (slots_.end() != std::find_if(slots_.begin(), slots_.end(),
                                              [&](const auto& open) { return open.get() == &slot; })) {
        slot.call_id = id;
        cancelled = broken_;
      }
    }
    if (cancelled) take_back(id);
  }

  void take_back(std::uint64_t id) {
    if (!front_.gateway.cancel(id)) return;  // its answer is on its way
    std::lock_guard lock(mutex_);
    for (auto& slot : slots_)
      if (slot->call_id == id) slot->answered = true;
  }

  void pump() {
    bool read = false, write = false, finish = false;
    {
      std::lock_guard lock(mutex_);
      while (!writing_ && !slots_.empty() && slots_.front()->answered) {
        if (!broken_) {
          out_ = to_buffer(std::move(slots_.front()->answer));
          writing_ = write = true;
        }
        slots_.pop_front();
      }
      if (!reads_ended_ && !reading_ && slots_.size() < front_.limits.stream_in_flight_max) reading_ = read = true;
      if (reads_ended_ && !reading_ && !writing_ && slots_.empty() && !finished_) finished_ = finish = true;
    }
    if (write) StartWrite(&out_);
    if (read) StartRead(&in_);
    if (finish) Finish(grpc::Status::OK);
  }

  Front& front_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<AnchorStream> self_;  // until OnDone
  CallContext ids_;
  grpc::ByteBuffer in_, out_;  // each belongs to gRPC while its flag is set
  std::mutex mutex_;
  std::deque<std::unique_ptr<Slot>> slots_;
  bool reading_ = false, writing_ = false, reads_ended_ = false, broken_ = false, finished_ = false;
};

void Slot::on_reply(Reply&& reply) {
  // A batch in which every item was anchored already serialises to itself too; only a failure is made here.
  if (reply.code() == 0)
    stream.answer(*this, std::move(*reply.mutable_response()));
  else
    stream.answer(*this, failure_answer(to_failure(std::move(reply))));
}

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* start_anchor_stream(Front& front,
                                                                                 grpc::CallbackServerContext* context) {
  auto* stream = new AnchorStream(front, context);
  stream->start();
  return stream;
}

}  // namespace galen::api
