// How fast a chain of many members is over a wide network: the shipped core in virtual time, with the costs of
// signatures, syncs and execution as they were measured on this machine. No faults; every member has the same distance to
// every other. What it leaves out: bandwidth, the front end, and that threads of one machine get in each other's way.
#pragma once

#include <cstddef>
#include <cstdint>

namespace galen::sim {

struct WanCosts {
  double sign_us = 25;
  double verify_us = 70;
  double sync_us = 800;    ///< one turn of the log
  double execute_us = 60;  ///< one transaction
  double core_us = 3;      ///< one input of the core
};

struct WanOptions {
  std::size_t members = 4;
  std::uint64_t rtt_us = 20'000;
  double load = 500;  ///< transactions a second, of all members together
  WanCosts costs;
  std::uint64_t warm_us = 1'500'000;
  std::uint64_t measure_us = 3'000'000;
  std::uint64_t seed = 1;
};

struct WanResult {
  double answered_per_s = 0;  ///< transactions whose outcome q members certified, as their own member saw it
  double blocks_per_s = 0;
  std::uint64_t p50_us = 0, p99_us = 0;  ///< from the client's call to that certificate
  double verify_share = 0;  ///< of one core, at the busiest member
  std::uint64_t events = 0;
};

WanResult run_wan(const WanOptions& options);

}  // namespace galen::sim
