// The few protobuf wire elements Galen accepts: minimal varints, little-endian fixed64, length-delimited bytes
// (docs/spec/formats.md 4.1). Every step says whether it succeeded; nothing is copied.
#pragma once

#include <optional>

#include "galen/base/bytes.hpp"

namespace galen {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2 };

class WireReader {
 public:
  explicit WireReader(ByteSpan in) : in_(in) {}
  bool empty() const { return in_.empty(); }

  /// Nothing if it is cut short, does not fit 64 bits, or has a shorter form.
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 10 && i < in_.size(); ++i) {
      std::uint64_t byte = in_[i];
      if (i == 9 && byte > 1) return std::nullopt;
      value |= (byte & 0x7f) << (7 * i);
      if ((byte & 0x80) != 0) continue;
      if (i > 0 && byte == 0) return std::nullopt;
      in_ = in_.subspan(i + 1);
      return value;
    }
    return std::nullopt;
  }

  std::optional<std::uint64_t> fixed64() {
    auto bytes = raw(8);
    if (!bytes) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | (*bytes)[i];
    return value;
  }

  std::optional<ByteSpan> raw(std::uint64_t size) {
    if (size > in_.size()) return std::nullopt;
    auto head = in_.first(size);
    in_ = in_.subspan(size);
    return head;
  }

 private:
  ByteSpan in_;
};

}  // namespace galen
