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
  struct Seat;
  /// The members of an epoch.
  struct Set {
    ChainContext context;
    MemberSet members;
    std::vector<std::size_t> nodes;  ///< by member index
    Height base = 0;
  };
  void add_set(const std::string& letters);
  void start(Node& node);
  void take_seat(Node& node, Epoch epoch, Recovered recovered);
  void go_over(Node& node);
  std::optional<Hash> pending_after(const BlockHeader& header) const;
  const BlockHeader& header_at(const Node& node, Height height) const;
  void note_leaders(Node& node, const BlockHeader& header);
  void give(Node& node, const Input& input);
  void carry_out(Node& node, Seat& seat, Effects effects);
  void execute();
  void deliver_all();
  void say(const Node& node, const std::string& text) { trace_.push_back(node_name(node) + " " + text); }
  std::string node_name(const Node& node) const;
  bool is_dropped(const Node& from, const Node& to, const Message& message) const;
  void submit(Node& node, const std::string& name);
  void fetch_batches(Node& node, Node& source, const Effects::FetchBatches& fetch);
  void fetch_blocks(Node& node, const Node& source, Height from);

  struct InFlight {
    std::size_t from;
    std::size_t to;
    Epoch epoch;
    MessagePtr message;
  };
  struct Filter {
    std::string from, to, kind;  ///< "*" for any
  };
  sim::TagKeyring keyring_;
  std::vector<Set> sets_;  ///< by epoch - 1
  Height change_from_ = 0;  ///< after this height and later ones a change to the newest set is pending
  bool is_held_ = false;
  std::vector<std::pair<Node*, BlockExecuted>> held_;
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
