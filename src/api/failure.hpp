// Why a call is refused, as it travels inside the front end: from the node's reply, or made here.
#pragma once

#include <map>
#include <string>

#include "galen/base/result.hpp"

namespace galen::api {

struct Failure {
  Error error;
  std::uint32_t retry_after_ms = 0;            ///< 0: no hint
  std::map<std::string, std::string> details;  ///< e.g. missing_members
};

}  // namespace galen::api
