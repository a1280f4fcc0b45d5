#include "galen/crypto/pem.hpp"

#include <array>
#include <optional>

namespace galen::crypto {

namespace {

constexpr std::size_t kLineCharacters = 64;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;

constexpr auto kValues = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(kNone);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    out[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return out;
}();

Error bad(const char* what) { return {ErrorCode::MALFORMED, what}; }

/// Takes a line and its end. At the end of the text the line end may be missing.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (end != std::string_view::npos && !line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string framed(const char* word, std::string_view label) {
  return std::string("-----") + word + " " + std::string(label) + "-----";
}

/// Appends what the groups of four of one line say. Padding is allowed where `last`.
bool append_line(std::string_view line, bool last, Bytes& out) {
  if (line.empty() || line.size() > kLineCharacters || line.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (last && padding < 2 && line.back() == '=') ++padding, line.remove_suffix(1);
  std::uint32_t bits = 0;
  std::size_t held = 0;
  for (char c : line) {
    const auto value = kValues[static_cast<unsigned char>(c)];
    if (value == kNone) return false;
    bits = bits << 6 | value;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<std::uint8_t>(bits >> held));
    bits &= (1u << held) - 1;
  }
  return bits == 0;  // an encoder leaves nothing in the bits that make no byte
}

}  // namespace

Result<Bytes> read_strict_pem(std::string_view text, std::string_view label) {
  const auto begin = framed("BEGIN", label), end = framed("END", label);
  if (take_line(text) != begin)
    return bad("it does not begin with the BEGIN line of its label, or text stands on that line");
  Bytes out;
  bool last = false;
  for (;;) {
    if (text.empty()) return bad("it has no END line");
    const auto line = take_line(text);
    if (line == end) break;
    if (last) return bad("a line that is not the last one has other than 64 characters");
    last = line.size() != kLineCharacters || line.back() == '=';
    if (!append_line(line, last, out))
      return bad("a line is no base64 of at most 64 characters, as an encoder writes it");
  }
  if (out.empty()) return bad("nothing stands between its BEGIN and END lines");
  if (!text.empty()) return bad("something stands behind its END line");
  return out;
}

}  // namespace galen::crypto
