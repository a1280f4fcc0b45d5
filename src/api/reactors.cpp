#include "api/reactors.hpp"

#include <fmt/format.h>

#include "galen/base/log.hpp"

namespace galen::api {

using galen::node::v1::Reply;

std::string to_text(const grpc::ByteBuffer& buffer) {
  std::string text;
  grpc::Slice single;
  if (buffer.TrySingleSlice(&single).ok()) {
    text.assign(reinterpret_cast<const char*>(single.begin()), single.size());
    return text;
  }
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return text;
  text.reserve(buffer.Length());
  for (const auto& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

grpc::ByteBuffer to_buffer(std::string&& text) {
  constexpr std::size_t kCopyBelow = 1024;
  if (text.size() < kCopyBelow) {
    grpc::Slice slice(text.data(), text.size());
    return grpc::ByteBuffer(&slice, 1);
  }
  auto* kept = new std::string(std::move(text));
  grpc::Slice slice(
      kept->data(), kept->size(), [](void* owner) { delete static_cast<std::string*>(owner); }, kept);
  return grpc::ByteBuffer(&slice, 1);
}

Failure to_failure(Reply&& reply) {
  Failure failure;
  failure.error = make_error(static_cast<ErrorCode>(reply.code()), std::move(*reply.mutable_message()));
  failure.retry_after_ms = reply.retry_after_ms();
  for (auto& [name, value] : *reply.mutable_details()) failure.details.emplace(name, std::move(value));
  return failure;
}

std::optional<Failure> check_size(std::size_t bytes, const CallLimits& limits) {
  if (bytes <= limits.message_bytes_max) return std::nullopt;
  Failure failure;
  failure.error = make_error(ErrorCode::TOO_LARGE, fmt::format("a request of {} bytes is over the limit of {}", bytes,
                                                               limits.message_bytes_max));
  failure.details["limit_bytes"] = std::to_string(limits.message_bytes_max);
  return failure;
}

namespace {

// begin() stands at the end of start(): a reply may arrive on another thread before it returns. gRPC keeps the reactor
// until the handler has returned it, and a Finish before that is kept for then.
class UnaryReactor final : public grpc::ServerUnaryReactor, public Waiter {
 public:
  UnaryReactor(Front& front, const socket::MethodInfo& method, grpc::CallbackServerContext* context,
               grpc::ByteBuffer* response)
      : front_(front), method_(method), context_(context), response_(response) {}

  void start(const grpc::ByteBuffer& request) {
    ids_ = read_call_context(*context_, front_.limits.deadline_ms_max);
    if (auto failure = check_call_context(ids_)) return fail(std::move(*failure));
    if (auto failure = check_size(request.Length(), front_.limits)) return fail(std::move(*failure));
    auto begun = front_.gateway.begin(
        {.method = method_.method,
         .writes = method_.writes,
         .principal = *ids_.principal,
         .deadline_ms = ids_.deadline_ms,
         .traceparent = ids_.traceparent,
         .body = to_text(request)},
        this);
    if (begun.call_id == 0) return fail(std::move(begun.failure));
    call_id_ = begun.call_id;
  }

  void on_reply(Reply&& reply) override {
    if (reply.code() != 0) return fail(to_failure(std::move(reply)));
    *response_ = to_buffer(std::move(*reply.mutable_response()));
    log::debug("call answered method={} traceparent={} request_id={}", method_.name, ids_.traceparent, ids_.request_id);
    Finish(grpc::Status::OK);
  }

  void OnCancel() override {
    if (!front_.gateway.cancel(call_id_)) return;  // finished, or just being finished
    fail({make_error(ErrorCode::CANCELLED, "the client cancelled the call or its deadline passed"), 0, {}});
  }

  void OnDone() override { delete this; }

 private:
  void fail(Failure failure) { Finish(refuse_call(*context_, ids_, method_.name, std::move(failure))); }

  Front& front_;
  const socket::MethodInfo& method_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer* const response_;
  CallContext ids_;
  std::uint64_t call_id_ = 0;
};

class RefusingReactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit RefusingReactor(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerUnaryReactor* start_unary(Front& front, const socket::MethodInfo& method,
                                      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) {
  auto* reactor = new UnaryReactor(front, method, context, response);
  reactor->start(*request);
  return reactor;
}

grpc::ServerGenericBidiReactor* UnknownMethods::CreateReactor(grpc::GenericCallbackServerContext* context) {
  Failure failure;
  failure.error = make_error(ErrorCode::UNIMPLEMENTED, "there is no such method");
  // The name is the client's: bounded, and quoted nowhere but here.
  if (context->method().size() <= 100) failure.details["method"] = context->method();
  return new RefusingReactor(refuse_call(*context, read_call_context(*context, 0), "unknown", std::move(failure)));
}

}  // namespace galen::api
