// The core's own records in a log whose checksums hold: whatever they say, the fold of them is a state that folds to itself.
#include "fuzz/fuzz.hpp"
#include "galen/consensus/safety.hpp"

namespace galen {

// u16 length ‖ record, again and again.
GALEN_FUZZ_TARGET(safety_records) {
  constexpr auto kSuite = crypto::Suite::p256_sha256;
  consensus::SafetyState state;
  ByteReader in(input);
  while (in.remaining() > 0) {
    const auto length = in.u16();
    const auto payload = in.raw(std::min<std::size_t>(length, in.remaining()));
    if (!in.ok() || !state.apply({to_bytes(payload)})) return;  // a lost log
  }
  const auto records = state.records();
  auto again = consensus::recover(state.epoch(), kSuite, records);
  GALEN_ASSERT(again.has_value() && again->records() == records);
  GALEN_ASSERT(again->mode() == state.mode() && again->floor() == state.floor() && again->max_view_change() == state.max_view_change());
  for (View view : {View{0}, View{1}, View{7}, UINT64_MAX})
    for (Height height : {Height{1}, Height{9}, UINT64_MAX})
      GALEN_ASSERT(!again->commit_allowed(view, height) || state.commit_allowed(view, height));
  state.prune(UINT64_MAX);
  GALEN_ASSERT(state.prepares().size() <= 1 && state.commits().size() <= 1);  // the highest stays
}

}  // namespace galen
