// Brings a node that has nothing, or is far behind, to the state of a snapshot (docs/spec/snapshots.md 3). Nothing it
// takes is believed before it is proven from genesis on, and nothing of it is served or voted on before all of it is
// there. The sync thread.
#pragma once

#include <map>

#include "galen/ledger/installer.hpp"
#include "node/health.hpp"
#include "node/past_fetch.hpp"

namespace galen::node {

class Joiner {
 public:
  struct Ports {
    std::function<Height()> applied;                ///< of the ledger in use
    std::function<void(bool paused)> pause_blocks;  ///< none is followed one by one meanwhile
    std::function<void(std::string)> say;           ///< for the status
  };
  /// `behind_min`: blocks that joining must save.
  Joiner(const Identity& identity, const ledger::StoreOptions& options, Height behind_min, SyncPeers& peers,
         Ports ports);

  /// Takes up what an earlier life began. IO_ERROR, CORRUPT.
  Status resume();
  bool under_way() const { return installer_ != nullptr; }

  enum class Outcome {
    complete,  ///< DIR/joining waits to be put in the ledger's place: open again
    later,     ///< nothing to join by, nobody to ask, or the node stops: try again, or take blocks one by one
  };
  /// One attempt, from where the last one stood. Errors are ours.
  Result<Outcome> attempt();

 private:
  /// Who offers what; returns how many members answered.
  std::size_t ask_offers();
  Result<bool> choose();
  std::optional<ledger::SnapshotManifest> fetch_manifest(Height height);
  Result<bool> fetch_parts();
  Result<bool> take_part(const SyncPeers::Answer& answer);
  void ask_parts(std::span<const std::uint32_t> missing);
  Result<bool> fetch_past();
  Status give_up();

  const Identity& identity_;
  const ledger::StoreOptions options_;
  const Height behind_min_;
  SyncPeers& peers_;
  const Ports ports_;
  PastFetch past_;
  std::unique_ptr<ledger::Installer> installer_;
  std::map<MemberIndex, std::vector<Height>> offers_;
};

}  // namespace galen::node
