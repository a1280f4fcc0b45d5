#include "net/connection.hpp"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <boost/asio/write.hpp>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"

namespace galen::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {
/// Encrypted, this stays below the 64 KiB that one send of Asio hands to the kernel.
constexpr std::size_t kWriteBytes = 63 * 1024;
/// Unsent bytes in the kernel beyond this would hold up votes behind bulk already handed over.
constexpr int kNotSentBytes = 64 * 1024;
constexpr std::size_t kDiscardBytesMax = 1024 * 1024;
constexpr int kReadsPerTurn = 2;

std::uint64_t now_us() { return system_clock().monotonic_us(); }
}  // namespace

Connection::Connection(ConnectionHost& host, Tcp::socket socket, std::shared_ptr<const TlsContext> tls,
                       std::optional<MemberIndex> dialled)
    : host_(host),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      budget_timer_(socket_.get_executor()),
      dialled_(dialled),
      tls_(std::move(tls), dialled) {
  error_code error;
  auto endpoint = socket_.remote_endpoint(error);
  if (!error) {
    remote_ip_ = endpoint.address().to_string();
    remote_ = endpoint.address().is_v6() ? fmt::format("[{}]:{}", remote_ip_, endpoint.port())
                                         : fmt::format("{}:{}", remote_ip_, endpoint.port());
  }
}

void Connection::start() {
  error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(Tcp::no_delay(true), error);
  int not_sent = kNotSentBytes;
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent, sizeof not_sent);
  last_received_us_ = now_us();
  arm_timer(host_.options().timings.handshake_ms);
  if (dialled()) tls_.start();
  pump();
  arm_read();
}

// --- reading ---------------------------------------------------------------------------------------------------------

void Connection::arm_read() {
  if (reading_ || paused_ || state_ == State::closed) return;
  reading_ = true;
  socket_.async_wait(Tcp::socket::wait_read, [self = shared_from_this()](const error_code& error) {
    self->reading_ = false;
    self->on_readable(error);
  });
}

void Connection::on_readable(const error_code& wait_error) {
  if (state_ == State::closed) return;
  error_code error = wait_error;
  for (int turn = 0; turn < kReadsPerTurn && !error && !paused_; ++turn) {
    auto scratch = host_.cipher_scratch();
    auto count = socket_.read_some(asio::buffer(scratch.data(), scratch.size()), error);
    if (error == asio::error::would_block) {
      error = {};
      break;
    }
    if (error) break;
    last_received_us_ = now_us();
    host_.on_traffic(*this, count, 0);
    if (state_ == State::closing) {
      // Reading to the end keeps the kernel from resetting the connection before our farewell has arrived.
      discarded_ += count;
      if (discarded_ > kDiscardBytesMax) return abort();
      continue;
    }
    tls_.feed(ByteSpan(scratch.data(), count));
    on_tls_progress();
    charge(count);
    if (state_ == State::closed) return;
  }
  if (error) {
    if (state_ == State::closing) return abort();
    return on_lost(error == asio::error::eof ? "closed by the other side" : error.message());
  }
  if (usable()) credits_released();
  pump();
  arm_read();
}

void Connection::on_tls_progress() {
  if (state_ == State::tls && tls_.established()) {
    if (auto refusal = host_.on_authenticated(*this)) return close(*refusal, meaning(*refusal));
    state_ = State::hello;
    if (!host_.greets_second(*this)) greet();
  }
  if (tls_.established()) take_plaintext();
  if (!usable()) return;
  if (tls_.failure()) return finish(tls_.failure()->reason, tls_.failure()->detail, false);
  if (tls_.ended()) return on_lost("closed by the other side");
}

void Connection::take_plaintext() {
  auto scratch = host_.plain_scratch();
  while (usable()) {
    auto count = tls_.read(scratch);
    if (count == 0) return;
    auto status =
        decoder_.consume(ByteSpan(scratch.data(), count), [this](auto&& event) { return on_event(std::move(event)); });
    if (!usable()) return;
    if (!status) return close(Refusal::MALFORMED, status.error().message);
    if (!within_window()) return close(Refusal::MALFORMED, "more bulk than was granted");
  }
}

bool Connection::on_event(wire::Decoder::Event&& event) {
  auto number = [&]() -> std::optional<std::uint64_t> {
    ByteReader in(event.payload);
    auto value = in.u64();
    if (in.done()) return value;
    close(Refusal::MALFORMED, "control frame of a wrong length");
    return std::nullopt;
  };
  if ((state_ == State::hello && event.type != wire::Type::hello && event.type != wire::Type::bye) ||
      (state_ == State::held && event.type != wire::Type::bye)) {
    close(Refusal::MALFORMED, state_ == State::hello ? "the first frame is no hello" : "speaks without having been greeted");
    return false;
  }
  switch (event.type) {
    case wire::Type::hello:
      return on_hello(event.payload);
    case wire::Type::activate:
      if (auto id = number()) {
        if (state_ == State::ready && host_.options().chooses(*member(), host_.options().self))
          host_.on_activated(shared_from_this(), *id);
        else
          close(Refusal::MALFORMED, "activated by a side that may not, or twice");
      }
      return usable();
    case wire::Type::ping:
      // An answer per ping would let a peer that never reads fill our memory with pongs.
      if (auto value = number(); value && control_.size() < wire::kControlBytesMax)
        wire::put_control_u64(control_, wire::Type::pong, *value);
      return usable();
    case wire::Type::pong:
      if (auto sent_us = number(); sent_us && *sent_us <= now_us()) host_.on_pong(*this, *sent_us);
      return usable();
    case wire::Type::bye:
      on_bye(event.payload);
      return false;
    case wire::Type::credit:
      if (auto more = number())
        bulk_window_ =
            std::min<std::uint64_t>(bulk_window_ + std::min(*more, std::uint64_t{1} << 40), std::uint64_t{1} << 40);
      return usable();
    default:
      deliver(event.lane, std::move(event.payload));
      return usable();
  }
}

bool Connection::on_hello(ByteSpan payload) {
  auto hello = wire::Hello::decode(payload);
  if (state_ != State::hello || !hello) {
    close(Refusal::MALFORMED, state_ != State::hello ? "a second hello" : "hello of a wrong length");
    return false;
  }
  hello_ = *hello;
  auto own = host_.own_hello(*member());
  if (hello_.chain_id != own.chain_id) {
    close(Refusal::WRONG_CHAIN,
          fmt::format("chain {} is not {}", hello_.chain_id.hex().substr(0, 8), own.chain_id.hex().substr(0, 8)));
    return false;
  }
  version_ = std::min(hello_.version_max, own.version_max);
  if (version_ < std::max(hello_.version_min, own.version_min)) {
    close(Refusal::VERSION, fmt::format("{} to {} here, {} to {} there", own.version_min, own.version_max,
                                        hello_.version_min, hello_.version_max));
    return false;
  }
  host_.on_greeted(shared_from_this());
  return usable();
}

void Connection::greet() {
  greeted_ = true;
  wire::put_control(control_, wire::Type::hello, host_.own_hello(*member()).encode());
}

void Connection::hold() {
  GALEN_ASSERT(state_ == State::hello && !greeted_);
  state_ = State::held;
  arm_timer(host_.options().timings.handshake_ms);
}

void Connection::admit() {
  GALEN_ASSERT(state_ == State::hello || state_ == State::held);
  if (!greeted_) greet();
  state_ = State::ready;
  host_.on_ready(shared_from_this());
  pump();
}

void Connection::on_bye(ByteSpan payload) {
  auto bye = wire::Bye::decode(payload);
  if (!bye) return close(Refusal::MALFORMED, "empty farewell");
  if (bye->reason == Refusal::IDENTITY_IN_USE) host_.on_identity_in_use(*this, bye->text);
  finish(bye->reason, fmt::format("the other side says {}: {}", to_reason(bye->reason), bye->text), false);
}

void Connection::on_lost(std::string_view why) {
  if (usable()) finish(Refusal::CLOSED, why, false);
}

// --- flow control ----------------------------------------------------------------------------------------------------

bool Connection::within_window() { return state_ != State::active || decoder_.arrived_cost(Lane::bulk) <= granted_; }

void Connection::deliver(Lane lane, Bytes payload) {
  auto cost = payload.size() + wire::kMessageCost;
  if (lane == Lane::bulk) {
    delivered_ += cost;
    if (decoder_.arrived_cost(Lane::bulk) > granted_) return close(Refusal::MALFORMED, "more bulk than was granted");
  }
  gate_->acquire(lane, cost);
  host_.on_message(*this, lane, std::move(payload), cost);
}

// What came was granted bulk, or is charged to the rest: bytes of empty TLS records and of frame headers, too.
void Connection::charge(std::size_t bytes) {
  if (state_ != State::active) return;
  const auto now = now_us();
  received_ += bytes;
  const auto bulk = decoder_.arrived_cost(Lane::bulk);
  budget_->bulk.charge(bulk - bulk_charged_, now);
  bulk_charged_ = bulk;
  // A frame counts as arrived with its header, so for a moment there may be more bulk than bytes.
  const auto rest = std::max(rest_charged_, received_ > bulk ? received_ - bulk : 0);
  budget_->rest.charge(rest - rest_charged_, now);
  rest_charged_ = rest;
}

// Returns whether the peer has to wait for its budget: it has room here, but hardly any of it may be granted yet.
bool Connection::grant() {
  const auto most = host_.options().limits.bulk_unprocessed_max;
  const auto least = most / 4;
  const auto held = gate_->unprocessed(Lane::bulk) + (granted_ - delivered_);
  if (held >= most || most - held < least) return false;
  const auto now = now_us();
  const auto on_its_way = granted_ - decoder_.arrived_cost(Lane::bulk);  // granted, and not charged yet
  const auto left = budget_->bulk.left(now) - static_cast<std::int64_t>(on_its_way);
  if (left < static_cast<std::int64_t>(least)) {
    wait_for_budget(budget_->bulk.wait_us(static_cast<std::int64_t>(on_its_way + least), now));
    return on_its_way < least;
  }
  const auto more = std::min(most - held, static_cast<std::uint64_t>(left));
  granted_ += more;
  wire::put_control_u64(control_, wire::Type::credit, more);
  return false;
}

bool Connection::is_over_budget() {
  const auto now = now_us();
  // Once it waits, it waits for more than the next few bytes.
  const auto wanted = static_cast<std::int64_t>(over_budget_ ? host_.options().limits.votes_unprocessed_max / 16 : 1);
  const auto wait_us = budget_->rest.wait_us(wanted, now);
  if (wait_us > 0) wait_for_budget(wait_us);
  return wait_us > 0;
}

void Connection::wait_for_budget(std::uint64_t us) {
  const auto at = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
  if (budget_waits_ && budget_timer_.expiry() <= at) return;
  budget_waits_ = true;
  budget_timer_.expires_at(at);
  budget_timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (error) return;
    self->budget_waits_ = false;
    self->credits_released();
  });
}

void Connection::note_throttled(bool is) {
  if (throttled_since_us_ == 0 && !is) return;
  const auto now = now_us();
  if (throttled_since_us_ != 0) budget_->throttled_us += now - throttled_since_us_;
  throttled_since_us_ = is ? now : 0;
}

void Connection::credits_released() {
  if (state_ != State::active) return;
  const bool bulk_waits = grant();
  const auto most = host_.options().limits.votes_unprocessed_max;
  const bool was_paused = paused_;
  votes_wait_ = gate_->unprocessed(Lane::votes) > (votes_wait_ ? most / 2 : most) && gate_->notify_when_votes_below(most / 2);
  over_budget_ = is_over_budget();
  paused_ = votes_wait_ || over_budget_;
  note_throttled(bulk_waits || over_budget_);
  if (was_paused && !paused_) {
    last_received_us_ = now_us();  // silence while we did not listen is no sign of death
    arm_read();
  }
  pump();
}

// --- life ------------------------------------------------------------------------------------------------------------

void Connection::activate(std::uint64_t id, bool tell, std::shared_ptr<Credit::Gate> gate,
                          std::shared_ptr<ReceiveBudget> budget) {
  GALEN_ASSERT(state_ == State::ready);
  state_ = State::active;
  id_ = id;
  activated_at_us_ = now_us();
  gate_ = std::move(gate);
  budget_ = std::move(budget);
  decoder_.admit_messages();
  if (tell) wire::put_control_u64(control_, wire::Type::activate, id);
  grant();
  arm_timer(host_.options().timings.ping_ms);
}

void Connection::arm_timer(std::uint32_t ms) {
  timer_.expires_after(std::chrono::milliseconds(ms));
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error) self->on_timer();
  });
}

void Connection::on_timer() {
  // A timer that was armed again may already have queued its old completion: the state decides.
  if (timer_.expiry() > std::chrono::steady_clock::now()) return;
  const auto& timings = host_.options().timings;
  if (state_ == State::closing) return abort();
  if (state_ == State::closed) return;
  if (state_ != State::active)
    return close(Refusal::TIMEOUT, fmt::format("no handshake within {} ms", timings.handshake_ms));
  auto silent_ms = static_cast<std::uint32_t>((now_us() - last_received_us_) / 1000);
  if (!paused_ && silent_ms >= timings.dead_ms)
    return close(Refusal::TIMEOUT, fmt::format("nothing heard for {} ms", timings.dead_ms));
  if (control_.size() < wire::kControlBytesMax) wire::put_control_u64(control_, wire::Type::ping, now_us());
  arm_timer(paused_ ? timings.ping_ms : std::min(timings.ping_ms, timings.dead_ms - silent_ms));
  pump();
}

void Connection::ping() {
  wire::put_control_u64(control_, wire::Type::ping, now_us());
  pump();
}

void Connection::close(Refusal reason, std::string_view why) { finish(reason, why, true); }

void Connection::finish(Refusal reason, std::string_view why, bool farewell) {
  if (!usable()) return;
  auto self = shared_from_this();
  auto before = state_;
  state_ = State::closing;
  budget_timer_.cancel();
  if (before == State::active) note_throttled(false);
  if (before < State::active) host_.on_refused(*this, reason, why);
  host_.on_closing(self, why);
  if (farewell && tls_.established())
    wire::put_control(control_, wire::Type::bye, wire::Bye{reason, std::string(why)}.encode());
  else
    control_.clear();
  paused_ = false;
  arm_timer(host_.options().timings.linger_ms);
  pump();
  arm_read();
}

void Connection::abort() {
  if (state_ == State::closed) return;
  auto self = shared_from_this();
  if (usable()) finish(Refusal::SHUTTING_DOWN, "aborted", false);
  state_ = State::closed;
  error_code ignored;
  timer_.cancel();
  socket_.close(ignored);
  host_.on_closed(self);
}

// --- writing ---------------------------------------------------------------------------------------------------------

void Connection::pump() {
  if (writing_ || write_ended_ || state_ == State::closed) return;
  if (tls_.established()) {
    plain_.clear();
    plain_.swap(control_);
    if (state_ == State::active) host_.gather(*this, plain_, kWriteBytes, bulk_window_);
    tls_.write(plain_);
  }
  write_pending();
}

void Connection::write_pending() {
  cipher_.clear();
  tls_.take_output(cipher_);
  if (cipher_.empty()) {
    if (state_ == State::closing) end_writing();
    return;
  }
  writing_ = true;
  asio::async_write(socket_, asio::buffer(cipher_),
                    [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                      self->writing_ = false;
                      self->on_written(error, bytes);
                    });
}

void Connection::on_written(const error_code& error, std::size_t bytes) {
  if (state_ == State::closed) return;
  host_.on_traffic(*this, 0, bytes);
  if (error) {
    if (state_ == State::closing) return abort();
    return on_lost(error.message());
  }
  pump();
}

void Connection::end_writing() {
  write_ended_ = true;
  tls_.end();
  cipher_.clear();
  tls_.take_output(cipher_);
  error_code ignored;
  // One small record: if the socket does not take it at once, the farewell before it has said everything.
  if (!cipher_.empty()) socket_.write_some(asio::buffer(cipher_), ignored);
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

}  // namespace galen::net
