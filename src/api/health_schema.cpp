#include "api/health_schema.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>

#include <mutex>
#include <string>

#include "galen/base/assert.hpp"

namespace galen::api {
namespace {

// grpc/health/v1/health.proto as gRPC publishes it.
constexpr const char* kSchema = R"(
name: "grpc/health/v1/health.proto" package: "grpc.health.v1" syntax: "proto3"
message_type { name: "HealthCheckRequest"
  field { name: "service" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "service" } }
message_type { name: "HealthCheckResponse"
  field { name: "status" number: 1 label: LABEL_OPTIONAL type: TYPE_ENUM json_name: "status"
          type_name: ".grpc.health.v1.HealthCheckResponse.ServingStatus" }
  enum_type { name: "ServingStatus" value { name: "UNKNOWN" number: 0 } value { name: "SERVING" number: 1 }
              value { name: "NOT_SERVING" number: 2 } value { name: "SERVICE_UNKNOWN" number: 3 } } }
service { name: "Health"
  method { name: "Check" input_type: ".grpc.health.v1.HealthCheckRequest"
           output_type: ".grpc.health.v1.HealthCheckResponse" }
  method { name: "Watch" input_type: ".grpc.health.v1.HealthCheckRequest"
           output_type: ".grpc.health.v1.HealthCheckResponse" server_streaming: true } }
)";

std::string encoded_schema() {
  google::protobuf::FileDescriptorProto file;
  GALEN_ASSERT(google::protobuf::TextFormat::ParseFromString(kSchema, &file));
  return file.SerializeAsString();
}

}  // namespace

void add_health_schema() {
  // The pool keeps the pointer.
  static const std::string encoded = encoded_schema();
  static std::once_flag once;
  std::call_once(once, [] {
    google::protobuf::DescriptorPool::InternalAddGeneratedFile(encoded.data(), static_cast<int>(encoded.size()));
  });
}

}  // namespace galen::api
