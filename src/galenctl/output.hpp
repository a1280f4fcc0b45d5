// What galenctl prints. People get sentences and tables on stdout, programs get JSON with --json: one object on one
// line as the last line of stdout. Errors go to stderr: what happened, why, what to do; with --json as {"error":{…}}.
// The exit codes are part of the interface: 0 fine, 1 error, 2 usage, 3 unsafe or refused, 4 waiting on others.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "galen/base/error.hpp"

namespace galen::galenctl {

inline constexpr int kExitOk = 0, kExitError = 1, kExitUsage = 2, kExitRefused = 3, kExitWaiting = 4;

int exit_code_of(ErrorCode code);

/// Writes JSON without a document in between; commas and escapes are its business. Keys in the order of the calls.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(std::uint64_t number);
  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  const std::string& text() const { return out_; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  std::string out_;
  bool comma_ = false;
};

/// What a write is known by while its answer is not there.
struct SentWrite {
  std::string request_id;
  std::string transaction_id;  ///< empty while only the node knows it
  std::string ask;             ///< the command that tells what became of it
};

class Output {
 public:
  Output(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}
  bool json = false;
  bool progress = false;  ///< stderr is a terminal, and a person reads

  /// A line for people; silent with --json.
  void say(std::string_view line);
  /// The result for programs; silent without --json.
  void result(const JsonWriter& json_text);
  /// Goes to stdout in either case (completion scripts, exports).
  void raw(std::string_view text);
  /// Progress and remarks on stderr, for people only.
  void note(std::string_view line);
  /// Redrawn in place; an empty text clears it. Only with `progress`.
  void status_line(std::string_view text);
  /// Standard output takes nothing more: its reader is gone, its disk is full.
  bool broken() const;
  /// A write goes out. An error that leaves its fate open is printed with this, until answered() is called.
  void sent(SentWrite write) { sent_ = std::move(write); }
  void answered() { sent_.reset(); }
  /// Prints the error in its three parts and returns the exit code.
  int fail(const Error& error);

 private:
  std::ostream& out_;
  std::ostream& err_;
  std::size_t status_width_ = 0;
  std::optional<SentWrite> sent_;
};

bool is_utf8(std::string_view text);
/// Every byte that is no UTF-8 as U+FFFD. File names and arguments may be anything; JSON may not.
std::string as_utf8(std::string_view text);
/// That, and control characters but line feed likewise: ids and messages come from files, and may not steer a terminal.
std::string printable(std::string_view text);
/// Columns padded to their widest cell, two blanks between; the first row is the heading.
std::string format_table(const std::vector<std::vector<std::string>>& rows);
/// "2026-11-23T04:05:06Z"
std::string format_time(std::uint64_t time_ms);
/// "0.4 s", "3 min 2 s", "2 h 5 min", "3 d 4 h"
std::string format_duration(std::uint64_t duration_ms);
/// 1204551 -> "1,204,551"
std::string format_count(std::uint64_t count);
/// The name of a protobuf value without the prefix of its kind: "RECORD_STATUS_CURRENT" as "CURRENT". A value that has
/// no name here, of a newer node, is empty.
std::string enum_word(const std::string& name, std::string_view prefix);

}  // namespace galen::galenctl
