#include "galen/execution/membership.hpp"

namespace galen::execution {

namespace {

contracts::RowReader reader_of(const ledger::View& view) {
  return [&view](StateKind kind, ByteSpan key) { return view.state(static_cast<std::uint8_t>(kind), key); };
}

}  // namespace

Result<contracts::Membership> load_membership(const Genesis& genesis, const ledger::View& view) {
  return contracts::load_membership(genesis, reader_of(view));
}

Result<std::optional<contracts::EpochMembers>> load_epoch(const Genesis& genesis, const ledger::View& view,
                                                          Epoch epoch) {
  return contracts::load_epoch(genesis, epoch, reader_of(view));
}

Result<Leadership> load_leadership(const ledger::View& view) { return contracts::load_leadership(reader_of(view)); }

}  // namespace galen::execution
