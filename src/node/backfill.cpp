#include "node/backfill.hpp"

#include "galen/base/log.hpp"
#include "galen/execution/past_rows.hpp"

namespace galen::node {

Backfill::Backfill(const Identity& identity, ledger::Store& store, SyncPeers& peers)
    : identity_(identity), store_(store), runner_(identity.genesis), past_(peers) {}

Result<bool> Backfill::step() {
  if (store_.backfill_floor() == 1) {
    GALEN_TRY(store_.finish_past(runner_.run_genesis().update));
    log::info("backfilled: every block from 1 on is here");
    return true;
  }
  GALEN_ASSIGN(auto view, store_.snapshot());
  const auto state = [&](std::uint8_t kind, ByteSpan key) { return view->state(kind, key); };
  const auto wanted = [&]() -> Result<std::optional<ledger::PastWanted>> {
    if (store_.backfill_floor() <= 1) return std::optional<ledger::PastWanted>{};
    return std::optional(store_.past_wanted());
  };
  GALEN_ASSIGN(const auto epochs, view->epochs(identity_.genesis));
  GALEN_ASSIGN(auto taken, past_.step(epochs, wanted, [&](const ledger::PastBlock& past) -> Status {
    GALEN_ASSIGN(auto rows, execution::past_rows(identity_.genesis, past, state));
    return store_.add_past(past, rows);
  }));
  return taken > 0;
}

}  // namespace galen::node
