// Who the voting members are, what is to follow, and who learns (docs/spec/membership.md): read from the state, and moved
// on at the end of an epoch. A pure function of genesis and rows; the reader's thread.
#pragma once

#include <functional>

#include "galen/contracts/contract.hpp"
#include "galen/types/block.hpp"

namespace galen::contracts {

/// An approved change of the list of voters.
struct PendingMembers {
  MemberSet members;
  Height since = 0;      ///< of the block whose execution approved it
  Hash proposal_id;
};

struct Membership {
  Epoch epoch = 1;
  Height first_height = 1;  ///< of the epoch
  MemberSet members;        ///< the voters, in their order
  std::optional<PendingMembers> next;
  std::vector<PrincipalId> learners;

  bool is_voter(const std::string& id) const;
  bool is_learner(const std::string& id) const;
  /// A header with this exec_height ends the epoch, and with this list, if there is one here; else it must not.
  const MemberSet* next_at(Height exec_height) const;
};

/// The row of a state, or nothing if it has none.
using RowReader = std::function<Result<std::optional<Bytes>>(StateKind kind, ByteSpan key)>;

/// CORRUPT when a row does not decode, and what the reader gives.
Result<Membership> load_membership(const Genesis& genesis, const RowReader& read);

struct EpochMembers {
  Height first_height = 1;
  MemberSet members;
  std::optional<Hash> proposal_id;  ///< nothing for epoch 1
};
/// The voters of one epoch, past or present; nothing if the chain has not come to it.
Result<std::optional<EpochMembers>> load_epoch(const Genesis& genesis, Epoch epoch, const RowReader& read);

/// Before the items of a block: keeps the root that its header certifies, while somebody learns.
void begin_block(const Membership& membership, const BlockHeader& header, StateView& state);
/// After the items of an epoch_end block: the pending list becomes the current one of the next height. CORRUPT when
/// the header names another list or none is pending.
Status end_epoch(const Genesis& genesis, const BlockHeader& header, StateView& state);

}  // namespace galen::contracts
