// The galend processes of a development consortium: found, started detached, watched, stopped. A pid file alone proves
// nothing after a reboot, so a process counts as ours only if its command line is galend with our configuration file.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "galenctl/dev_layout.hpp"

namespace galen::galenctl {

/// Directory of this program's file.
std::string own_directory();
/// galend in `bin_dir` if named, else beside galenctl, else in PATH. NOT_FOUND says where it was looked for.
Result<std::string> find_galend(const std::string& bin_dir);

/// Runs to its end; its output goes to `log_path`. An exit code other than 0 is an error that quotes the output's end.
Status run_to_end(const std::vector<std::string>& command, const std::string& log_path);

/// pid of the node's running galend, if any.
std::optional<pid_t> running_pid(const DevLayout& layout, const DevNode& node);
/// Starts galend in a session of its own, output appended to the node's log, and writes its pid file.
Result<pid_t> start_node(const DevLayout& layout, const DevNode& node, const std::string& galend);
/// True while a child we started runs; collects it when it ended.
bool still_runs(pid_t pid);
/// SIGTERM, up to `grace_ms`, then SIGKILL; at once with `now`. False if it was not running. `killed` tells whether
/// SIGKILL was needed.
struct StopResult {
  bool was_running = false, killed = false;
};
Result<StopResult> stop_node(const DevLayout& layout, const DevNode& node, bool now, std::uint64_t grace_ms);
/// The last lines of a log, to quote in an error.
std::string log_tail(const std::string& path, std::size_t lines);

}  // namespace galen::galenctl
