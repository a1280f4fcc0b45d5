#include "galenctl/dev_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

std::vector<std::string> command_line_of(pid_t pid) {
  auto text = read_text_file(fmt::format("/proc/{}/cmdline", pid));
  std::vector<std::string> out;
  if (!text) return out;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text->size(); ++i)
    if ((*text)[i] == '\0') out.push_back(text->substr(start, i - start)), start = i + 1;
  return out;
}

/// Zombies have an empty command line, so an ended child never counts.
bool is_our_galend(pid_t pid, const std::string& config_path) {
  auto words = command_line_of(pid);
  if (words.size() < 3 || std::filesystem::path(words[0]).filename() != "galend") return false;
  for (const auto& word : words)
    if (word == config_path) return true;
  return false;
}

/// Forks; the child gets /dev/null as input and the log as output. Only async-signal-safe calls between fork and exec.
Result<pid_t> spawn(const std::vector<std::string>& command, const std::string& log_path, bool own_session) {
  int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log < 0)
    return make_error(ErrorCode::IO_ERROR, fmt::format("cannot open {}: {}", log_path, std::strerror(errno)));
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    if (own_session) ::setsid();
    ::dup2(null, 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    // Whatever galenctl inherited (pipes of a script that waits for their end) must not stay open in a daemon.
    for (int fd = 3; fd < 1024; ++fd) ::close(fd);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int failure = errno;
  ::close(log);
  ::close(null);
  if (pid < 0) return make_error(ErrorCode::IO_ERROR, fmt::format("cannot fork: {}", std::strerror(failure)));
  return pid;
}

bool wait_until_gone(pid_t pid, const std::string& config_path, std::uint64_t wait_ms) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  for (;;) {
    still_runs(pid);  // collects our own child, if it is one
    if (!is_our_galend(pid, config_path)) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

std::string own_directory() {
  std::error_code failure;
  auto self = std::filesystem::read_symlink("/proc/self/exe", failure);
  return failure ? "." : self.parent_path().string();
}

Result<std::string> find_galend(const std::string& bin_dir) {
  auto is_program = [](const std::string& path) { return ::access(path.c_str(), X_OK) == 0; };
  if (!bin_dir.empty()) {
    auto path = absolute_path(bin_dir) + "/galend";
    if (is_program(path)) return path;
    return make_error(ErrorCode::NOT_FOUND, fmt::format("there is no galend in --bin-dir {}", bin_dir));
  }
  auto beside = own_directory() + "/galend";
  if (is_program(beside)) return beside;
  const char* search = std::getenv("PATH");
  std::string rest = search == nullptr ? "" : search;
  while (!rest.empty()) {
    auto colon = rest.find(':');
    auto path = rest.substr(0, colon) + "/galend";
    if (path.front() == '/' && is_program(path)) return path;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return make_error(
      ErrorCode::NOT_FOUND,
      fmt::format("galend is neither beside galenctl ({}) nor in PATH; --bin-dir names its place", own_directory()));
}

Status run_to_end(const std::vector<std::string>& command, const std::string& log_path) {
  GALEN_ASSIGN(auto pid, spawn(command, log_path, false));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  std::string how = WIFEXITED(status) ? fmt::format("ended with exit code {}", WEXITSTATUS(status))
                                      : fmt::format("was ended by signal {}", WTERMSIG(status));
  return make_error(ErrorCode::INTERNAL,
                    fmt::format("{} {} {}; the end of {}:\n{}", command[0], command.size() > 1 ? command[1] : "", how,
                                log_path, log_tail(log_path, 5)));
}

std::optional<pid_t> running_pid(const DevLayout& layout, const DevNode& node) {
  auto text = read_text_file(layout.pid_path(node));
  if (!text) return std::nullopt;
  auto pid = static_cast<pid_t>(std::strtol(text->c_str(), nullptr, 10));
  if (pid <= 1 || !is_our_galend(pid, layout.config_path(node))) return std::nullopt;
  return pid;
}

Result<pid_t> start_node(const DevLayout& layout, const DevNode& node, const std::string& galend) {
  GALEN_TRY(make_directories(layout.node_dir(node) + "/log"));
  GALEN_ASSIGN(auto pid, spawn({galend, "--config", layout.config_path(node)}, layout.log_path(node), true));
  if (auto written = write_file(layout.pid_path(node), fmt::format("{}\n", pid)); !written) {
    ::kill(pid, SIGTERM);
    return written.error();
  }
  return pid;
}

bool still_runs(pid_t pid) {
  int status = 0;
  auto ended = ::waitpid(pid, &status, WNOHANG);
  if (ended == pid) return false;
  return ::kill(pid, 0) == 0 || errno == EPERM;
}

Result<StopResult> stop_node(const DevLayout& layout, const DevNode& node, bool now, std::uint64_t grace_ms) {
  StopResult out;
  auto pid = running_pid(layout, node);
  auto config = layout.config_path(node);
  if (pid) {
    out.was_running = true;
    if (!now) ::kill(*pid, SIGTERM);
    if (now || !wait_until_gone(*pid, config, grace_ms)) {
      out.killed = true;
      // Checked anew: the pid may have ended and been given to another process meanwhile.
      if (is_our_galend(*pid, config)) ::kill(*pid, SIGKILL);
      if (!wait_until_gone(*pid, config, 10'000))
        return make_error(ErrorCode::INTERNAL,
                          fmt::format("node {} (pid {}) does not end, even by SIGKILL", node.name, *pid));
    }
  }
  ::unlink(layout.pid_path(node).c_str());
  return out;
}

std::string log_tail(const std::string& path, std::size_t lines) {
  auto text = read_text_file(path, 1024 * 1024 * 1024);
  if (!text || text->empty()) return "(nothing was logged)";
  while (!text->empty() && text->back() == '\n') text->pop_back();
  std::size_t start = text->size();
  while (lines > 0 && start > 0) {
    auto newline = text->rfind('\n', start - 1);
    if (newline == std::string::npos) {
      start = 0;
      break;
    }
    start = newline;
    --lines;
  }
  return text->substr(start == 0 ? 0 : start + 1);
}

}  // namespace galen::galenctl
