// The medium below a simulated node's log. What was not synced survives a crash sector by sector, as the seed decides:
// lost, torn, in any order. Power may fail inside any call. And the disk may lie: a write that goes nowhere, or elsewhere
// in the same file, and a bit that turns by itself. One run, one thread.
#pragma once

#include <map>
#include <set>

#include "galen/base/rng.hpp"
#include "galen/node/file_access.hpp"

namespace galen::sim {

class SimulatedDisk final : public node::FileAccess {
 public:
  static constexpr std::size_t kSector = 512;

  explicit SimulatedDisk(std::uint64_t seed) : rng_(seed) {}

  /// Power fails in the call after the next `calls` ones that change something; every call fails until crash().
  void fail_power_after(std::uint64_t calls) { calls_left_ = calls; }
  bool has_power() const { return !calls_left_ || *calls_left_ > 0; }
  /// What was not synced is kept sector by sector or not; power is back.
  void crash();

  /// The next write is acknowledged and never reaches the medium: after a crash the old bytes are there.
  void lose_next_write() { next_write_ = NextWrite::lost; }
  /// The next write lands elsewhere in its file.
  void misdirect_next_write() { next_write_ = NextWrite::misdirected; }
  /// A bit of a used sector of some file turns. False if there is none.
  bool flip_bit();
  void remove_all() { contents_.clear(); }

  Result<std::unique_ptr<node::File>> open(const std::string& path) override;
  Status create_zero_filled(const std::string& path, std::uint64_t size) override;
  Status replace(const std::string& path, ByteSpan bytes) override;
  Result<Bytes> read_all(const std::string& path, std::size_t bytes_max) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status remove(const std::string& path) override;

 private:
  struct Content {
    Bytes medium, cache;
    std::set<std::size_t> dirty;  ///< sectors
  };
  class OpenFile;
  enum class NextWrite { sound, lost, misdirected };

  /// One changing call: false if there is no power for it.
  bool spend();
  static void flush(Content& content, std::size_t sector);
  void put(Content& content, std::uint64_t offset, ByteSpan bytes);

  Rng rng_;
  std::map<std::string, std::shared_ptr<Content>> contents_;
  std::optional<std::uint64_t> calls_left_;
  NextWrite next_write_ = NextWrite::sound;
};

}  // namespace galen::sim
