#include "sim/options.hpp"

#include <array>

#include "galen/base/rng.hpp"

namespace galen::sim {

namespace {
constexpr std::array<std::string_view, static_cast<std::size_t>(Lie::count)> kLieNames{
    "twins",    "equivocates", "votes_for_all", "withholds", "deaf",   "lies_status", "lies_view_change",
    "storms",   "mutates",     "stalls",        "replays",   "usurps", "forestalls",  "ignores_origin",
    "whispers", "floods",      "errs",          "poisons"};
constexpr std::array<std::string_view, static_cast<std::size_t>(Fault::count)> kFaultNames{
    "loss",      "delay", "repeat", "partition", "flapping", "one_way", "slow_node",
    "slow_disk", "clock", "crash",  "amnesia",   "ledger",   "restored"};
constexpr std::array<std::string_view, 4> kGroupNames{"crashes", "amnesia", "byzantine", "mixed"};
}  // namespace

std::string_view to_name(Lie lie) { return kLieNames[static_cast<std::size_t>(lie)]; }
std::string_view to_name(Fault fault) { return kFaultNames[static_cast<std::size_t>(fault)]; }
std::string_view to_name(Group group) { return kGroupNames[static_cast<std::size_t>(group)]; }

std::optional<Group> group_named(std::string_view name) {
  for (std::size_t i = 0; i < kGroupNames.size(); ++i)
    if (kGroupNames[i] == name) return static_cast<Group>(i);
  return std::nullopt;
}

Options draw(std::uint64_t seed, Group group) {
  Options out;
  out.seed = seed;
  Rng rng(seed + 991);
  out.members = rng.chance(7, 10) ? 4 : 7;
  out.chaos_ms = 1500 + rng.below(2500);
  auto faulty = faults_tolerated(out.members);
  switch (group) {
    case Group::crashes:
      break;
    case Group::amnesia:
      out.amnesia = true;
      break;
    case Group::byzantine:
      out.byzantine = 1 + rng.below(faulty);
      break;
    case Group::mixed:
      out.byzantine = rng.chance(6, 10) ? 1 + rng.below(faulty) : 0;
      out.amnesia = rng.chance(1, 2);
      out.faults = !rng.chance(1, 10);
      break;
  }
  Rng window(seed + 313'131);  // apart, so that it is the same for every group
  if (window.chance(1, 4)) {
    // So few blocks may be under way that views which fail soon use them up.
    out.window = 1 + static_cast<std::uint32_t>(window.below(3));
    out.exec_lag_max = out.window + 1 + static_cast<std::uint32_t>(window.below(2));
  }
  Rng changes(seed + 4242);  // apart, so that the other seeds stay what they were
  if (changes.chance(1, 4)) {
    out.changes = 1 + static_cast<unsigned>(changes.below(3));
    if (out.byzantine <= 1) out.members = 4 + changes.below(4);
    faulty = faults_tolerated(out.members);
  }
  Rng limits(seed + 7373);  // apart as well
  if (limits.chance(1, 8)) out.tenure_ms = 150, out.idle_ms = 200;  // so short that a slow leader is soon left (R8)
  if (limits.chance(1, 8)) out.pool_batches = 1 + limits.below(3);
  Rng timing(seed + 777'777);
  out.long_tenures = timing.chance(1, 4);
  // A member that recovers waits for two more views (8 c), and a leader that lies may keep one for three tenures (R8).
  if (out.long_tenures) out.settle_ms = 80'000;
  out.measured = timing.chance(1, 3);
  out.quiet = timing.chance(1, 3);
  if (out.quiet) out.chaos_ms *= 2;  // less happens in it
  Rng room(seed + 90'909);
  out.reconnects = room.chance(1, 6);
  if (room.chance(1, 16)) {
    // What honest members have under way fits in; a flood does not. Of one kind, or it would hide the others.
    switch (room.below(3)) {
      case 0: out.room.blocks = out.window + 6 + room.below(4); break;
      case 1: out.room.votes_per_member = 24 + room.below(16); break;
      default: out.room.strays = out.window + 2 + room.below(4); break;
    }
  }
  Rng ledgers(seed + 616'161);
  out.ledgers = ledgers.chance(1, 4);
  // A log that has votes for more blocks than there is room for.
  if (out.ledgers && out.room == consensus::Room{} && ledgers.chance(1, 4))
    out.room.blocks = out.window + 6 + ledgers.below(4);
  Rng guests(seed + 808'808);
  if (guests.chance(1, 16)) out.room.guest_bytes = 500 + guests.below(4000);  // a few batches
  Rng kinds(seed + 505'050);
  if (kinds.chance(1, 2))  // those that lose something are drawn above, and seldom enough
    for (unsigned fault = 0; fault < static_cast<unsigned>(Fault::amnesia); ++fault)
      if (kinds.chance(1, 3)) out.without |= 1U << fault;
  out.restores = kinds.chance(1, 4);
  // Members that lie count against the same budget as members that have forgotten.
  if (out.byzantine > 0 && out.byzantine < faulty) out.amnesia = true;
  return out;
}

Options with_drawn_limits(Options plan) {
  const auto drawn = draw(plan.seed, Group::mixed);
  plan.window = drawn.window;
  plan.exec_lag_max = drawn.exec_lag_max;
  plan.tenure_ms = drawn.tenure_ms;
  plan.idle_ms = drawn.idle_ms;
  plan.pool_batches = drawn.pool_batches;
  plan.long_tenures = drawn.long_tenures;
  plan.settle_ms = drawn.settle_ms;
  plan.measured = drawn.measured;
  plan.quiet = drawn.quiet;
  plan.reconnects = drawn.reconnects;
  plan.ledgers = drawn.ledgers;
  plan.restores = drawn.restores;
  plan.room = drawn.room;
  return plan;
}

}  // namespace galen::sim
