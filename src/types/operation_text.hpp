// One line of text for an operation, for people who read a verified receipt. Private to types.
#pragma once

#include <string>

#include "galen/ledger/v1/transaction.pb.h"

namespace galen {

std::string operation_text(const ledger::v1::Operation& operation);

}  // namespace galen
