// The four kinds of work a bench can send, each a closed loop of slots: a slot sends its next call when the one before was
// answered. Calls run on gRPC's threads; a slot is used by one call at a time.
#pragma once

#include <functional>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/v1/node_service.pb.h"

namespace galen::bench {

enum class Workload { anchor, bulk, signed_grants, decide };

struct Target {
  std::string endpoint, ca, cert, key;
  std::string genesis;            ///< for transactions that a person signs
  std::size_t channels = 4;
};

struct RunOptions {
  Workload workload = Workload::anchor;
  std::size_t outstanding = 64;
  double warm_up_s = 2;
  double measure_s = 8;
  std::size_t document_bytes = 300;
  std::size_t bulk_items = 100;
};

struct Measured {
  double seconds = 0;
  std::uint64_t calls = 0;
  std::uint64_t operations = 0;        ///< items of bulk calls count one by one
  std::uint64_t failures = 0;
  std::string first_failure;
  std::vector<std::uint32_t> latency_us;  ///< of every call measured
};

class Driver {
 public:
  static Result<std::unique_ptr<Driver>> connect(const Target& target);
  ~Driver();
  /// Registers what the workload needs (patients), warms up, calls `begin`, measures, calls `end`.
  Result<Measured> run(const RunOptions& options, const std::function<void()>& begin, const std::function<void()>& end);
  Result<v1::GetStatusResponse> status();

  struct State;

 private:
  explicit Driver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::bench
