// What travels between members, seen from above: a message on one of two lanes, and the credit its bytes hold while it
// waits to be processed. Votes overtake bulk; bulk is batches, blocks, documents, snapshots (D21, docs/spec/wire.md).
#pragma once

#include <cstdint>
#include <memory>

#include "galen/base/bytes.hpp"
#include "galen/types/members.hpp"

namespace galen::net {

enum class Lane : std::uint8_t { votes = 1, bulk = 2 };

/// The sender's allowance for the bytes of one delivered message. While it lives, the bytes count as unprocessed; when
/// it is destroyed (any thread, also after the mesh is gone) the sender may send as much again. Keep it with the
/// payload for as long as the payload waits in a queue.
class Credit {
 public:
  Credit() = default;
  ~Credit() { release(); }
  Credit(Credit&& other) noexcept : gate_(std::move(other.gate_)), lane_(other.lane_), bytes_(other.bytes_) {}
  Credit& operator=(Credit&& other) noexcept {
    if (this != &other) {
      release();
      gate_ = std::move(other.gate_);
      lane_ = other.lane_;
      bytes_ = other.bytes_;
    }
    return *this;
  }
  Credit(const Credit&) = delete;
  Credit& operator=(const Credit&) = delete;

  /// Gives the bytes back now.
  void release() noexcept;

  class Gate;
  Credit(std::shared_ptr<Gate> gate, Lane lane, std::size_t bytes)
      : gate_(std::move(gate)), lane_(lane), bytes_(bytes) {}

 private:
  std::shared_ptr<Gate> gate_;
  Lane lane_ = Lane::votes;
  std::size_t bytes_ = 0;
};

/// A whole message from an authenticated member: at most limits::kFrameBytesMax bytes of payload.
struct Frame {
  MemberIndex from = 0;
  Lane lane = Lane::votes;
  Bytes payload;
  Credit credit;
};

}  // namespace galen::net
