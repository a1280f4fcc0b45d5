// What one run looked like, moment by moment: kept while it runs, drawn afterwards as a sequence diagram. The last
// moments are what a reader of a failure wants, so older ones are dropped. Part of one simulated run.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace galen::sim {

class Journal {
 public:
  /// Keeps what happens from `from_ms` to `to_ms` of virtual time, and of that the last `moments_max`.
  explicit Journal(std::size_t moments_max = 60, std::uint64_t from_ms = 0, std::uint64_t to_ms = UINT64_MAX)
      : moments_max_(moments_max), from_ms_(from_ms), to_ms_(to_ms) {}

  /// Something happens at a node.
  void told(std::uint64_t at_ms, std::size_t place, std::string text) { keep({at_ms, place, place, std::move(text)}); }
  /// A message arrives.
  void delivered(std::uint64_t at_ms, std::size_t from, std::size_t to, std::string text) {
    keep({at_ms, from, to, std::move(text)});
  }

  std::size_t size() const { return moments_.size(); }
  /// One column for each of `names`, one line for each moment, an arrow for each message.
  std::string to_text(const std::vector<std::string>& names) const;
  /// The same as a picture; `title` above it.
  std::string to_svg(const std::vector<std::string>& names, const std::string& title) const;

 private:
  struct Moment {
    std::uint64_t at_ms;
    std::size_t from;
    std::size_t to;  ///< the same: it happens there
    std::string text;
  };
  void keep(Moment moment);

  std::size_t moments_max_;
  std::uint64_t from_ms_, to_ms_;
  std::deque<Moment> moments_;
};

}  // namespace galen::sim
