// DIR/snapshots: finished snapshots of this node, each in DIR/snapshots/HEIGHT, every file with its CRC-32C behind it
// (docs/spec/snapshots.md 5). They can be made again at any time, so nothing is synced, and a file that fails its
// checksum is as good as none. One thread makes and removes; any thread reads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "galen/ledger/snapshot_part.hpp"
#include "galen/ledger/view.hpp"

namespace galen::ledger {

class SnapshotFiles {
 public:
  explicit SnapshotFiles(const std::string& data_dir) : path_(data_dir + "/snapshots") {}

  /// Of the finished ones, ascending.
  std::vector<Height> heights() const;
  /// NOT_FOUND also when the file is damaged.
  Result<Bytes> manifest(Height height) const;
  Result<Bytes> part(Height height, std::uint32_t index) const;
  Status remove(Height height) const;

  struct Source {
    const View* view = nullptr;        ///< frozen at the snapshot's height
    std::vector<BlockHeader> headers;  ///< from that height on
    QuorumCertificate certificate;     ///< COMMIT-QC of the last one
    std::vector<EpochLink> epochs;     ///< View::epoch_links of the last one's epoch
    ChainContext context;
    /// Called after about every hundred rows: may wait, and false ends the work with CANCELLED.
    std::function<bool()> pace;
  };
  /// Makes a snapshot, or leaves nothing. BAD_PROOF when its nodes do not lead to the certified state root.
  Status make(const Source& source) const;
  /// What an interrupted make left.
  void clear_unfinished() const;

 private:
  class Maker;
  std::string folder(Height height) const { return path_ + "/" + std::to_string(height); }
  std::string path_;
};

}  // namespace galen::ledger
