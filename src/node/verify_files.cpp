#include "galen/node/verify_files.hpp"

#include "galen/node/log.hpp"
#include "galen/vault/keyring.hpp"
#include "galen/vault/record_index.hpp"

namespace galen::node {
namespace {

void verify_log(const std::string& data_dir, std::vector<FileFinding>& findings) {
  // Opening reads every frame and writes nothing.
  auto opened = Log::open(data_dir, [](const ReplayedRecord&) {});
  if (!opened) {
    findings.push_back({"log", opened.error().message});
    return;
  }
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
}

}  // namespace

std::vector<FileFinding> verify_files(const std::string& data_dir) {
  std::vector<FileFinding> findings;
  verify_log(data_dir, findings);
  for (auto& what : vault::Keyring::inspect(data_dir + "/keyring")) findings.push_back({"keyring", std::move(what)});
  for (auto& what : vault::RecordIndex::inspect(data_dir + "/vault")) findings.push_back({"vault", std::move(what)});
  return findings;
}

}  // namespace galen::node
