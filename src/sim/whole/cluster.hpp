// Layer 2: whole nodes. The shipped core, log, recovery, executor and ledger (RocksDB over files in memory) of several
// members, over a simulated clock, network and disk, on one thread, from one seed. What the node's threads do with them is
// done here in the same order: core (a pass over inputs, one turn of effects), store (one write and sync of the turns,
// then what they allow), exec (blocks in order, now and then a checkpoint). docs/simulator.md says what is left out.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "galen/execution/executor.hpp"
#include "galen/ledger/store.hpp"
#include "galen/node/log.hpp"
#include "sim/adversary.hpp"
#include "sim/agenda.hpp"
#include "sim/checker.hpp"
#include "sim/runner.hpp"
#include "sim/whole/slow_model.hpp"
#include "sim/whole/world.hpp"

namespace galen::node {
struct FetchedBlock;
struct LogReplay;
class LoggedBatches;
}

namespace galen::sim {

struct WholeOptions {
  std::uint64_t seed = 0;
  std::size_t members = 4;
  std::size_t byzantine = 0;  ///< members that lie
  bool disk_lies = false;     ///< writes get lost or go elsewhere, bits turn, directories get lost: inside the budget
  bool blackout = false;      ///< all nodes lose power at once before healing
  unsigned changes = 0;       ///< epochs that may end with a change of members
  bool trace = false;
  Journal* journal = nullptr;
  std::uint64_t chaos_ms = 2000;
  std::uint64_t settle_ms = 30'000;
};
WholeOptions draw_whole(std::uint64_t seed);
SeedResult run_whole(const WholeOptions& options);

class Cluster {
 public:
  explicit Cluster(const WholeOptions& options);
  ~Cluster();
  /// Empty, or what went wrong.
  std::string run();

  std::uint64_t event_digest() const { return digest_; }
  Tally tally() const;
  std::vector<std::string> place_names() const;

 private:
  struct Node;
  struct Pass;
  struct Turn;
  /// A change of members that the administrators are about.
  struct Plan {
    enum class Kind : std::uint8_t { let_in, remove, rotate } kind = Kind::rotate;
    Identity who = 0;
    Epoch epoch = 1;             ///< that it is to end
    std::vector<Identity> next;  ///< the members that it leads to
    Hash proposal, promotion;    ///< ids; the second one for who is let in
    bool forges = false;         ///< first somebody asks for it with a proof of another key
  };

  template <class Action>
  void at(std::uint64_t delay, Action&& action) {
    agenda_.at(now_ + delay, std::forward<Action>(action));
  }
  /// Runs only if the node is still in the same life then.
  void at(std::uint64_t delay, Node& node, std::function<void()> action);
  void note(std::uint64_t value) { digest_ = (digest_ ^ value) * 0x100000001b3ULL; }
  void fail(const std::string& what) { checker_->fail(what); }
  void count(const std::string& what) { ++tally_.faults[what]; }
  void trace(const Node& node, const std::string& text) const;

  // cluster.cpp: the run as a whole
  void submit();
  void disturb();
  void hurt_disk(Node& node);
  void flap(unsigned times);
  void mend_network();
  void lie(Node& node);
  void heal();
  bool is_calm() const;
  bool settled() const;
  void check_end();
  void check_ledger(Node& node);
  void check_history(const execution::ExecutedBlock& executed, const Block& block);
  void check_read(Node& node);

  // cluster_members.cpp: who decides on the members, and from one epoch to the next
  void govern();
  void make_plan();
  void pursue_plan(Node& newest);
  void pursue_admission(Node& newest);
  void forge_admission();
  void pursue_proposal(const ledger::View& view, const Hash& id, const ledger::v1::MembersChange& change);
  void set_admin_keys(const ledger::View& view);
  void ask(Identity who, const std::function<BatchItem(TimestampMs)>& make);
  bool counts_as_faulty(const Node& node) const;
  bool bears(const std::vector<Identity>& members, const Node* one_more = nullptr) const;
  bool may_hurt(const Node& node) const;
  void learn_of_decision(Node& node);
  void check_epoch_end(const BlockHeader& header);
  Status look_at_participants(Node& node);
  void reopen(Node& node);
  void hear_of_epoch(Node& node, Node& from, Epoch epoch);
  void check_epochs(Node& node);

  // cluster_life.cpp: from a data directory to a running node, and its end
  void start(Node& node);
  Status open(Node& node);
  Status make_ledger(Node& node);
  Status use_ledger(Node& node, Result<std::unique_ptr<ledger::Store>> store);
  Status open_ledger(Node& node);
  Result<consensus::SafetyState> recover_promises(Node& node, const node::LogReplay& replay,
                                                  const node::LogVerdict& verdict, const node::LoggedBatches& bodies,
                                                  const consensus::Recovered& recovered);
  void make_replica(Node& node, consensus::Recovered recovered);
  void die(Node& node, const std::string& why);
  bool lives(Node& node);
  void bury();

  // cluster_turns.cpp: what the core, store and exec threads do
  void give(Node& node, const consensus::Input& input);
  void step(Node& node, const consensus::Input& input, Pass& pass);
  consensus::Tick tick_of(const Node& node) const;
  void absorb(Node& node, consensus::Effects effects, Pass& pass);
  void report(Node& node, const consensus::Effects& effects);
  void send_batch(Node& node, std::vector<BatchItem> items);
  void take_batch(Node& node, const BatchPtr& batch, bool own);
  void add_body(Node& node, const BatchPtr& batch, bool own);
  void commit(Node& node, const consensus::Effects::CommittedBlock& committed);
  void finish(Node& node, Pass& pass);
  void write(Node& node);
  Status append(Node& node, const std::vector<Turn>& turns);
  void execute(Node& node);
  Status apply_next(Node& node);
  void checkpoint(Node& node);

  // cluster_network.cpp
  void send(Node& node, const consensus::Target& to, const consensus::MessagePtr& message);
  void post(Node& from, MemberIndex to, const consensus::MessagePtr& message, std::uint64_t delay_ms);
  void post_lies(Node& from, const Adversary::Outbox& outbox);
  void deliver(Node& from, Node& to, Epoch epoch, const consensus::MessagePtr& message);
  bool verified(const Node& from, MemberIndex sender, Epoch epoch, const consensus::MessagePtr& message);
  Node& node_of(Epoch epoch, MemberIndex member) { return *nodes_[world_.of(epoch).identities[member]]; }
  void broadcast_batch(Node& node, const BatchPtr& batch);
  void offer(Node& node, const std::vector<Hash>& digests);
  void answer_batches(Node& from, Node& to, const std::vector<Hash>& digests);
  void answer_blocks(Node& from, Node& to, Height first);
  void take_blocks(Node& to, const std::vector<node::FetchedBlock>& blocks);
  std::vector<node::FetchedBlock> checked(Node& from, Node& to, Height first, ByteSpan answer);
  Bytes changed_bit(Bytes bytes);
  bool withholds(const Node& node);
  bool poisons(const Node& node);
  bool linked(const Node& from, const Node& to) const;
  bool is_lost() { return !is_healed_ && !is_calm_ && rng_.below(100) < loss_percent_; }
  std::uint64_t latency() { return 1 + rng_.below(is_healed_ ? 10 : delay_max_); }

  WholeOptions options_;
  Rng rng_;
  World world_;
  Agenda agenda_;
  std::uint64_t now_ = 0, digest_ = 0xcbf29ce484222325ULL, deadline_ = UINT64_MAX;
  std::uint64_t loss_percent_ = 0, delay_max_ = 10;
  bool is_calm_ = true;  ///< until all honest nodes vote
  bool is_healed_ = false;
  Height healed_height_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::optional<Checker> checker_;
  Tally tally_;
  std::vector<BatchItem> retries_;         ///< sent before, to be sent again
  std::map<Height, ExecutedSubject> roots_;  ///< of the first node that executed the height
  std::optional<Plan> plan_;
  std::map<Identity, std::uint64_t> asked_ms_;  ///< when its administrator last sent something about members
  std::set<TransactionId> forged_;              ///< admissions with a proof of another key
  std::optional<SlowModel> model_;              ///< of the canonical chain, where members do not change
  LieCounts told_{};
  std::set<TransactionId> answered_;       ///< by the canonical chain, each once
  std::map<TransactionId, Height> acknowledged_;  ///< a client was told that it is done, in this block
  std::pair<consensus::MessagePtr, MemberIndex> judged_;
  bool verdict_ = false;
};

}  // namespace galen::sim
