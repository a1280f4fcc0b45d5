#include "galen/base/error.hpp"

namespace galen {

std::string_view to_reason(ErrorCode code) {
  switch (code) {
#define X(name, number, advice_text) \
  case ErrorCode::name:              \
    return #name;
    GALEN_ERROR_CODES(X)
#undef X
  }
  return "UNKNOWN";
}

std::string_view advice(ErrorCode code) {
  switch (code) {
#define X(name, number, advice_text) \
  case ErrorCode::name:              \
    return advice_text;
    GALEN_ERROR_CODES(X)
#undef X
  }
  return "";
}

ErrorCode error_code_from_reason(std::string_view reason) {
#define X(name, number, advice_text) \
  if (reason == #name) return ErrorCode::name;
  GALEN_ERROR_CODES(X)
#undef X
  return ErrorCode::INTERNAL;
}

}  // namespace galen
