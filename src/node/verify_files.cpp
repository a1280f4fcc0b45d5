#include "galen/node/verify_files.hpp"

#include "galen/node/log.hpp"
#include "galen/vault/keyring.hpp"
#include "galen/vault/record_index.hpp"
#include "node/vault_position.hpp"

namespace galen::node {
namespace {

struct OpenedLog {
  std::unique_ptr<Log> log;
  bool started_over = false;
};

/// Nothing where it cannot be opened.
OpenedLog verify_log(const std::string& data_dir, std::vector<FileFinding>& findings) {
  OpenedLog out;
  // Opening reads every frame and writes nothing.
  auto opened =
      Log::open(data_dir, [&out](const ReplayedRecord& record) { out.started_over |= record.type == kLogAmnesia; });
  if (!opened) {
    findings.push_back({"log", opened.error().message});
    return out;
  }
  out.log = std::move(opened->log);
  const auto& verdict = opened->verdict;
  if (verdict.kind != LogVerdict::Kind::clean) findings.push_back({"log", verdict.reason});
  if (verdict.records_repaired > 0)
    findings.push_back({"log", std::to_string(verdict.records_repaired) +
                                   " records are damaged in one copy; a start reads them from the other"});
  if (verdict.mirrors_bad > 0)
    findings.push_back({"log", std::to_string(verdict.mirrors_bad) + " second copies of records are damaged"});
  if (verdict.torn_tail)
    findings.push_back({"log",
                        "the last turn is not whole: a crash cut it off, or it is damaged; a start drops it and keeps "
                        "what either copy of its votes and outbox records holds"});
  return out;
}

}  // namespace

std::vector<FileFinding> verify_files(const std::string& data_dir) {
  std::vector<FileFinding> findings;
  const auto log = verify_log(data_dir, findings);
  for (auto& what : vault::Keyring::inspect(data_dir + "/keyring")) findings.push_back({"keyring", std::move(what)});
  auto index = vault::RecordIndex::inspect(data_dir + "/vault");
  for (auto& what : index.findings) findings.push_back({"vault", std::move(what)});
  if (index.findings.empty() && index.applied && log.log) {
    if (auto status = check_vault_follows(*index.applied, *log.log, log.started_over); !status)
      findings.push_back({"vault", status.error().message});
  }
  return findings;
}

}  // namespace galen::node
