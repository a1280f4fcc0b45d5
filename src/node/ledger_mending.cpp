#include "node/ledger_mending.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "galen/base/log.hpp"
#include "galen/execution/executor.hpp"
#include "galen/ledger/installer.hpp"
#include "galen/ledger/scrub.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/init.hpp"

namespace galen::node {
namespace {

namespace fs = std::filesystem;

std::string ledger_path(const std::string& data_dir) { return data_dir + "/ledger"; }
std::string workshop_path(const std::string& data_dir) { return data_dir + "/ledger.new"; }
std::string made_path(const std::string& data_dir) { return workshop_path(data_dir) + "/ledger"; }
std::string suspicion_path(const std::string& data_dir) { return data_dir + "/ledger.suspect"; }

Status to_status(const std::error_code& error, const std::string& doing) {
  if (!error) return {};
  return Error{ErrorCode::IO_ERROR, "cannot " + doing + ": " + error.message()};
}

/// What the log has of blocks above the last checkpoint is nowhere else here, and the log goes on.
Status copy_log_aside(const std::string& data_dir) {
  const auto wal = data_dir + "/wal", copy = damaged_ledger_path(data_dir) + "/wal";
  std::error_code error;
  if (!fs::exists(wal, error) || !fs::exists(damaged_ledger_path(data_dir), error)) return {};
  fs::remove_all(copy, error);
  fs::copy(wal, copy, fs::copy_options::recursive, error);
  return to_status(error, "copy " + wal + " to " + copy);
}

Status put_in_place(const std::string& data_dir) {
  GALEN_TRY(copy_log_aside(data_dir));
  std::error_code error;
  fs::rename(made_path(data_dir), ledger_path(data_dir), error);
  GALEN_TRY(to_status(error, "put the new ledger in its place"));
  fs::remove(workshop_path(data_dir), error);
  return to_status(error, "remove " + workshop_path(data_dir));
}

/// A file that cannot be read is not damaged for that: whose fault it is, nobody here knows.
Status check_readable(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(1 << 20);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size()))) {
  }
  if (file.eof()) return {};
  return Error{ErrorCode::IO_ERROR, "cannot read " + path + ": look at the disk and at the rights of the file"};
}

/// Without what an operator would have to do about it: it is being done.
std::string what_is_wrong(const Error& error) {
  const auto advice = error.message.rfind(ledger::kRepairAdvice);
  return advice == std::string::npos ? error.message : error.message.substr(0, advice);
}

/// What is wrong with it; nothing: it is whole, as far as a start and the checksums of its files tell.
Result<std::optional<std::string>> find_damage(const std::string& data_dir, const Genesis& genesis) {
  const auto damage = [&](const Error& error) -> Result<std::optional<std::string>> {
    if (is_ledger_damage(data_dir, error)) return std::optional(what_is_wrong(error));
    return error;
  };
  auto store = ledger::Store::open({.directory = data_dir, .context = genesis.context()});
  if (!store) return damage(store.error());
  execution::Executor executor(genesis, **store);
  if (auto started = executor.start(); !started) return damage(started.error());
  const ledger::Scrub scrub(**store, genesis);
  for (const auto& file : scrub.files()) {
    GALEN_ASSIGN(const bool whole, scrub.is_whole(file, [](std::uint64_t) { return true; }));
    if (whole) continue;
    GALEN_TRY(check_readable(file.path));
    return std::optional(file.path + " does not have the checksum it was written with");
  }
  return std::optional<std::string>();
}

}  // namespace

std::string damaged_ledger_path(const std::string& data_dir) { return ledger_path(data_dir) + ".damaged"; }

// Started again after a crash it never takes a ledger of its own making, or none at all, for the one to put aside.
Status make_ledger_anew(const std::string& data_dir, const Genesis& genesis) {
  const auto present = ledger_path(data_dir), aside = damaged_ledger_path(data_dir);
  const auto workshop = workshop_path(data_dir), made = made_path(data_dir);
  std::error_code error;
  fs::remove_all(workshop, error);
  GALEN_TRY(to_status(error, "remove " + workshop));
  fs::create_directories(made, error);
  GALEN_TRY(to_status(error, "create " + made));
  GALEN_TRY(create_ledger(workshop, genesis));
  if (fs::exists(present, error)) {
    fs::remove_all(aside, error);
    GALEN_TRY(to_status(error, "remove " + aside));
    fs::rename(present, aside, error);
    GALEN_TRY(to_status(error, "put " + present + " aside"));
  }
  return put_in_place(data_dir);
}

// The old one goes aside only when the new one is whole.
Status finish_ledger_made_anew(const std::string& data_dir) {
  std::error_code error;
  const bool cut_off = !fs::exists(ledger_path(data_dir), error) && fs::exists(made_path(data_dir), error) &&
                       fs::exists(damaged_ledger_path(data_dir), error);
  return cut_off ? put_in_place(data_dir) : Status();
}

bool is_ledger_damage(const std::string& data_dir, const Error& error) {
  if (error.code == ErrorCode::CORRUPT) return true;
  if (error.code != ErrorCode::DATA_DIR_MISSING) return false;
  // CURRENT, which names the other files, is gone, and they are there.
  std::error_code unknown;
  if (fs::status(ledger_path(data_dir) + "/CURRENT", unknown).type() != fs::file_type::not_found) return false;
  fs::directory_iterator file(ledger_path(data_dir), unknown);
  for (; !unknown && file != fs::directory_iterator(); file.increment(unknown))
    if (file->path().extension() == ".sst" || file->path().filename().string().starts_with("MANIFEST-")) return true;
  return false;
}

void suspect_ledger(const std::string& data_dir) { std::ofstream(suspicion_path(data_dir)).flush(); }

bool is_ledger_suspect(const std::string& data_dir) {
  std::error_code error;
  return fs::exists(suspicion_path(data_dir), error);
}

Result<bool> mend_ledger(const std::string& data_dir, const Genesis& genesis) {
  GALEN_ASSIGN(const auto lock, DataDir::open(data_dir));
  GALEN_TRY(finish_ledger_made_anew(data_dir));
  GALEN_ASSIGN([[maybe_unused]] const bool joined, ledger::install_joined(data_dir));
  log::warn("something that was read here is damaged: the ledger is read and checked, which may take minutes");
  GALEN_ASSIGN(const auto damage, find_damage(data_dir, genesis));
  const auto aside = damaged_ledger_path(data_dir);
  std::error_code error;
  if (damage && fs::exists(aside, error))
    return Error{
        ErrorCode::ALREADY_EXISTS,
        fmt::format("the ledger is damaged again: {}. {} was put aside before, so this node does not make its "
                    "ledger anew by itself once more: look at the disk, then move that copy away and start the "
                    "node",
                    *damage, aside)};
  if (damage) {
    GALEN_TRY(make_ledger_anew(data_dir, genesis));
    log::error(
        "the ledger is damaged and made anew: this node has the chain from the others again, and votes when it is "
        "level; the damaged one lies in {}: look at the disk, then remove it why=\"{}\"",
        aside, *damage);
  }
  fs::remove(suspicion_path(data_dir), error);
  GALEN_TRY(to_status(error, "remove " + suspicion_path(data_dir)));
  return damage.has_value();
}

}  // namespace galen::node
