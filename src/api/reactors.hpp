// The reactions to clients' calls. One class serves every unary method: it hands the request's bytes to the node and the
// node's bytes to the client, without parsing either (the node checks them; the front end could not vouch for anything).
// Reactions run on gRPC's callback threads and never block; replies arrive on the channel's reader thread.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "api/call_context.hpp"
#include "api/gateway.hpp"

namespace galen::api {

struct CallLimits {
  std::uint32_t deadline_ms_max = 30'000;           ///< default of a call without a deadline, and cap of one with
  std::size_t message_bytes_max = 4 * 1024 * 1024;  ///< one request message
  std::size_t stream_in_flight_max = 8;             ///< messages of one stream at the node
  std::size_t event_streams_max = 256;              ///< open at once, a page of at most 64 KiB each
};

/// What every reaction needs; outlives the gRPC server.
struct Front {
  Gateway& gateway;
  CallLimits limits;
};

std::string to_text(const grpc::ByteBuffer& buffer);
/// Takes over the text's memory.
grpc::ByteBuffer to_buffer(std::string&& text);
Failure to_failure(galen::node::v1::Reply&& reply);
/// TOO_LARGE, or nothing.
std::optional<Failure> check_size(std::size_t bytes, const CallLimits& limits);

/// Starts a unary call; the reactor deletes itself.
grpc::ServerUnaryReactor* start_unary(Front& front, const socket::MethodInfo& method,
                                      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response);

/// RecordService.AnchorRecords: each message is an anchor_record_batch call of its own, a few in flight, answers in the
/// order of the requests. An error concerns one message and stands in its answer.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* start_anchor_stream(Front& front,
                                                                                 grpc::CallbackServerContext* context);

/// LedgerService.StreamEvents: asks the node for one page after the other, the next when the client has taken the last.
grpc::ServerWriteReactor<grpc::ByteBuffer>* start_event_stream(Front& front, grpc::CallbackServerContext* context,
                                                               const grpc::ByteBuffer& request);

/// Answers every method without a row in socket::kMethods: UNIMPLEMENTED, with reason and advice like any other error.
class UnknownMethods final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;
};

}  // namespace galen::api
