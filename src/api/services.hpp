// The gRPC services, made from socket::kMethods instead of generated code: a method exists here exactly if it has a row
// there, and each takes and gives raw bytes. Built on what generated "raw callback" services are made of
// (grpc/impl/service_type.h); the names are checked against the protos' descriptors, which reflection serves.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <memory>
#include <vector>

#include "api/reactors.hpp"
#include "galen/base/result.hpp"

namespace galen::api {

struct Services {
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::vector<std::string> names;  ///< "galen.v1.RecordService", …
};

/// INTERNAL if table and protos do not name the same methods.
Result<Services> make_services(Front& front);

}  // namespace galen::api
