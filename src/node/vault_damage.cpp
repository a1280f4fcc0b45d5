#include "node/vault_damage.hpp"

#include <filesystem>
#include <fstream>

#include "galen/node/file_access.hpp"
#include "galen/vault/record_index.hpp"

namespace galen::node {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNoteBytesMax = 64 << 10;

/// DIR/vault.suspect: empty, or what a start found.
std::string suspicion_path(const std::string& data_dir) { return data_dir + "/vault.suspect"; }

}  // namespace

Result<std::optional<std::string>> find_vault_damage(const std::string& data_dir) {
  auto found = vault::RecordIndex::inspect(data_dir + "/vault");
  if (found.findings.empty()) return std::optional<std::string>();
  if (found.unreadable) return Error{ErrorCode::IO_ERROR, std::move(found.findings.front())};
  return std::optional(std::move(found.findings.front()));
}

void suspect_vault(const std::string& data_dir) {
  std::ofstream(suspicion_path(data_dir), std::ios::app).flush();  // what a start has noted stays
}

Status look_at_suspected_vault(const std::string& data_dir) {
  std::error_code error;
  const auto path = suspicion_path(data_dir);
  if (!fs::exists(path, error)) return {};
  const auto damage = find_vault_damage(data_dir);
  if (damage && !*damage) return posix_file_access().remove(path);
  // It cannot be read: opening it says why, and the suspicion stays.
  return posix_file_access().replace(path, damage ? as_bytes(**damage) : ByteSpan());
}

std::optional<std::string> known_vault_damage(const std::string& data_dir) {
  const auto noted = posix_file_access().read_all(suspicion_path(data_dir), kNoteBytesMax);
  if (!noted || noted->empty()) return std::nullopt;
  return to_string(*noted);
}

}  // namespace galen::node
