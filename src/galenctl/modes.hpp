// Words for the enumerations of the API, as people and JSON read them.
#pragma once

#include <string>

#include "galen/v1/node_service.pb.h"
#include "galen/v1/types.pb.h"

namespace galen::galenctl {

/// NODE_MODE_CATCHING_UP -> "CATCHING_UP"
inline std::string mode_name(v1::NodeMode mode) {
  auto name = v1::NodeMode_Name(mode);
  return name.substr(name.find("MODE_") + 5);
}
/// TRANSACTION_STATE_COMMITTED -> "COMMITTED"
inline std::string state_name(v1::TransactionState state) {
  auto name = v1::TransactionState_Name(state);
  return name.substr(name.find("STATE_") + 6);
}

}  // namespace galen::galenctl
