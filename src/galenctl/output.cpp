#include "galenctl/output.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "galen/types/json.hpp"

namespace galen::galenctl {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// Whether a write that was answered so may still be ordered, or be ordered already.
bool leaves_open(ErrorCode code) { return exit_code_of(code) == kExitWaiting || code == ErrorCode::CANCELLED; }

}  // namespace

int exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::OK:
      return kExitOk;
    case ErrorCode::INVALID_ARGUMENT:
      return kExitUsage;
    // Others must do something first, or come back; the same call may work a little later.
    case ErrorCode::UNAVAILABLE:
    case ErrorCode::DEADLINE_EXCEEDED:
    case ErrorCode::RESOURCE_EXHAUSTED:
    case ErrorCode::SHUTTING_DOWN:
    case ErrorCode::NO_QUORUM:
    case ErrorCode::AMNESIA:
    case ErrorCode::CATCHING_UP:
    case ErrorCode::BACKFILLING:
    case ErrorCode::HEIGHT_NOT_REACHED:
    case ErrorCode::TOO_STALE:
    case ErrorCode::DISK_LOW:
    case ErrorCode::MEMBERS_CHANGE_PENDING:
      return kExitWaiting;
    // A rule says no; the same call will be refused again.
    case ErrorCode::KEY_FILE_READABLE:
    case ErrorCode::IDENTITY_IN_USE:
    case ErrorCode::DATA_DIR_LOCKED:
    case ErrorCode::WRONG_CHAIN:
    case ErrorCode::BAD_SIGNATURE:
    case ErrorCode::UNAUTHENTICATED:
    case ErrorCode::PERMISSION_DENIED:
    case ErrorCode::UNKNOWN_PRINCIPAL:
    case ErrorCode::PRINCIPAL_INACTIVE:
    case ErrorCode::NOT_YOUR_MEMBER:
    case ErrorCode::ASSURANCE_TOO_LOW:
    case ErrorCode::WRONG_KEY:
    case ErrorCode::NOT_CUSTODIAN:
    case ErrorCode::KEY_NOT_HERE:
    case ErrorCode::CONSENT_NOT_ACTIVE:
    case ErrorCode::NOT_THE_PATIENT:
    case ErrorCode::NOT_YOURS_TO_READ:
    case ErrorCode::PATIENT_HAS_NO_KEY:
    case ErrorCode::DIVERGED:
    case ErrorCode::EPOCH_END_REFUSED:
    case ErrorCode::CANNOT_SIGN:
    case ErrorCode::VAULT_DAMAGED:
    case ErrorCode::MEMBER_NOT_ACTIVE:
    case ErrorCode::MEMBERS_LIMIT:
    case ErrorCode::PROPOSAL_CLOSED:
    case ErrorCode::ALREADY_VOTED:
      return kExitRefused;
    default:
      return kExitError;
  }
}

bool is_utf8(std::string_view text) {
  // The JSON parser knows it.
  std::string quoted = "\"";
  for (char c : text) quoted.push_back(static_cast<unsigned char>(c) < 0x80 ? 'a' : c);
  return JsonDocument::parse(quoted + '"').has_value();
}

std::string as_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    std::size_t size = 1;
    while (size < std::min<std::size_t>(4, text.size()) && !is_utf8(text.substr(0, size))) ++size;
    const bool sound = is_utf8(text.substr(0, size));
    out += sound ? text.substr(0, size) : kReplacement;
    text.remove_prefix(sound ? size : 1);
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  const auto sound = as_utf8(text);
  for (std::size_t at = 0; at < sound.size(); ++at) {
    const auto byte = static_cast<unsigned char>(sound[at]);
    const bool c1 = byte == 0xc2 && static_cast<unsigned char>(sound[at + 1]) < 0xa0;
    if ((byte >= 0x20 || byte == '\n') && byte != 0x7f && !c1)
      out.push_back(sound[at]);
    else
      out += kReplacement;
    at += c1 ? 1 : 0;
  }
  return out;
}

void JsonWriter::separate() {
  if (comma_) out_.push_back(',');
  comma_ = true;
}
JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_.push_back(bracket);
  comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::close(char bracket) {
  out_.push_back(bracket);
  comma_ = true;
  return *this;
}
JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  out_.push_back(':');
  comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  out_.push_back('"');
  for (char c : as_utf8(text)) {
    if (c == '"' || c == '\\') {
      out_.push_back('\\');
      out_.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out_.push_back(c);
    }
  }
  out_.push_back('"');
  return *this;
}
JsonWriter& JsonWriter::value(bool flag) {
  separate();
  out_ += flag ? "true" : "false";
  return *this;
}
JsonWriter& JsonWriter::value(std::uint64_t number) {
  separate();
  out_ += std::to_string(number);
  return *this;
}

void Output::say(std::string_view line) {
  if (!json) out_ << printable(line) << "\n" << std::flush;
}
void Output::result(const JsonWriter& json_text) {
  if (json) out_ << json_text.text() << "\n" << std::flush;
}
void Output::raw(std::string_view text) { out_ << text << std::flush; }
void Output::note(std::string_view line) {
  if (json) return;
  status_line("");
  err_ << printable(line) << "\n" << std::flush;
}
void Output::status_line(std::string_view text) {
  if (!progress) return;
  if (text.empty() && status_width_ == 0) return;
  err_ << "\r" << text << std::string(status_width_ > text.size() ? status_width_ - text.size() : 0, ' ');
  if (text.empty()) err_ << "\r";
  err_ << std::flush;
  status_width_ = text.size();
}

bool Output::broken() const { return !out_; }

int Output::fail(const Error& error) {
  status_line("");
  auto reason = to_reason(error.code);
  // The files of this program are not those of a node.
  auto advice_text = error.code == ErrorCode::IO_ERROR ? "Check the path, its permissions and the disk."
                                                       : advice(error.code);
  const auto* open = sent_ && leaves_open(error.code) ? &*sent_ : nullptr;
  if (json) {
    JsonWriter writer;
    writer.begin_object().key("error").begin_object();
    writer.field("reason", reason).field("message", error.message).field("advice", advice_text);
    if (open != nullptr) {
      writer.field("request_id", open->request_id);
      if (!open->transaction_id.empty()) writer.field("transaction_id", open->transaction_id);
      writer.field("ask", open->ask);
    }
    writer.end_object().end_object();
    err_ << writer.text() << "\n" << std::flush;
  } else {
    err_ << "galenctl: " << printable(error.message) << " [" << reason << "]\n";
    if (!advice_text.empty()) err_ << "  " << advice_text << "\n";
    if (open != nullptr) {
      err_ << "  request_id " << open->request_id << "\n";
      if (!open->transaction_id.empty()) err_ << "  transaction " << open->transaction_id << "\n";
      err_ << "  It may have been done all the same. What became of it: " << open->ask << "\n";
    }
    err_ << std::flush;
  }
  return exit_code_of(error.code);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += (out.empty() ? "" : "\n") + line;
  }
  return out;
}

std::string format_time(std::uint64_t time_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(time_ms / 1000)));
}

std::string format_duration(std::uint64_t duration_ms) {
  auto seconds = duration_ms / 1000;
  if (seconds < 60) return fmt::format("{}.{} s", seconds, duration_ms % 1000 / 100);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
  return fmt::format("{} d {} h", seconds / 86400, seconds % 86400 / 3600);
}

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count), out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) out.push_back(',');
    out.push_back(digits[i]);
  }
  return out;
}

std::string enum_word(const std::string& name, std::string_view prefix) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

}  // namespace galen::galenctl
