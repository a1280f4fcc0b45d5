#include "galen/base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace galen::log {
namespace {

Error unusable(const std::string& path, int reason) {
  return {ErrorCode::IO_ERROR, "cannot write the log " + path + ": " + std::strerror(reason)};
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void replace_logger(const Options& options, spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>(options.name, std::move(sink));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l [%n] %v");
  logger->set_level(spdlog::level::from_str(options.level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

Status check_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return unusable(path, EISDIR);
    if (::access(path.c_str(), W_OK) != 0) return unusable(path, errno);
    return {};
  }
  if (errno != ENOENT) return unusable(path, errno);
  if (::access(folder_of(path).c_str(), W_OK | X_OK) != 0) return unusable(path, errno);
  return {};
}

Status try_init(const Options& options) {
  if (options.file.empty()) {
    replace_logger(options, std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return {};
  }
  // The library would make folders that are not there, and throws.
  GALEN_TRY(check_file(options.file));
  try {
    replace_logger(options, std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file));
  } catch (const spdlog::spdlog_ex& failure) {
    return {ErrorCode::IO_ERROR, "cannot write the log " + options.file + ": " + failure.what()};
  }
  return {};
}

void init(const Options& options) {
  const auto opened = try_init(options);
  if (opened) return;
  replace_logger(options, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  error("{}", opened.error().message);
}

}  // namespace galen::log
