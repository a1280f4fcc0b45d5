#include "bench/processes.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace galen::bench {
namespace {

namespace fs = std::filesystem;

// Fields of /proc/PID/stat after the command's closing bracket, which may itself hold blanks.
std::vector<std::string> stat_fields(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream rest(text.substr(end + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

constexpr std::size_t kParent = 1, kUserTicks = 11, kSystemTicks = 12, kResidentPages = 21;

}  // namespace

Consortium find_consortium(const std::string& dir) {
  Consortium out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    std::ifstream in(entry.path() / "galend.pid");
    int pid = 0;
    if (in >> pid && !stat_fields(pid).empty()) out.nodes.push_back(pid);
  }
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    auto fields = stat_fields(std::stoi(name));
    if (fields.size() <= kResidentPages) continue;
    for (int node : out.nodes)
      if (std::stoi(fields[kParent]) == node) out.front_ends.push_back(std::stoi(name));
  }
  return out;
}

Usage usage_of(const std::vector<int>& pids) {
  Usage total;
  const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (int pid : pids) {
    auto fields = stat_fields(pid);
    if (fields.size() <= kResidentPages) continue;
    total += {(std::stod(fields[kUserTicks]) + std::stod(fields[kSystemTicks])) / ticks,
              std::stoull(fields[kResidentPages]) * page};
  }
  return total;
}

Usage usage_of_self() { return usage_of({static_cast<int>(::getpid())}); }

}  // namespace galen::bench
