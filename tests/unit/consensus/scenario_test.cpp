// Every file of tests/scenario must give exactly the trace it tells. GALEN_REWRITE_SCENARIOS=1 writes the traces anew:
// read the difference before you keep it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
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

/// Views that began with a NEW-VIEW: a timeout each.
std::set<View> burned(const std::vector<std::string>& trace) {
  std::set<View> out;
  for (const auto& line : trace) {
    auto at = line.find("enters view ");
    if (at != std::string::npos && line.ends_with("by NEW-VIEW")) out.insert(std::stoull(line.substr(at + 12)));
  }
  return out;
}

TEST(Scenario, V6AMemberThatIsDownForGoodCostsTwoViewsAndLeadsAgainAfterItsSkip) {
  Scenario scenario;
  scenario.run("start all");
  scenario.run("crash B");
  std::set<View> lost;
  View view = 0;
  bool b_led = false;
  for (int i = 0; view < 43 && i < 300; ++i) {
    auto trace = scenario.run("submit A batch" + std::to_string(i));
    auto later = scenario.run("tick 200");
    trace.insert(trace.end(), later.begin(), later.end());
    for (auto at : burned(trace)) lost.insert(at);
    for (const auto& line : trace) b_led |= line.starts_with("B PRE-PREPARE 41/");
    auto status = scenario.run("status");  // A VOTING view 12 committed 30 without B
    view = std::stoull(status[0].substr(status[0].find("view ") + 5));
    EXPECT_EQ(status[0].ends_with("without B"), view >= 8 && view < 40) << status[0];
    if (view == 30 && status[1] == "B is down") scenario.run("start B");
  }
  EXPECT_EQ(view, 43u);
  EXPECT_EQ(lost, (std::set<View>{2, 6})) << "views 1 and 5 failed, and no other";
  EXPECT_TRUE(b_led);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, ScenarioFile, testing::ValuesIn(scenario_files()), [](const auto& given) {
  auto name = given.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace galen::consensus::test
