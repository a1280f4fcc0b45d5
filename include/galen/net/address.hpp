// "host:port" texts, for whoever reads them from a file before the mesh does. Pure, any thread.
#pragma once

#include <string>

#include "galen/base/result.hpp"

namespace galen::net {

struct HostPort {
  std::string host;
  std::string port;
};
/// "host:port", "1.2.3.4:port" or "[v6]:port". CONFIG_INVALID says what is wrong with it.
Result<HostPort> split_address(const std::string& address);

}  // namespace galen::net
