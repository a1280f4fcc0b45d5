// What a node does once its state is not the one a quorum certified (D9): it finds out in what, and writes it down for
// people. It compares its state tree with a peer's, page by page, its own rows with its own tree, and the outcomes of
// the block with the peer's, and writes DIR/diverged-HEIGHT.json: paths, keys, hashes of values, codes; no values.
// Nothing of it changes what the node does otherwise.
//
// begin() on any thread, once; the work is done by a thread of its own, "divergence".
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "galen/ledger/store.hpp"
#include "galen/ledger/tree_difference.hpp"
#include "node/health.hpp"
#include "node/identity.hpp"
#include "node/peer_question.hpp"

namespace galen::node {

class Divergence {
 public:
  Divergence(const Identity& identity, const ledger::Store& store, Health& health, std::string data_dir,
             PeerQuestion::Send send);
  ~Divergence();

  /// A quorum certified other roots at this height. Later calls do nothing.
  void begin(Height height);
  void stop();
  /// Any thread: what may be a peer's answer, with its kind; false unless it was asked for here.
  bool on_answer(MemberIndex from, ByteSpan message) { return question_.on_answer(from, message); }

  /// The work itself, on the calling thread: the path of the file, or why there is none.
  Result<std::string> write_down(Height height);

 private:
  struct Report;
  Status compare_states(const ledger::View& view, MemberIndex peer, Report& report);
  Status compare_outcomes(const ledger::View& view, MemberIndex peer, Report& report);
  Status check_own_rows(const ledger::View& view, Report& report);
  std::string to_json(const Report& report) const;

  const Identity& identity_;
  const ledger::Store& store_;
  Health& health_;
  const std::string data_dir_;
  PeerQuestion question_;
  std::mutex mutex_;  ///< guards the next two
  bool begun_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace galen::node
