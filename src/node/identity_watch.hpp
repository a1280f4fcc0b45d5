// Whether this process has to give way to another live one with this member's keys: a copy of its data directory that was
// started elsewhere, or the original beside this copy (docs/spec/wire.md 3). The net thread calls it; told() is for any thread.
//
// One peer's word is not enough, since it may lie: f+1 have to say so. Of two processes that were started at once the one that
// fewer peers took in gives way; with equally many neither can vote, and one that has waited for its own while ends.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "galen/types/members.hpp"

namespace galen::node {

class IdentityWatch {
 public:
  /// How long a peer's word counts: refused, this process dials again within some seconds, and is told again.
  static constexpr std::uint64_t kWordMs = 10'000;

  /// `tie_patience_ms`: how long to bear being taken in and refused by equally many; drawn by the caller, so that two differ.
  IdentityWatch(std::size_t members, std::uint64_t tie_patience_ms)
      : faults_(faults_tolerated(members)), tie_patience_ms_(tie_patience_ms) {}

  void on_up(MemberIndex member);
  void on_down(MemberIndex member);
  /// A peer refused this process; true: it must end.
  bool on_refused(MemberIndex by, std::string_view text, std::uint64_t now_ms);

  /// Who says so at present, with its words.
  std::vector<std::pair<MemberIndex, std::string>> told(std::uint64_t now_ms) const;

 private:
  struct Word {
    std::string text;
    std::uint64_t at_ms = 0;
  };
  const std::size_t faults_;
  const std::uint64_t tie_patience_ms_;
  mutable std::mutex mutex_;
  std::set<MemberIndex> up_;
  std::map<MemberIndex, Word> words_;
  std::optional<std::uint64_t> tie_since_ms_;
};

}  // namespace galen::node
