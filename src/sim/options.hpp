// What one simulated run is made of: members, faults, and how its Byzantine members misbehave. All of it follows from
// the seed and the group (docs/spec/consensus.md 10); in half of the seeds some kinds of faults are left out, for those
// that are off are as much a part of the mix as those that are on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "galen/consensus/replica.hpp"
#include "galen/types/members.hpp"
#include "sim/keyring.hpp"

namespace galen::sim {

class Journal;
class Record;

/// How a Byzantine member lies; each one draws its own set.
enum class Lie : std::uint8_t {
  twins,             ///< runs twice under one key, each of the two in earnest
  equivocates,       ///< proposes different blocks to different members
  votes_for_all,     ///< PREPAREs and COMMITs whatever it hears of
  withholds,         ///< keeps some kinds of messages from some members
  deaf,              ///< does not hear some kinds of messages from some members, so it builds on old knowledge
  lies_status,       ///< STATUS with wrong views, certificates, modes and clocks
  lies_view_change,  ///< reports less than it knows, and different things to different members
  storms,            ///< asks for views nobody wants
  mutates,           ///< small changes to honest messages, some of them properly signed
  stalls,            ///< leads as slowly as it may
  replays,           ///< says old messages again, its own and others'
  usurps,            ///< proposes in views that others lead
  forestalls,      ///< tells leaders of their q VIEW-CHANGEs before they know; proposes nothing, unless it equivocates
  ignores_origin,  ///< takes no batch of one other member into its blocks
  whispers,        ///< sends each batch of its own to one member only
  // Drawn apart as well, and in layer 1 alone:
  floods,  ///< where there is little room: more blocks, or votes, than anybody can keep
  errs,    ///< executes something else from some height on, in earnest
  // Drawn apart, in both layers:
  poisons,  ///< answers who fetches with blocks, certificates and batches that it has changed
  count,
};
std::string_view to_name(Lie lie);
using LieCounts = std::array<std::uint64_t, static_cast<std::size_t>(Lie::count)>;
/// About batches, not messages: layer 1 alone has these, and draws them apart from the others.
inline constexpr Lie kFirstOfBatches = Lie::ignores_origin;
inline constexpr Lie kLastOfBatches = Lie::whispers;

/// What is done to the honest: to their messages, disks, clocks and lives.
enum class Fault : std::uint8_t {
  loss,       ///< messages get lost
  delay,      ///< they take up to 55 ms, and overtake each other
  repeat,     ///< one in twenty comes twice
  partition,  ///< two sides that do not hear each other
  flapping,   ///< the same, many times a second
  one_way,    ///< a node is not heard, or does not hear
  slow_node,  ///< everything from and to it takes longer
  slow_disk,  ///< its syncs take up to 80 ms
  clock,      ///< its wall clock jumps by up to three seconds
  crash,      ///< between any two effects; what was not synced is lost, whole or in part
  amnesia,    ///< a crash that takes the log with it, inside the fault budget
  ledger,     ///< one after which the ledger is made anew beside a log that has all its votes, inside the same budget
  restored,   ///< one after which the log is an older state of itself, as from a backup, inside the same budget
  count,
};
std::string_view to_name(Fault fault);

enum class Group : std::uint8_t { crashes, amnesia, byzantine, mixed };
std::optional<Group> group_named(std::string_view name);
std::string_view to_name(Group group);

struct Options {
  std::uint64_t seed = 0;
  std::size_t members = 4;
  bool faults = true;                 ///< loss, partitions, crashes before healing
  bool amnesia = false;               ///< logs lost whole, inside the fault budget
  std::size_t byzantine = 0;          ///< how many members lie
  std::optional<std::uint32_t> lies;  ///< bits by Lie for all of them; drawn when there is nothing here
  unsigned changes = 0;               ///< epochs that may end with a change of members
  std::uint32_t without = 0;          ///< bits by Fault: kinds that are left out, as a shrunk run does
  std::uint32_t without_lies = 0;     ///< bits by Lie, the same
  bool long_tenures = false;          ///< as real ones are: a leader may leave an origin out for long
  bool measured = false;              ///< nodes measure the network and set their timers by it
  bool quiet = false;                 ///< as at night: seldom a batch, so leaders idle and hand over by time
  bool reconnects = false;            ///< nodes are told when a connection comes up
  bool ledgers = false;               ///< where logs may be lost, ledgers may be lost alone as well
  bool restores = false;              ///< and logs may be put back
  bool walk = false;  ///< the changes are one member more each epoch up to seven, then one less down to four
  bool trace = false;
  Journal* journal = nullptr;  ///< gets what the trace would say, and every message that arrives
  Record* record = nullptr;    ///< gets what the rules of voting are about
  std::uint32_t window = 8;
  std::uint32_t exec_lag_max = 16;
  std::uint64_t tenure_ms = 2000;
  std::uint64_t idle_ms = 1500;      ///< of heartbeats
  std::size_t pool_batches = 1024;   ///< of each origin
  consensus::Room room;
  std::uint64_t chaos_ms = 4000;
  std::uint64_t settle_ms = 30'000;  ///< the bound on progress after healing
  const Keyring* keyring = nullptr;  ///< tags when null
  const MemberSet* member_set = nullptr;
};

Options draw(std::uint64_t seed, Group group);
/// With the sizes and times that its seed draws: what `replay --plan`, which does not say them, will run.
Options with_drawn_limits(Options plan);

/// "loss,crash" to bits and back; nothing if a name is unknown.
template <class Kind>
std::optional<std::uint32_t> bits_named(std::string_view names) {
  std::uint32_t bits = 0;
  while (!names.empty()) {
    auto comma = names.find(',');
    auto name = names.substr(0, comma);
    names = comma == std::string_view::npos ? std::string_view{} : names.substr(comma + 1);
    unsigned kind = 0;
    while (kind < static_cast<unsigned>(Kind::count) && to_name(static_cast<Kind>(kind)) != name) ++kind;
    if (kind == static_cast<unsigned>(Kind::count)) return std::nullopt;
    bits |= 1U << kind;
  }
  return bits;
}
template <class Kind>
std::string names_of(std::uint32_t bits) {
  std::string out;
  for (unsigned kind = 0; kind < static_cast<unsigned>(Kind::count); ++kind)
    if ((bits >> kind & 1U) != 0)
      out += (out.empty() ? "" : ",") + std::string(to_name(static_cast<Kind>(kind)));
  return out;
}

}  // namespace galen::sim
