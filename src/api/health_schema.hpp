// The schema of grpc.health.v1.Health. gRPC serves that service by itself and lists it by reflection, but has no
// descriptor of it: a tool that walks the list (buf curl --list-methods) failed there.
#pragma once

namespace galen::api {

/// Makes it known to reflection. Before the server starts; later calls do nothing.
void add_health_schema();

}  // namespace galen::api
