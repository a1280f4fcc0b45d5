// Runs a scenario of tests/scenario: commands and, under each, the trace they must give. No chance in it: messages arrive
// in the order they were sent, signatures and syncs are at once, time moves only by `tick`. Commands are described in
// tests/scenario/README.md.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "galen/consensus/replica.hpp"
#include "sim/keyring.hpp"

namespace galen::consensus::test {

class Scenario {
 public:
  Scenario();
  ~Scenario();
  /// The trace of one command line, as lines; a line beginning with "error" if it is no command.
  std::vector<std::string> run(const std::string& command);

 private:
  struct Node;
  void start(Node& node);
  void give(Node& node, const Input& input);
  void carry_out(Node& node, Effects effects);
  void deliver_all();
  void say(const Node& node, const std::string& text) { trace_.push_back(node_name(node) + " " + text); }
  std::string node_name(const Node& node) const;
  bool is_dropped(const Node& from, const Node& to, const Message& message) const;
  void submit(Node& node, const std::string& name);
  void fetch_batches(Node& node, const Effects::FetchBatches& fetch);
  void fetch_blocks(Node& node, const Effects::FetchBlocks& fetch);

  struct InFlight {
    std::size_t from;
    std::size_t to;
    MessagePtr message;
  };
  struct Filter {
    std::string from, to, kind;  ///< "*" for any
  };
  sim::TagKeyring keyring_;
  ChainContext context_;
  MemberSet members_;
  BlockHeader block_zero_;
  Hash zero_digest_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::deque<InFlight> network_;
  std::vector<Filter> filters_;
  std::set<std::string> shown_{"PRE-PREPARE", "PREPARE", "COMMIT", "VIEW-CHANGE"};
  std::map<Hash, PendingBatch> batches_;
  std::uint64_t now_ = 1000;
  std::vector<std::string> trace_;
};

}  // namespace galen::consensus::test
