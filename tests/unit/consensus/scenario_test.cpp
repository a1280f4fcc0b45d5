// Every file of tests/scenario must give exactly the trace it tells. GALEN_REWRITE_SCENARIOS=1 writes the traces anew:
// read the difference before you keep it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenario.hpp"

namespace galen::consensus::test {
namespace {

std::vector<std::filesystem::path> scenario_files() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(GALEN_SOURCE_DIR) + "/tests/scenario"))
    if (entry.path().extension() == ".txt") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

class ScenarioFile : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(ScenarioFile, GivesItsTrace) {
  std::ifstream in(GetParam());
  std::stringstream expected, actual;
  expected << in.rdbuf();
  Scenario scenario;
  std::istringstream lines(expected.str());
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') actual << line << "\n";
    if (line.rfind("> ", 0) != 0) continue;
    actual << line << "\n";
    for (const auto& traced : scenario.run(line.substr(2))) actual << "  " << traced << "\n";
  }
  const char* rewrite = std::getenv("GALEN_REWRITE_SCENARIOS");
  if (rewrite != nullptr && *rewrite == '1') std::ofstream(GetParam()) << actual.str();
  else EXPECT_EQ(actual.str(), expected.str());
}

INSTANTIATE_TEST_SUITE_P(Scenarios, ScenarioFile, testing::ValuesIn(scenario_files()), [](const auto& given) {
  auto name = given.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace galen::consensus::test
