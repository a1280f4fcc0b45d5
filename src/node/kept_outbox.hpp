// DIR/vault.outbox: the outbox records that the log held for a vault whose index is damaged (docs/adr/0018). The keys
// in them are nowhere else, and the log is given up behind them: they are kept here until the vault that is put back
// has taken them up. A node without its vault takes on no work, so none come after them. Layout:
// docs/spec/commitments.md 7.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/log_replay.hpp"
#include "node/vault_position.hpp"

namespace galen::node {

struct KeptOutbox {
  struct Record {
    RequestId log_id;  ///< of the log that it stood in, at `seq`
    LogSeq seq = 0;
    Bytes bytes;
    bool operator==(const Record&) const = default;
  };
  LogReach reach;               ///< of the log when it began to be kept: a vault that follows that log misses nothing
  std::vector<Record> records;  ///< in the order of the log
  bool copy_damaged = false;    ///< of the file it was read from: one of its two

  /// Those of `records` that are not here yet; true if there were some.
  bool add(const RequestId& log_id, std::span<const LogReplay::Entry> records);
  /// Records of that log below it are here.
  LogSeq end_of(const RequestId& log_id) const;

  Bytes encode() const;
  /// From the first copy that is whole. CORRUPT when neither is.
  static Result<KeptOutbox> decode(ByteSpan bytes);
};

/// Nothing: there is no such file. CORRUPT, IO_ERROR.
Result<std::optional<KeptOutbox>> load_kept_outbox(const std::string& data_dir);
/// Durable on return.
Status save_kept_outbox(const std::string& data_dir, const KeptOutbox& kept);
Status remove_kept_outbox(const std::string& data_dir);

}  // namespace galen::node
