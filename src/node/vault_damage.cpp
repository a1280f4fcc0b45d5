#include "node/vault_damage.hpp"

#include <filesystem>
#include <fstream>

#include "galen/vault/record_index.hpp"

namespace galen::node {
namespace {

namespace fs = std::filesystem;

std::string suspicion_path(const std::string& data_dir) { return data_dir + "/vault.suspect"; }

}  // namespace

Result<std::optional<std::string>> find_vault_damage(const std::string& data_dir) {
  auto found = vault::RecordIndex::inspect(data_dir + "/vault");
  if (found.findings.empty()) return std::optional<std::string>();
  if (found.unreadable) return Error{ErrorCode::IO_ERROR, std::move(found.findings.front())};
  return std::optional(std::move(found.findings.front()));
}

void suspect_vault(const std::string& data_dir) { std::ofstream(suspicion_path(data_dir)).flush(); }

std::optional<std::string> find_suspected_vault_damage(const std::string& data_dir) {
  std::error_code error;
  if (!fs::exists(suspicion_path(data_dir), error)) return std::nullopt;
  auto damage = find_vault_damage(data_dir);
  if (!damage) return std::nullopt;  // opening it says why, and the suspicion stays
  if (!*damage) fs::remove(suspicion_path(data_dir), error);
  return std::move(*damage);
}

}  // namespace galen::node
