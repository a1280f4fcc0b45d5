// One run as lines of JSON for whoever checks it with other eyes (tests/scripts/trace_rules.py): what honest members say, what
// members that lie are heard to say, and what moves a member's views. Each line is written as it happens. Part of one
// simulated run of layer 1.
#pragma once

#include <cstdio>

#include "galen/consensus/effects.hpp"
#include "sim/epochs.hpp"

namespace galen::sim {

class Record {
 public:
  explicit Record(std::FILE* out) : out_(out) {}

  /// First of all: who lies, by identity.
  void begins(std::uint64_t seed, const std::vector<Identity>& liars);
  /// The members of an epoch, once for each.
  void epoch(Epoch epoch, const EpochSet& set);
  /// An honest member lets a message out.
  void says(std::uint64_t at_ms, Identity who, Epoch epoch, const consensus::Message& message);
  /// Somebody has got a message of a member that lies, with a good signature.
  void hears(std::uint64_t at_ms, Identity liar, Epoch epoch, const consensus::Message& message);
  void happens(std::uint64_t at_ms, Identity who, Epoch epoch, const consensus::Event& event);
  void forgets(std::uint64_t at_ms, Identity who);

 private:
  void write(std::uint64_t at_ms, const char* what, Identity who, Epoch epoch, const consensus::Message& message);

  std::FILE* out_;
  Epoch epochs_ = 0;
};

}  // namespace galen::sim
