// docs/api.md tells who may call what, and which reason goes with which gRPC code: both must be what the program does.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "api/status_map.hpp"
#include "galen/socket/method.hpp"

namespace galen::api {
namespace {

/// The cells of every table row, trimmed.
std::vector<std::vector<std::string>> table_rows() {
  std::ifstream file(std::string(GALEN_SOURCE_DIR) + "/docs/api.md");
  EXPECT_TRUE(file.is_open());
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| ")) continue;
    std::istringstream cells(line.substr(1));
    auto& row = rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, '|');) {
      const auto begin = cell.find_first_not_of(' '), end = cell.find_last_not_of(' ');
      row.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
  }
  return rows;
}

TEST(ApiDocsTest, TheMethodTableIsTheOneOfTheProgram) {
  std::set<std::vector<std::string>> documented, actual;
  for (const auto& row : table_rows())
    if (row.size() == 4 && row[0].ends_with("Service")) documented.insert(row);
  for (const auto& info : socket::kMethods)
    actual.insert({std::string(info.service.substr(info.service.rfind('.') + 1)), std::string(info.name),
                   info.writes ? "writes" : "reads", info.role == socket::Role::admin ? "admin" : "any"});
  actual.insert({"RecordService", "AnchorRecords (stream)", "writes", "any"});
  EXPECT_EQ(documented, actual);
}

TEST(ApiDocsTest, EveryReasonOfAClientStandsBesideItsGrpcCode) {
  const std::map<grpc::StatusCode, std::string> names = {
      {grpc::INVALID_ARGUMENT, "INVALID_ARGUMENT"},     {grpc::UNAUTHENTICATED, "UNAUTHENTICATED"},
      {grpc::PERMISSION_DENIED, "PERMISSION_DENIED"},   {grpc::NOT_FOUND, "NOT_FOUND"},
      {grpc::ALREADY_EXISTS, "ALREADY_EXISTS"},         {grpc::FAILED_PRECONDITION, "FAILED_PRECONDITION"},
      {grpc::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"}, {grpc::UNAVAILABLE, "UNAVAILABLE"},
      {grpc::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"},   {grpc::CANCELLED, "CANCELLED"},
      {grpc::UNIMPLEMENTED, "UNIMPLEMENTED"}};
  std::map<std::string, std::set<std::string>> documented, actual;
  for (const auto& row : table_rows()) {
    if (row.size() < 2) continue;
    for (const auto& [code, name] : names)
      if (row[0] == name) {
        std::istringstream words(row[1]);
        for (std::string word; words >> word;) documented[name].insert(word);
      }
  }
#define X(name, number, advice_text)                                                                     \
  if (const auto found = names.find(to_grpc(ErrorCode::name)); found != names.end()) actual[found->second].insert(#name);
  GALEN_ERROR_CODES(X)
#undef X
  EXPECT_EQ(documented, actual);
}

}  // namespace
}  // namespace galen::api
