#include "galend/complain.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace galen {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::CONFIG_INVALID:
      return 2;
    case ErrorCode::DATA_DIR_LOCKED:
    case ErrorCode::KEY_FILE_READABLE:
    case ErrorCode::IDENTITY_IN_USE:
    case ErrorCode::ALREADY_EXISTS:
      return 3;
    default:
      return 1;
  }
}

int complain(const Error& error) {
  fmt::print(stderr, "galend: {} ({})\n", error.message, to_reason(error.code));
  // A message that says what to do needs no second advice: "run galend init" beside "put back the backup" misleads.
  const bool says_what_to_do =
      error.message.find("galend repair") != std::string::npos || error.message.find("backup") != std::string::npos;
  if (auto text = advice(error.code); !text.empty() && !says_what_to_do) fmt::print(stderr, "  {}\n", text);
  return exit_code(error.code);
}

}  // namespace galen
