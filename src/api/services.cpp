#include "api/services.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>

#include <algorithm>
#include <deque>

#include "galen/v1/access_service.pb.h"
#include "galen/v1/consent_service.pb.h"
#include "galen/v1/governance_service.pb.h"
#include "galen/v1/ledger_service.pb.h"
#include "galen/v1/node_service.pb.h"
#include "galen/v1/patient_service.pb.h"
#include "galen/v1/record_service.pb.h"

namespace galen::api {

namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using grpc::internal::CallbackBidiHandler;
using grpc::internal::CallbackServerStreamingHandler;
using grpc::internal::CallbackUnaryHandler;
using grpc::internal::RpcMethod;
using grpc::internal::RpcServiceMethod;

constexpr std::string_view kStreamService = "galen.v1.RecordService";
constexpr std::string_view kStreamMethod = "AnchorRecords";

class RawService final : public grpc::Service {
 public:
  void add_unary(Front& front, const socket::MethodInfo& info) {
    add(info.service, info.name, RpcMethod::NORMAL_RPC,
        new CallbackUnaryHandler<ByteBuffer, ByteBuffer>(
            [&front, &info](CallbackServerContext* context, const ByteBuffer* request, ByteBuffer* response) {
              return start_unary(front, info, context, request, response);
            }));
  }
  void add_event_stream(Front& front, const socket::MethodInfo& info) {
    add(info.service, info.name, RpcMethod::SERVER_STREAMING,
        new CallbackServerStreamingHandler<ByteBuffer, ByteBuffer>(
            [&front](CallbackServerContext* context, const ByteBuffer* request) {
              return start_event_stream(front, context, *request);
            }));
  }
  void add_anchor_stream(Front& front) {
    add(kStreamService, kStreamMethod, RpcMethod::BIDI_STREAMING,
        new CallbackBidiHandler<ByteBuffer, ByteBuffer>(
            [&front](CallbackServerContext* context) { return start_anchor_stream(front, context); }));
  }

 private:
  void add(std::string_view service, std::string_view name, RpcMethod::RpcType type,
           grpc::internal::MethodHandler* handler) {
    const auto& path = paths_.emplace_back(fmt::format("/{}/{}", service, name));
    AddMethod(new RpcServiceMethod(path.c_str(), type, nullptr));
    MarkMethodRawCallback(static_cast<int>(paths_.size()) - 1, handler);
  }
  std::deque<std::string> paths_;  // gRPC keeps pointers into it
};

// Naming a message of each file also keeps the linker from leaving its descriptors out.
const google::protobuf::FileDescriptor* files[] = {
    galen::v1::DecideRequest::descriptor()->file(),       galen::v1::GetConsentRequest::descriptor()->file(),
    galen::v1::GetHeadRequest::descriptor()->file(),      galen::v1::GetStatusRequest::descriptor()->file(),
    galen::v1::GetPrincipalRequest::descriptor()->file(), galen::v1::AnchorRecordRequest::descriptor()->file(),
    galen::v1::ListMembersRequest::descriptor()->file()};

Status check_against_protos() {
  std::size_t declared = 0;
  for (const auto* file : files)
    for (int s = 0; s < file->service_count(); ++s)
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        declared += 1;
        const bool known = std::any_of(socket::kMethods.begin(), socket::kMethods.end(), [&](const auto& row) {
          return row.service == method->service()->full_name() && row.name == method->name() &&
                 row.streams == method->server_streaming();
        });
        if (method->client_streaming() ? method->name() != kStreamMethod : !known)
          return make_error(ErrorCode::INTERNAL, fmt::format("{} has no row in the method table", method->full_name()));
      }
  if (declared != socket::kMethods.size() + 1)
    return make_error(ErrorCode::INTERNAL, "the method table names a method that no proto declares");
  return {};
}

}  // namespace

Result<Services> make_services(Front& front) {
  GALEN_TRY(check_against_protos());
  Services made;
  std::vector<RawService*> raw;
  for (const auto& info : socket::kMethods) {
    auto at = std::find(made.names.begin(), made.names.end(), info.service) - made.names.begin();
    if (static_cast<std::size_t>(at) == made.names.size()) {
      auto service = std::make_unique<RawService>();
      raw.push_back(service.get());
      made.names.emplace_back(info.service);
      made.services.push_back(std::move(service));
      if (info.service == kStreamService) raw.back()->add_anchor_stream(front);
    }
    auto& service = *raw[static_cast<std::size_t>(at)];
    if (info.streams)
      service.add_event_stream(front, info);
    else
      service.add_unary(front, info);
  }
  return made;
}

}  // namespace galen::api
