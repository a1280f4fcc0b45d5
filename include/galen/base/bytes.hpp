// Byte strings, fixed-width identifiers and the big-endian writer and reader of all fixed layouts (docs/spec/formats.md 1).
// FixedBytes has no formatter on purpose: pseudonyms, keys and ids reach a log line only through an explicit to_hex.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "galen/base/assert.hpp"

namespace galen {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

inline ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::string to_string(ByteSpan bytes) { return std::string(as_text(bytes)); }
inline Bytes to_bytes(ByteSpan bytes) { return Bytes(bytes.begin(), bytes.end()); }
inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteSpan bytes);
/// Accepts both cases; nothing on an odd length or a foreign character.
std::optional<Bytes> from_hex(std::string_view text);

/// A byte string of exactly `size` bytes. `Tag` keeps kinds of identifiers apart at compile time.
template <class Tag, std::size_t size_>
struct FixedBytes {
  static constexpr std::size_t kSize = size_;
  std::array<std::uint8_t, size_> data{};

  /// In the order of the bytes. The first eight decide nearly always: hashes are keys of maps that are searched all the time.
  std::strong_ordering operator<=>(const FixedBytes& other) const {
    auto mine = head(), others = other.head();
    return mine != others ? mine <=> others : std::memcmp(data.data(), other.data.data(), size_) <=> 0;
  }
  bool operator==(const FixedBytes& other) const {
    return head() == other.head() && std::memcmp(data.data(), other.data.data(), size_) == 0;
  }

  ByteSpan span() const { return {data.data(), size_}; }
  operator ByteSpan() const { return span(); }  // NOLINT(google-explicit-constructor): reads as bytes everywhere
  bool is_zero() const {
    for (auto byte : data)
      if (byte != 0) return false;
    return true;
  }
  std::string hex() const { return to_hex(span()); }
  std::string str() const { return to_string(span()); }

  /// Nothing unless `bytes` has exactly the right length.
  static std::optional<FixedBytes> from(ByteSpan bytes) {
    if (bytes.size() != size_) return std::nullopt;
    FixedBytes out;
    std::memcpy(out.data.data(), bytes.data(), size_);
    return out;
  }
  static std::optional<FixedBytes> from(std::string_view bytes) { return from(as_bytes(bytes)); }
  static std::optional<FixedBytes> parse_hex(std::string_view text) {
    auto bytes = from_hex(text);
    if (!bytes) return std::nullopt;
    return from(ByteSpan(*bytes));
  }

 private:
  std::uint64_t head() const {
    static_assert(size_ >= 8 && std::endian::native == std::endian::little);
    std::uint64_t first;
    std::memcpy(&first, data.data(), sizeof first);
    return __builtin_bswap64(first);
  }
};

using Hash = FixedBytes<struct HashTag, 32>;
using PrincipalId = FixedBytes<struct PrincipalIdTag, 32>;  ///< member, service, patient (then it is the pseudonym) …
using PointerId = FixedBytes<struct PointerIdTag, 32>;
using ConsentId = FixedBytes<struct ConsentIdTag, 32>;
using RequestId = FixedBytes<struct RequestIdTag, 16>;
using Signature = FixedBytes<struct SignatureTag, 64>;  ///< r ‖ s, each 32 bytes big-endian, s in the lower half
using PublicKey = FixedBytes<struct PublicKeyTag, 65>;  ///< uncompressed SEC1 point: 04 ‖ X ‖ Y

/// Appends big-endian integers and raw bytes.
class ByteWriter {
 public:
  ByteWriter() = default;
  explicit ByteWriter(std::size_t reserve) { out_.reserve(reserve); }
  ByteWriter& u8(std::uint8_t v) { out_.push_back(v); return *this; }
  ByteWriter& u16(std::uint16_t v) { return be(v, 2); }
  ByteWriter& u32(std::uint32_t v) { return be(v, 4); }
  ByteWriter& u64(std::uint64_t v) { return be(v, 8); }
  ByteWriter& raw(ByteSpan bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); return *this; }
  ByteWriter& raw(std::string_view text) { return raw(as_bytes(text)); }
  /// u32 length, then the bytes.
  ByteWriter& sized(ByteSpan bytes) { return u32(static_cast<std::uint32_t>(bytes.size())).raw(bytes); }
  std::size_t size() const { return out_.size(); }
  const Bytes& bytes() const& { return out_; }
  Bytes take() && { return std::move(out_); }

 private:
  ByteWriter& be(std::uint64_t v, int width) {
    for (int i = width - 1; i >= 0; --i) out_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
    return *this;
  }
  Bytes out_;
};

/// Reads what ByteWriter wrote. Reading past the end sets a sticky failure and yields zeros; callers check `ok()` or
/// `done()` (everything read and no failure) once at the end, so a decoder cannot forget a bound.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan in) : in_(in) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(be(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(be(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(be(4)); }
  std::uint64_t u64() { return be(8); }
  ByteSpan raw(std::size_t count) {
    if (count > in_.size()) { fail(); return {}; }
    auto head = in_.first(count);
    in_ = in_.subspan(count);
    return head;
  }
  ByteSpan sized(std::size_t bytes_max) {
    auto count = u32();
    if (count > bytes_max) { fail(); return {}; }
    return raw(count);
  }
  template <class Fixed>
  Fixed fixed() {
    auto bytes = raw(Fixed::kSize);
    Fixed out{};
    if (bytes.size() == Fixed::kSize) std::memcpy(out.data.data(), bytes.data(), Fixed::kSize);
    return out;
  }
  void fail() { failed_ = true; in_ = {}; }
  bool ok() const { return !failed_; }
  bool done() const { return !failed_ && in_.empty(); }
  std::size_t remaining() const { return in_.size(); }

 private:
  std::uint64_t be(std::size_t width) {
    auto bytes = raw(width);
    std::uint64_t v = 0;
    for (auto b : bytes) v = (v << 8) | b;
    return v;
  }
  ByteSpan in_;
  bool failed_ = false;
};

}  // namespace galen
