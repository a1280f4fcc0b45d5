// What this node can prove of members that signed two values for one place, until it stands in the ledger
// (docs/spec/membership.md 7). Of each member the first proof of the epoch is enough. Kept in memory only: what a
// restart loses the others submit, or the next double vote shows again. Owned by the intake's thread.
#pragma once

#include <map>
#include <optional>

#include "galen/consensus/effects.hpp"
#include "galen/types/transaction.hpp"
#include "node/identity.hpp"

namespace galen::node {

/// The two messages as the operation that proves them; nothing if they are not two values of one member for one place.
std::optional<ledger::v1::Operation> report_of(const ChainContext& context,
                                               const consensus::Effects::Evidence& evidence);

struct Accusation {
  ledger::v1::Operation report;
  std::optional<TransactionId> submitted;  ///< the newest transaction with it
  bool settled = false;                    ///< stands in the ledger, or never will: nothing more is submitted
};

class Accusations {
 public:
  explicit Accusations(const ChainContext& context) : context_(context) {}

  void add(const consensus::Effects::Evidence& evidence);
  std::map<MemberIndex, Accusation>& all() { return all_; }
  bool all_settled() const;

 private:
  const ChainContext context_;
  std::map<MemberIndex, Accusation> all_;
};

}  // namespace galen::node
