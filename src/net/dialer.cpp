#include "net/dialer.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace galen::net {

using boost::system::error_code;

Dialer::Dialer(boost::asio::io_context& io, Resolver& resolver, const MeshTimings& timings, std::uint32_t patience_ms,
               std::uint64_t seed, Events events)
    : io_(io),
      resolver_(resolver),
      timings_(timings),
      patience_ms_(patience_ms),
      rng_(seed),
      events_(std::move(events)),
      timer_(io),
      socket_(io) {}

void Dialer::dial(const std::string& address) {
  if (busy_ || stopped_ || address.empty()) return;
  busy_ = true;
  ++attempt_;
  address_ = address;
  // A quarter more or less, so that nodes started together do not stay in step.
  auto delay = backoff_ms_ * 3 / 4 + static_cast<std::uint32_t>(rng_.below(backoff_ms_ / 2 + 1));
  backoff_ms_ = std::clamp(backoff_ms_ * 2, timings_.backoff_min_ms, timings_.backoff_max_ms);
  wait(delay + patience_ms_, &Dialer::resolve);
}

void Dialer::wait(std::uint32_t ms, void (Dialer::*then)()) {
  timer_.expires_after(std::chrono::milliseconds(ms));
  timer_.async_wait([self = shared_from_this(), then, attempt = attempt_](const error_code& error) {
    if (!error && attempt == self->attempt_ && self->busy_) (self.get()->*then)();
  });
}

void Dialer::resolve() {
  if (!events_.still_wanted()) {
    busy_ = false;
    return;
  }
  auto target = split_address(address_);
  if (!target) return fail(target.error().message);
  wait(timings_.connect_ms, &Dialer::give_up);
  resolver_.resolve(*target, [weak = weak_from_this(), attempt = attempt_](Result<Endpoints> found) {
    auto self = weak.lock();
    if (!self || attempt != self->attempt_ || !self->busy_) return;
    if (!found) return self->fail(found.error().message);
    self->connect(*found, 0);
  });
}

void Dialer::connect(const Endpoints& endpoints, std::size_t index) {
  socket_ = Tcp::socket(io_);
  socket_.async_connect(endpoints[index],
                        [self = shared_from_this(), endpoints, index, attempt = attempt_](const error_code& error) {
                          if (attempt != self->attempt_ || !self->busy_) return;
                          if (error && index + 1 < endpoints.size()) return self->connect(endpoints, index + 1);
                          if (error)
                            return self->fail(fmt::format("cannot connect to {}: {}", self->address_, error.message()));
                          ++self->attempt_;
                          self->timer_.cancel();
                          self->busy_ = false;
                          self->events_.connected(std::move(self->socket_));
                        });
}

void Dialer::give_up() { fail(fmt::format("no connection to {} within {} ms", address_, timings_.connect_ms)); }

void Dialer::fail(std::string_view why) {
  ++attempt_;
  busy_ = false;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  events_.failed(why);
}

void Dialer::stop() {
  stopped_ = true;
  busy_ = false;
  ++attempt_;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  events_ = {};
}

}  // namespace galen::net
