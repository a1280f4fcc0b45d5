// The only door to spdlog. One line per event: `event key=value …`. Values that identify a person have types without a
// formatter (base/bytes.hpp), so they cannot be logged by accident. galen::log::info("block committed height={}", height).
#pragma once

#include <spdlog/spdlog.h>

#include <string>

#include "galen/base/result.hpp"

namespace galen::log {

struct Options {
  std::string level = "info";  ///< trace, debug, info, warn, error
  std::string file;            ///< empty: stderr
  std::string name = "galen";  ///< stands in every line, e.g. the member's name
};
/// Replaces the process-wide logger. Call once, before threads start. IO_ERROR: the file cannot be opened, and nothing
/// is replaced.
Status try_init(const Options& options);
/// The same; where the file cannot be opened, with standard error in its place.
void init(const Options& options);
/// Whether try_init could open the file, as far as it can be told without making it: IO_ERROR. No folder is made for
/// it.
Status check_file(const std::string& path);

using spdlog::critical;
using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::trace;
using spdlog::warn;

}  // namespace galen::log
