// Result<T>: a value or an Error; Status: success or an Error. Both are [[nodiscard]] and -Werror=unused-result is on; to
// drop one on purpose call .ignore("why"). tl::expected stands behind it until std::expected exists (ADR 0003).
#pragma once

#include <tl/expected.hpp>

#include "galen/base/error.hpp"

namespace galen {

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result(Error error) : Base(tl::unexpected<Error>(std::move(error))) {}  // NOLINT(google-explicit-constructor)
  Result(ErrorCode code, std::string message) : Result(Error{code, std::move(message)}) {}
  void ignore([[maybe_unused]] const char* reason) const {}
};

template <>
class [[nodiscard]] Result<void> : public tl::expected<void, Error> {
 public:
  using Base = tl::expected<void, Error>;
  Result() = default;
  Result(Error error) : Base(tl::unexpected<Error>(std::move(error))) {}  // NOLINT(google-explicit-constructor)
  Result(ErrorCode code, std::string message) : Result(Error{code, std::move(message)}) {}
  void ignore([[maybe_unused]] const char* reason) const {}
};

using Status = Result<void>;

inline Error make_error(ErrorCode code, std::string message) { return Error{code, std::move(message)}; }

}  // namespace galen

/// Returns the error of a Result expression from the enclosing function.
#define GALEN_TRY(expression)                                \
  do {                                                       \
    if (auto galen_try_ = (expression); !galen_try_)         \
      return std::move(galen_try_).error();                  \
  } while (0)

#define GALEN_CONCAT_(a, b) a##b
#define GALEN_CONCAT(a, b) GALEN_CONCAT_(a, b)
/// GALEN_ASSIGN(auto x, f()): the value of f(), or return its error.
#define GALEN_ASSIGN(declaration, expression)                                       \
  auto GALEN_CONCAT(galen_result_, __LINE__) = (expression);                        \
  if (!GALEN_CONCAT(galen_result_, __LINE__))                                       \
    return std::move(GALEN_CONCAT(galen_result_, __LINE__)).error();                \
  declaration = std::move(*GALEN_CONCAT(galen_result_, __LINE__))
