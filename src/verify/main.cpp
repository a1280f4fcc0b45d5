// galen-verify FILE [GENESIS] [--json], or --list: checks a receipt, a proof or an evidence bundle (known by its magic) with the
// consortium's genesis.json, without a node, a network or any other file; docs/spec/evidence.md. Exit codes: 0 valid, 1
// not valid or not readable, 2 usage.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "galen/types/report.hpp"

namespace {

constexpr const char* kUsage =
    "usage: galen-verify FILE [GENESIS] [--json]\n"
    "       galen-verify --list\n"
    "  Verifies a receipt, a proof or an evidence bundle (*.galen) with the consortium's genesis.json alone.\n"
    "  A bundle holds a genesis.json: without GENESIS that one is taken, and you compare the chain id.\n"
    "  --list: lines of FILE, tab, GENESIS from standard input; one JSON object a line.\n"
    "  Exit codes: 0 valid, 1 not valid or not readable, 2 usage.\n";

galen::Result<galen::Bytes> read_file(const std::string& path) {
  if (path.find('\0') != std::string::npos)  // a line of --list: what stands behind it would be cut off
    return galen::unreadable_file("no file has a zero byte in its name");
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return galen::unreadable_file("cannot open " + path + ": " + std::strerror(errno));
  galen::Bytes out;
  std::uint8_t buffer[16 * 1024];
  std::size_t count = 0;
  while (out.size() < galen::kVerifyReadBytesMax && (count = std::fread(buffer, 1, sizeof buffer, file)) > 0)
    out.insert(out.end(), buffer, buffer + count);
  const int failure = std::ferror(file) != 0 ? errno : 0;
  std::fclose(file);
  if (failure != 0) return galen::unreadable_file("cannot read " + path + ": " + std::strerror(failure));
  return out;
}

galen::Result<galen::VerifiedFile> verify(const std::vector<std::string>& files) {
  GALEN_ASSIGN(auto evidence, read_file(files[0]));
  std::optional<galen::Bytes> genesis;
  if (files.size() == 2) {
    GALEN_ASSIGN(genesis, read_file(files[1]));
  }
  return galen::verify_evidence_file(genesis, evidence);
}

/// 0; 1 if standard output does not take it.
int print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return 0;
  return std::fputs("galen-verify: standard output cannot be written\n", stderr), 1;
}

/// One verdict for each line, given as soon as the line is read.
int verify_list() {
  int code = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const auto tab = line.find('\t');
    std::vector<std::string> files{line.substr(0, tab)};
    if (tab != std::string::npos && tab + 1 < line.size()) files.push_back(line.substr(tab + 1));
    auto verdict = verify(files);
    if (!verdict) code = 1;
    if (print((verdict ? verdict->json : galen::report_error_json(verdict.error())) + "\n") != 0) return 1;
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  bool json = false, list = false;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--help" || word == "-h") return print(kUsage);
    if (word == "--json")
      json = true;
    else if (word == "--list")
      list = true;
    else if (word.size() > 1 && word[0] == '-')
      return std::fprintf(stderr, "galen-verify: unknown option %s\n%s", word.c_str(), kUsage), 2;
    else
      files.push_back(word);
  }
  if (list && files.empty()) return verify_list();
  if (list || files.empty() || files.size() > 2) return std::fputs(kUsage, stderr), 2;
  auto verdict = verify(files);
  if (verdict) return print(json ? verdict->json + "\n" : verdict->text);
  const auto& error = verdict.error();
  if (error.code == galen::ErrorCode::INVALID_ARGUMENT)
    return std::fprintf(stderr, "galen-verify: %s\n%s", error.message.c_str(), kUsage), 2;
  if (json)
    print(galen::report_error_json(error) + "\n");
  else
    std::fprintf(stderr, "NOT VALID: %s [%s]\n", error.message.c_str(), std::string(to_reason(error.code)).c_str());
  return 1;
}
