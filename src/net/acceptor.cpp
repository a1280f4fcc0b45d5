#include "net/acceptor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "galen/base/log.hpp"
#include "net/address.hpp"

namespace galen::net {

using boost::system::error_code;

namespace {
constexpr int kBacklog = 256;
constexpr auto kWaitForToken = std::chrono::milliseconds(20);
constexpr auto kWaitAfterError = std::chrono::milliseconds(100);
/// Of a token: what it costs to turn an address away that has too many handshakes, so that it takes nobody else's turn.
constexpr double kTurnedAwayCost = 0.1;
}  // namespace

Acceptor::Acceptor(boost::asio::io_context& io, const MeshLimits& limits, Events events)
    : io_(io),
      limits_(limits),
      events_(std::move(events)),
      acceptor_(io),
      timer_(io),
      tokens_(static_cast<double>(limits.accepts_per_second)),
      refilled_(std::chrono::steady_clock::now()) {}

Status Acceptor::listen(const std::string& address) {
  GALEN_ASSIGN(auto target, split_address(address));
  GALEN_ASSIGN(auto endpoints, resolve_now(target, true));
  error_code error;
  acceptor_.open(endpoints.front().protocol(), error);
  if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoints.front(), error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (error)
    return make_error(ErrorCode::UNAVAILABLE, fmt::format("cannot listen on {}: {}", address, error.message()));
  auto local = acceptor_.local_endpoint(error);
  auto ip = local.address().to_string();
  local_address_ =
      local.address().is_v6() ? fmt::format("[{}]:{}", ip, local.port()) : fmt::format("{}:{}", ip, local.port());
  return {};
}

bool Acceptor::take_token() {
  auto now = std::chrono::steady_clock::now();
  auto rate = static_cast<double>(limits_.accepts_per_second);
  tokens_ = std::min(rate, tokens_ + rate * std::chrono::duration<double>(now - refilled_).count());
  refilled_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void Acceptor::accept() {
  if (accepting_ || waiting_ || closed_) return;
  auto wait = [this](auto duration) {
    waiting_ = true;
    timer_.expires_after(duration);
    timer_.async_wait([this](const error_code& error) {
      if (error) return;
      waiting_ = false;
      accept();
    });
  };
  if (!take_token()) return wait(kWaitForToken);
  accepting_ = true;
  acceptor_.async_accept(io_, [this, wait](const error_code& error, Tcp::socket socket) {
    if (closed_ || error == boost::asio::error::operation_aborted) return;
    accepting_ = false;
    if (!error) {
      on_accept(std::move(socket));
    } else if (error != boost::asio::error::connection_aborted) {
      // Out of file descriptors or memory: trying again at once would only spin.
      log::warn("cannot accept a connection why={}", error.message());
      return wait(kWaitAfterError);
    }
    accept();
  });
}

void Acceptor::on_accept(Tcp::socket socket) {
  error_code error;
  auto remote = socket.remote_endpoint(error);
  if (error) return;  // already gone
  auto& count = handshakes_by_source_[source_of(remote.address())];
  if (count >= limits_.handshakes_per_address_max) {
    tokens_ += 1 - kTurnedAwayCost;
    socket.close(error);
    return events_.turned_away(remote.address().to_string());
  }
  ++count;
  events_.accepted(std::move(socket));
}

void Acceptor::handshake_done(const std::string& ip) {
  error_code error;
  auto found = handshakes_by_source_.find(source_of(boost::asio::ip::make_address(ip, error)));
  if (found != handshakes_by_source_.end() && --found->second == 0) handshakes_by_source_.erase(found);
}

std::string Acceptor::source_of(const boost::asio::ip::address& address) {
  if (!address.is_v6() || address.to_v6().is_v4_mapped()) return address.to_string();
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return boost::asio::ip::address_v6(bytes).to_string();
}

void Acceptor::close() {
  closed_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
}

}  // namespace galen::net
