// A ledger that grows from a snapshot in DIR/joining, beside the one in use: rows and progress become durable together,
// so that a killed node goes on where it was (docs/spec/snapshots.md 3). Only what was verified is given to it. One
// thread.
#pragma once

#include <memory>

#include "galen/ledger/snapshot_part.hpp"
#include "galen/ledger/store.hpp"

namespace galen::ledger {

struct PastPosition;

class Installer {
 public:
  /// From a manifest that was verified; what stood in DIR/joining before is gone.
  static Result<std::unique_ptr<Installer>> begin(const StoreOptions& options, const SnapshotManifest& manifest);
  /// What an earlier life began; NOT_FOUND when there is nothing to go on with.
  static Result<std::unique_ptr<Installer>> resume(const StoreOptions& options);
  /// Gives up: DIR/joining is gone.
  static Status abandon(const std::string& data_dir);
  ~Installer();

  const SnapshotManifest& manifest() const { return manifest_; }
  /// Not there yet, ascending; an empty node has nothing to be fetched.
  std::vector<std::uint32_t> missing_parts() const;
  Status add_part(std::uint32_t index, std::span<const StateRow> rows);
  /// A state row of the parts that are there.
  Result<std::optional<Bytes>> state(std::uint8_t kind, ByteSpan key) const;

  /// After the last part. The next block below, or nothing when those that can hold a request id, a batch digest or an
  /// execution that counts above the snapshot are all there.
  Result<std::optional<PastWanted>> past_wanted(std::uint64_t ttl_max_ms) const;
  Status add_past(const PastBlock& past, const PastRows& rows);

  /// Makes durable what was given so far; after about 16 MiB it happens by itself.
  Status flush();

  /// Computes the state root over all rows once more, writes the tree's pages, and marks DIR/joining complete. Nothing
  /// may be called afterwards. CORRUPT when the root is not the certified one.
  Status finish();

 private:
  Installer() = default;
  Status flush_if_due(std::size_t bytes);

  StoreOptions options_;
  SnapshotManifest manifest_;
  std::shared_ptr<Database> database_;
  std::vector<bool> parts_;
  std::unique_ptr<PastPosition> past_;
  std::size_t unflushed_bytes_ = 0;
};

/// At a node's start: puts a complete DIR/joining in the place of DIR/ledger, by renames that are each synced, and goes
/// on with it after a crash. True when the ledger is the one of a snapshot now.
Result<bool> install_joined(const std::string& data_dir);

}  // namespace galen::ledger
