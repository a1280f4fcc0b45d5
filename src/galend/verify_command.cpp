#include "galend/verify_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "galen/execution/block_runner.hpp"
#include "galen/ledger/verify.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/init.hpp"
#include "galen/node/verify_files.hpp"
#include "galend/complain.hpp"

namespace galen {
namespace {

namespace fs = std::filesystem;

/// Less than this free after a check that found something: it may have been the lack of room.
constexpr std::uintmax_t kRoomMin = 16u << 20;
constexpr int kCannotCheck = 2;

/// Damaged files are quoted in messages: what is no UTF-8 in them must not spoil the whole object.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<std::uint8_t>(text[i]);
    std::size_t tail = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : 9;
    if (lead >= 0xf0 && lead < 0xf5) tail = 3;
    if (tail > text.size() - i - 1) return false;
    for (; tail > 0; --tail)
      if ((static_cast<std::uint8_t>(text[++i]) & 0xc0) != 0x80) return false;
  }
  return true;
}

std::string json_text(std::string_view text) {
  const bool valid = is_utf8(text);
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '"' || c == '\\') out.push_back('\\');
    if (byte < 0x20)
      out += fmt::format("\\u{:04x}", byte);
    else
      out.push_back(byte >= 0x80 && !valid ? '?' : c);
  }
  return out + "\"";
}

/// Nothing was checked.
int refuse(const Error& error, const VerifyArguments& arguments, int code) {
  if (arguments.json)
    fmt::print("{{\"ok\":false,\"reason\":\"{}\",\"error\":{},\"findings\":[]}}\n", to_reason(error.code),
               json_text(error.message));
  (void)complain(error);
  return code;
}

/// Of a row or block of the ledger, with its height, or of another file of the directory, with none.
struct Finding {
  std::optional<Height> height;
  std::string where, file, what;
};

struct Verdict {
  ledger::VerifyReport report;
  bool ledger_checked = false;
  std::vector<Finding> findings;
};

// With --json one object a line, so that a program can follow; a person sees one line that changes.
void print_progress(const ledger::VerifyProgress& p, bool json) {
  if (json)
    fmt::print(stderr,
               "{{\"height\":{},\"height_last\":{},\"transactions\":{},\"blocks_per_s\":{:.1f},"
               "\"transactions_per_s\":{:.1f},\"seconds_left\":{:.1f}}}\n",
               p.height, p.height_last, p.items, p.blocks_per_s, p.items_per_s, p.seconds_left);
  else
    fmt::print(stderr, "\r  height {} of {}   {:.0f} blocks/s   {:.0f} transactions/s   {:.0f} s left  ", p.height,
               p.height_last, p.blocks_per_s, p.items_per_s, p.seconds_left);
}

/// Where the blocks are executed again: a second ledger, gone with this.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }

  /// IO_ERROR when it cannot be made, or will not hold `bytes`.
  Status make(std::uintmax_t bytes) {
    std::error_code error;
    const auto parent = fs::temp_directory_path(error);
    if (error) return unusable(named(), error.message());
    const auto free = fs::space(parent, error).available;
    if (error) return unusable(parent.string(), error.message());
    if (free < bytes)
      return unusable(parent.string(),
                      fmt::format("the blocks are executed again there, which takes about {} MiB as the "
                                  "ledger does, and {} MiB are free",
                                  (bytes >> 20) + 1, free >> 20));
    auto path = parent / fmt::format("galen-verify-{}", getpid());
    fs::create_directories(path, error);
    if (error) return unusable(parent.string(), error.message());
    path_ = std::move(path);
    return {};
  }
  /// Somebody else may fill the volume meanwhile: then what fails there is no damage here.
  Status check_room() const {
    std::error_code error;
    const auto free = fs::space(path_, error).available;
    if (error || free >= kRoomMin) return {};
    return unusable(path_.parent_path().string(), "it ran full while the blocks were executed again");
  }
  std::string path() const { return path_.string(); }

 private:
  /// What is no directory comes back as an empty path.
  static std::string named() {
    const char* wanted = std::getenv("TMPDIR");
    return wanted != nullptr ? wanted : "/tmp";
  }
  static Error unusable(const std::string& directory, const std::string& why) {
    return {
        ErrorCode::IO_ERROR,
        fmt::format("the temporary directory {} cannot be used: {}. Nothing is said about the ledger. Set TMPDIR to a "
                    "directory with room, or give --quick",
                    directory, why)};
  }
  fs::path path_;
};

std::uintmax_t bytes_below(const std::string& directory) {
  std::uintmax_t out = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (const auto size = it->is_regular_file(gone) ? it->file_size(gone) : 0; !gone) out += size;
  }
  return out;
}

/// What the ledger of another genesis, or none at all, comes to: a finding where it is part of the directory that is
/// wrong.
bool is_damage(ErrorCode code, bool own_genesis) {
  return code == ErrorCode::DATA_DIR_MISSING || (code == ErrorCode::WRONG_CHAIN && own_genesis);
}

class Verify {
 public:
  explicit Verify(const VerifyArguments& arguments) : arguments_(arguments) {}

  int run() {
    auto lock = node::DataDir::open_to_read(arguments_.data_dir);
    if (!lock) return refuse(lock.error(), arguments_, exit_code(lock.error().code));
    const auto path = arguments_.genesis.empty() ? node::genesis_copy_path(arguments_.data_dir) : arguments_.genesis;
    auto genesis = Genesis::load(path);
    if (!genesis && !arguments_.genesis.empty())
      return refuse(about(path, genesis.error()), arguments_, exit_code(genesis.error().code));
    if (!genesis) {
      found({}, "genesis", path, genesis.error().message + kGenesisAdvice + "; the ledger is not checked without it");
    } else if (auto code = check_ledger(*genesis, path)) {
      return *code;
    }
    for (auto& finding : node::verify_files(arguments_.data_dir))
      found({}, finding.where, finding.file, std::move(finding.what));
    arguments_.json ? print_json() : print_text();
    return verdict_.findings.empty() ? 0 : 1;
  }

 private:
  static constexpr const char* kGenesisAdvice =
      "; give the consortium's genesis.json with --genesis, a start copies it again";

  static Error about(const std::string& path, const Error& error) { return {error.code, path + ": " + error.message}; }
  void found(std::optional<Height> height, std::string where, std::string file, std::string what) {
    verdict_.findings.push_back({height, std::move(where), std::move(file), std::move(what)});
  }
  /// An exit code when the ledger can neither be found sound nor damaged.
  std::optional<int> check_ledger(const Genesis& genesis, const std::string& genesis_path);
  int refuse_ledger(const Error& error, const std::string& genesis_path) const;
  Result<ledger::VerifyReport> verify_ledger(const Genesis& genesis, const Scratch& scratch) const;
  void print_json() const;
  void print_text() const;

  const VerifyArguments arguments_;
  Verdict verdict_;
};

std::optional<int> Verify::check_ledger(const Genesis& genesis, const std::string& genesis_path) {
  const auto folder = arguments_.data_dir + "/ledger";
  Scratch scratch;
  if (!arguments_.quick && arguments_.from == 0)
    if (auto made = scratch.make(bytes_below(folder)); !made) return refuse(made.error(), arguments_, kCannotCheck);
  auto report = verify_ledger(genesis, scratch);
  const bool own_genesis = arguments_.genesis.empty();
  if (!report && is_damage(report.error().code, own_genesis)) {
    const bool other = report.error().code == ErrorCode::WRONG_CHAIN;
    found({}, other ? "genesis" : "ledger", other ? genesis_path : folder,
          report.error().message + (other ? kGenesisAdvice : ""));
    return std::nullopt;
  }
  if (!report) return refuse_ledger(report.error(), genesis_path);
  if (!report->ok() && !scratch.path().empty())
    if (auto room = scratch.check_room(); !room) return refuse(room.error(), arguments_, kCannotCheck);
  for (auto& finding : report->findings) found(finding.height, finding.where, folder, std::move(finding.what));
  verdict_.report = std::move(*report);
  verdict_.ledger_checked = true;
  return std::nullopt;
}

// What damage there is comes as findings: an IO_ERROR is of the scratch ledger.
int Verify::refuse_ledger(const Error& error, const std::string& genesis_path) const {
  if (error.code == ErrorCode::IO_ERROR) return refuse(error, arguments_, kCannotCheck);
  const bool other = error.code == ErrorCode::WRONG_CHAIN;
  return refuse(other ? about(genesis_path, error) : error, arguments_, exit_code(error.code));
}

Result<ledger::VerifyReport> Verify::verify_ledger(const Genesis& genesis, const Scratch& scratch) const {
  execution::BlockRunner runner(genesis);
  ledger::VerifyOptions options;
  options.directory = arguments_.data_dir;
  options.genesis = &genesis;
  options.from = arguments_.from;
  options.jobs = arguments_.jobs;
  if (!scratch.path().empty()) {
    options.executor = &runner;
    options.scratch_directory = scratch.path();
  }
  const bool terminal = isatty(STDERR_FILENO) != 0;
  options.on_progress = [terminal, json = arguments_.json](const ledger::VerifyProgress& p) {
    if (terminal || json) print_progress(p, json);
  };
  auto report = ledger::verify_ledger(options);
  if (terminal && !arguments_.json) fmt::print(stderr, "\n");
  return report;
}

void Verify::print_json() const {
  const auto& report = verdict_.report;
  fmt::print(
      "{{\"ok\":{},\"ledger_checked\":{},\"from\":{},\"height\":{},\"certified_height\":{},\"blocks\":{},"
      "\"transactions\":{},\"certificates\":{},\"state_rows\":{},\"executed\":{},\"seconds\":{:.3f},\"findings\":[",
      verdict_.findings.empty(), verdict_.ledger_checked, report.height_first, report.height_last,
      report.certified_height, report.blocks, report.items, report.certificates, report.state_rows, report.executed,
      report.seconds);
  const char* separator = "";
  for (const auto& finding : verdict_.findings) {
    const auto height = finding.height ? fmt::format("\"height\":{},", *finding.height) : std::string();
    fmt::print("{}{{{}\"where\":\"{}\",\"file\":{},\"what\":{}}}", separator, height, finding.where,
               json_text(finding.file), json_text(finding.what));
    separator = ",";
  }
  fmt::print("]}}\n");
}

void Verify::print_text() const {
  const auto& report = verdict_.report;
  for (const auto& finding : verdict_.findings) {
    const auto height = finding.height ? fmt::format("height {}: ", *finding.height) : std::string();
    fmt::print("{}{}: {} [{}]\n", height, finding.where, finding.what, finding.file);
  }
  if (!verdict_.ledger_checked) return fmt::print("DAMAGED: the ledger could not be checked\n");
  fmt::print("{}: {} blocks, {} transactions, {} certificates, {} state rows {}up to height {}{}\n",
             verdict_.findings.empty() ? "WHOLE" : "DAMAGED", report.blocks, report.items, report.certificates,
             report.state_rows, report.height_first > 0 ? fmt::format("from height {} ", report.height_first) : "",
             report.height_last, report.executed ? ", every block executed again" : "");
  if (report.height_first > arguments_.from)
    fmt::print("blocks below {} were still on their way to this node (BACKFILLING) and are not checked\n",
               report.height_first);
}

}  // namespace

int verify(const VerifyArguments& arguments) { return Verify(arguments).run(); }

}  // namespace galen
