// Checking and mending the ledger of a running node, piece by piece (docs/spec/ledger-storage.md, "Scrub"). Blocks are
// checked by the code of `ledger verify`; table files against the checksum RocksDB noted when it wrote them; state rows
// against the state tree. What a block's rows say can be had from any other member and proves itself; what other
// families hold cannot.
//
// One thread, beside the executor. IO_ERROR means that a write or read failed: the caller stops the process, as
// everywhere.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "galen/ledger/store.hpp"
#include "galen/ledger/verify.hpp"

namespace galen::ledger {

/// All that a node stores of one block, as one member sends it to another: nothing in it is believed before
/// Scrub::restore.
struct StoredBlock {
  Bytes block;     ///< Block::encode()
  Bytes outcomes;  ///< encode_outcomes()
  std::optional<QuorumCertificate> commit;
  std::optional<ExecutedCertificate> executed;

  /// sized block ‖ sized outcomes ‖ u8 present [‖ sized COMMIT-QC] ‖ u8 present [‖ sized EXECUTED certificate]
  Bytes encode() const;
  /// MALFORMED.
  static Result<StoredBlock> decode(ByteSpan bytes);
  /// Of encode_past_block(), unchecked. MALFORMED.
  static Result<StoredBlock> of_past_block(ByteSpan bytes);
  /// NOT_FOUND unless both rows are there; damaged ones are CORRUPT.
  static Result<StoredBlock> load(const View& view, Height height);
};

/// A table file of RocksDB.
struct TableFile {
  std::uint64_t number = 0;  ///< a later file has a higher one
  std::string path, family;
  std::string key_first, key_last;
  std::uint64_t bytes = 0;
  int level = 0;         ///< one in level 0 cannot be taken out
  std::string checksum;  ///< CRC-32C of the whole file, big-endian; empty when none was noted
};

class Scrub {
 public:
  /// Both outlive it.
  Scrub(Store& store, const Genesis& genesis);

  /// Those that make up the ledger now, oldest first.
  std::vector<TableFile> files() const;
  bool is_live(const TableFile& file) const;
  /// Reads it from the medium, a mebibyte at a time; `pause` comes after each and says whether to go on. A file that is
  /// gone meanwhile, and one whose reading was given up, count as whole.
  Result<bool> is_whole(const TableFile& file, const std::function<bool(std::uint64_t bytes_read)>& pause) const;

  /// What `ledger verify` would say of the block at an applied height, damage in the row below included.
  std::vector<VerifyFinding> check_block(Height height) const;

  /// Compares the next state rows from `cursor` with the tree and moves it; it is empty at the end. At most `rows`.
  struct StateRows {
    std::string cursor;
    std::uint64_t rows = 0;
    std::vector<VerifyFinding> findings;
  };
  StateRows check_state(std::string cursor, std::size_t rows) const;
  /// How many there are, about.
  std::uint64_t state_rows() const;

  /// Heights whose rows stand between the keys of a file of `blocks` or `certificates`; nothing for other families.
  struct Heights {
    Height first = 0, last = 0;
  };
  std::optional<Heights> heights(const TableFile& file) const;
  /// Checks and rewrites the rows of consecutive blocks. BAD_PROOF, BAD_CERTIFICATE, BAD_SIGNATURE, MALFORMED: the
  /// sender lies; NOT_FOUND: the state root of a block is certified nowhere. CORRUPT: the rows around them are damaged
  /// as well. Nothing is then written.
  Status restore(Height first, const std::vector<StoredBlock>& blocks);

  /// Writes all rows between the keys of a damaged file of `blocks` or `certificates` anew, each of which must be
  /// readable (restored before), and takes the file out of the ledger. `wait` passes the time in which readers may
  /// still hold it. UNAVAILABLE: RocksDB cannot let go of it where it stands; its rows are shadowed, the damaged bytes
  /// stay.
  Status replace(const TableFile& file, const std::function<void()>& wait);

 private:
  Status rewrite_rows(const TableFile& file);

  Store& store_;
  const Genesis& genesis_;
};

}  // namespace galen::ledger
