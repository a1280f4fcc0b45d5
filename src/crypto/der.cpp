#include "crypto/der.hpp"

#include <algorithm>

namespace galen::crypto {

namespace {

using Scalar = std::array<std::uint8_t, 32>;

// Order of P-256 (FIPS 186-5, SP 800-186 3.2.1.3) and half of it, big-endian.
constexpr Scalar kP256Order = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                               0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                               0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
constexpr Scalar kP256HalfOrder = {0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b,
                                   0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};
// Order of the SM2 curve (GB/T 32918.5 annex A, RFC 8998 3.2.1).
constexpr Scalar kSm2Order = {0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                              0xff, 0xff, 0xff, 0xff, 0xff, 0x72, 0x03, 0xdf, 0x6b, 0x21, 0xc6,
                              0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x23};

int compare(const std::uint8_t* a, const Scalar& b) { return std::memcmp(a, b.data(), b.size()); }

bool is_zero(const std::uint8_t* scalar) {
  return std::all_of(scalar, scalar + 32, [](std::uint8_t byte) { return byte == 0; });
}

std::size_t write_integer(const std::uint8_t* scalar, std::uint8_t* out) {
  std::size_t skip = 0;
  while (skip < 31 && scalar[skip] == 0) ++skip;
  std::size_t pad = (scalar[skip] & 0x80) != 0 ? 1 : 0, size = 32 - skip + pad;
  out[0] = 0x02;
  out[1] = static_cast<std::uint8_t>(size);
  if (pad != 0) out[2] = 0;
  std::memcpy(out + 2 + pad, scalar + skip, 32 - skip);
  return 2 + size;
}

bool read_integer(ByteReader& in, std::uint8_t* scalar) {
  if (in.u8() != 0x02) return false;
  std::size_t size = in.u8();
  if (size == 0 || size > 33) return false;
  auto bytes = in.raw(size);
  if (!in.ok() || (bytes[0] & 0x80) != 0) return false;                   // negative
  if (size > 1 && bytes[0] == 0 && (bytes[1] & 0x80) == 0) return false;  // not minimal
  if (size == 33 && bytes[0] != 0) return false;
  if (size == 33) bytes = bytes.subspan(1);
  std::memset(scalar, 0, 32);
  std::memcpy(scalar + 32 - bytes.size(), bytes.data(), bytes.size());
  return true;
}

}  // namespace

std::size_t write_der(const Signature& signature, std::uint8_t* out) {
  auto size = write_integer(&signature.data[0], out + 2);
  size += write_integer(&signature.data[32], out + 2 + size);
  out[0] = 0x30;
  out[1] = static_cast<std::uint8_t>(size);
  return 2 + size;
}

std::optional<Signature> parse_der(ByteSpan der) {
  ByteReader in(der);
  Signature out;
  if (der.size() > kDerBytesMax || in.u8() != 0x30 || in.u8() != in.remaining() || !in.ok()) return std::nullopt;
  if (!read_integer(in, &out.data[0]) || !read_integer(in, &out.data[32]) || !in.done()) return std::nullopt;
  return out;
}

bool is_canonical(Suite suite, const Signature& signature) {
  const auto *r = &signature.data[0], *s = &signature.data[32];
  if (is_zero(r) || is_zero(s)) return false;
  if (suite == Suite::sm2_sm3) return compare(r, kSm2Order) < 0 && compare(s, kSm2Order) < 0;
  return compare(r, kP256Order) < 0 && compare(s, kP256HalfOrder) <= 0;
}

void make_canonical(Suite suite, Signature& signature) {
  auto* s = &signature.data[32];
  if (suite == Suite::sm2_sm3 || compare(s, kP256HalfOrder) <= 0) return;
  int borrow = 0;
  for (int i = 31; i >= 0; --i) {
    int digit = kP256Order[static_cast<std::size_t>(i)] - s[i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    s[i] = static_cast<std::uint8_t>(digit + (borrow << 8));
  }
}

}  // namespace galen::crypto
