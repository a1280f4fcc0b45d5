// What a fuzzer's bytes decide, one after the other. Behind their end everything is zero.
#pragma once

#include "galen/base/bytes.hpp"

namespace galen::fuzz {

class Choices {
 public:
  explicit Choices(ByteSpan bytes) : bytes_(bytes) {}

  bool more() const { return !bytes_.empty(); }
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto out = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return out;
  }
  ByteSpan bytes(std::size_t count) {
    const auto out = bytes_.first(std::min(count, bytes_.size()));
    bytes_ = bytes_.subspan(out.size());
    return out;
  }
  /// `n` at least 1 and at most 256.
  std::size_t below(std::size_t n) { return byte() % n; }
  bool chance() { return (byte() & 1) != 0; }
  /// A small number, or one of those that overflow something.
  std::uint64_t number() {
    constexpr std::uint64_t kEdges[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 8, 1ULL << 63, 1ULL << 32, 1ULL << 31, 1ULL << 16, 1000};
    const auto one = byte();
    return one < 224 ? one : kEdges[one % std::size(kEdges)];
  }
  /// Something beside `base`: one or a few more or less, or number().
  std::uint64_t near(std::uint64_t base) {
    const auto one = byte();
    if (one < 192) return base + one % 8 - 3;
    return number();
  }

 private:
  ByteSpan bytes_;
};

}  // namespace galen::fuzz
