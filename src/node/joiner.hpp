// Brings a node that has nothing, or is far behind, to the state of a snapshot (docs/spec/snapshots.md 3). Nothing it
// takes is believed before it is proven from genesis on, and nothing of it is served or voted on before all of it is
// there. The sync thread.
#pragma once

#include <map>
#include <set>

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
    std::function<bool()> has_room;                 ///< no: the disk is too full to take more
    /// The lowest block above genesis of the ledger in use, which goes when the snapshot comes; nothing if there is
    /// none.
    std::function<Result<std::optional<ledger::PastWanted>>()> own_lowest;
  };
  /// `behind_min`: blocks that joining must save.
  Joiner(const Identity& identity, const ledger::StoreOptions& options, Height behind_min, SyncPeers& peers,
         Ports ports);

  /// Takes up what an earlier life began; what cannot be gone on with, or is not wanted any more, is removed. IO_ERROR.
  Status resume(bool wanted = true);
  bool under_way() const { return installer_ != nullptr; }

  enum class Outcome {
    complete,  ///< DIR/joining waits to be put in the ledger's place: open again
    later,     ///< nothing to join by, nobody to ask, or the node stops: try again, or take blocks one by one
  };
  /// One attempt, from where the last one stood. Errors are ours; what was taken is removed then, since it can be taken
  /// again, and damage in it must not meet every start.
  Result<Outcome> attempt();

 private:
  Result<Outcome> go_on();
  /// Why what is under way leads nowhere; empty: it may.
  std::string hopeless(std::size_t answered) const;
  /// No block of the ledger in use may be lost to all members by joining: whether somebody else shows the lowest one,
  /// and so has those above it too.
  Result<bool> others_have_our_blocks();
  /// Who offers what; returns how many members answered.
  std::size_t ask_offers();
  Result<bool> choose();
  std::optional<ledger::SnapshotManifest> fetch_manifest(Height height);
  Result<bool> fetch_parts();
  Result<bool> take_part(const SyncPeers::Answer& answer);
  /// A member's parts are of another depth than the manifest: nothing proves who is wrong, but honest members choose
  /// alike.
  Status take_other_depth(MemberIndex from);
  void ask_parts(std::span<const std::uint32_t> missing);
  Result<bool> fetch_past();
  bool is_offered(Height height) const;
  Status give_up();

  const Identity& identity_;
  const ledger::StoreOptions options_;
  const Height behind_min_;
  SyncPeers& peers_;
  const Ports ports_;
  PastFetch past_;
  std::unique_ptr<ledger::Installer> installer_;
  std::map<MemberIndex, std::vector<Height>> offers_;
  std::optional<MemberIndex> manifest_from_;  ///< nothing: in an earlier life
  std::set<MemberIndex> of_other_depth_;
  bool safe_ = false;             ///< others have the blocks that go when the snapshot comes
  std::uint64_t came_us_ = 0;     ///< when something came last in this attempt; 0: nothing did
  std::uint64_t stalled_us_ = 0;  ///< spent on attempts since something came, while somebody could be asked
};

}  // namespace galen::node
