// A running node: opens the data directory, replays its log, and wires the threads of docs/architecture.md together. One per
// process (D21). make() has read everything and promised nothing; start() opens the sockets.
#pragma once

#include <functional>
#include <memory>

#include "galen/node/config.hpp"
#include "galen/node/interposer.hpp"
#include "galen/types/genesis.hpp"

namespace galen::node {

class Node {
 public:
  /// CONFIG_INVALID, DATA_DIR_MISSING, DATA_DIR_LOCKED, CORRUPT, IO_ERROR … each with what to do.
  /// `interposer`: tests only.
  static Result<std::unique_ptr<Node>> make(const Config& config, std::unique_ptr<Interposer> interposer = nullptr);
  ~Node();

  /// Listens, dials, starts the front end. UNAVAILABLE when an address cannot be bound.
  Status start();
  /// Ends its tenure if it leads (for at most two seconds), answers open calls, stops every thread, checkpoints.
  void stop();

  /// Uses the TLS certificate and key of the files from now on, if they changed since they were last read, or anyway
  /// with `always`. What cannot be used is said in the log, and the old ones stay (D18). One thread at a time.
  void renew_certificate(bool always);

  /// Called once from any thread when the node cannot go on, e.g. after a failed sync (fail-stop): the process must
  /// exit at once without calling stop().
  void on_fatal(std::function<void(const Error&)> handler);

  /// Called from the sync thread when the ledger of a snapshot waits to take the place of this one: stop the node, and
  /// make and start another (docs/spec/snapshots.md 3).
  void on_reopen(std::function<void()> handler);

 private:
  struct State;
  explicit Node(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::node
