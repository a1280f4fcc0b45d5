#include "galend/complain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace galen {
namespace {

// A message that says what to do needs no second advice: "run galend init" beside "put back the backup" misleads.
bool says_what_to_do(std::string_view message) {
  constexpr std::string_view kWords[] = {"galend repair", "backup", "runuser", "put back the genesis.json"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](auto words) { return message.find(words) != std::string_view::npos; });
}

}  // namespace

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
  if (auto text = advice(error.code); !text.empty() && !says_what_to_do(error.message))
    fmt::print(stderr, "  {}\n", text);
  return exit_code(error.code);
}

}  // namespace galen
