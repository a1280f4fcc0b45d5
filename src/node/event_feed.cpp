#include "node/event_feed.hpp"

#include "galen/base/clock.hpp"
#include "galen/socket/method.hpp"
#include "node/authority.hpp"

namespace galen::node {

using galen::node::v1::Call;
using galen::node::v1::EventPage;
using galen::node::v1::Reply;

namespace {

constexpr std::uint64_t kIdleWaitUs = 1'000'000;
constexpr std::uint32_t kWaitMsMax = 30'000;
constexpr std::size_t kPagesPerTurn = 64;
constexpr std::size_t kBlocksKept = 2;

}  // namespace

EventFeed::EventFeed(const Identity& identity, const ledger::Store& store, const Health& health, Ports ports)
    : identity_(identity),
      store_(store),
      health_(health),
      ports_(std::move(ports)),
      queue_({.items_max = 4 * kStreamsMax, .bytes_max = 4u << 20}) {}

EventFeed::~EventFeed() { stop(); }

void EventFeed::start() {
  thread_ = std::thread([this] { run(); });
}

void EventFeed::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

bool EventFeed::on_call(Call call) {
  if (open_.fetch_add(1) < kStreamsMax) {
    const auto bytes = call.request().size();
    if (queue_.try_push(Input(std::move(call)), bytes)) return true;
  }
  --open_;
  return false;
}

void EventFeed::on_cancel(std::uint64_t call_id) {
  // A full queue only means that the page is read for nobody.
  (void)queue_.try_push(Input(Cancelled{call_id}));
}

void EventFeed::on_front_end_gone() { queue_.force_push(Input(FrontEndGone{})); }

void EventFeed::wake() {
  if (open_ == 0 || woken_.exchange(true)) return;
  queue_.force_push(Input(Woken{}));  // one at most
}

void EventFeed::run() {
  while (!queue_.closed()) {
    auto inputs = queue_.pop_all(std::chrono::microseconds(wait_us()), 256);
    for (auto& input : inputs) take(input);
    take_due();
    if (!ready_.empty()) serve();
  }
  const Error ended{ErrorCode::SHUTTING_DOWN, "the node is stopping; go on with the last cursor, on any node"};
  for (const auto& input : queue_.pop_all(std::chrono::microseconds(0)))
    if (const auto* call = std::get_if<Call>(&input)) answer(call->call_id(), ended);
  for (const auto& stream : ready_) answer(stream.call_id, ended);
  for (const auto& [call_id, stream] : parked_) answer(call_id, ended);
}

std::uint64_t EventFeed::wait_us() const {
  if (!ready_.empty()) return 0;
  const auto now = system_clock().monotonic_us();
  auto wait = kIdleWaitUs;
  for (const auto& [call_id, stream] : parked_) wait = std::min(wait, stream.due_us > now ? stream.due_us - now : 0);
  return wait;
}

void EventFeed::take(Input& input) {
  if (auto* call = std::get_if<Call>(&input)) {
    auto stream = parse(*call);
    if (stream)
      ready_.push_back(std::move(*stream));
    else
      answer(call->call_id(), stream.error());
  } else if (auto* cancelled = std::get_if<Cancelled>(&input)) {
    const auto id = cancelled->call_id;
    const auto waiting = std::erase_if(ready_, [&](const Stream& stream) { return stream.call_id == id; });
    if (waiting + parked_.erase(id) > 0) answer(id, Error{ErrorCode::CANCELLED, "the client went away"});
  } else if (std::holds_alternative<FrontEndGone>(input)) {
    open_ -= ready_.size() + parked_.size();
    ready_.clear();
    parked_.clear();
  } else {
    woken_ = false;
    for (auto& [call_id, stream] : parked_) ready_.push_back(std::move(stream));
    parked_.clear();
  }
}

Result<EventFeed::Stream> EventFeed::parse(const Call& call) const {
  Stream stream;
  stream.call_id = call.call_id();
  auto caller = PrincipalId::from(std::string_view(call.principal()));
  if (!caller) return Error{ErrorCode::UNAUTHENTICATED, "the client certificate names no principal"};
  stream.caller = *caller;
  galen::node::v1::ReadEvents read;
  if (!read.ParseFromString(call.request()) || !stream.request.ParseFromString(read.request()))
    return Error{ErrorCode::MALFORMED, "the request does not parse"};
  GALEN_ASSIGN(stream.filter, EventFilter::parse(stream.request));
  stream.first = read.cursor().empty();
  const auto& cursor = stream.first ? stream.request.from() : read.cursor();
  if (!cursor.empty()) {
    GALEN_ASSIGN(stream.at, EventCursor::decode(cursor));
    if (stream.at->chain_id != identity_.context.chain_id)
      return Error{ErrorCode::WRONG_CHAIN, "the cursor is of another chain"};
  }
  stream.due_us = system_clock().monotonic_us() + std::min(read.wait_ms(), kWaitMsMax) * 1'000ULL;
  stream.stalled_ms = read.stalled_ms();
  return stream;
}

void EventFeed::take_due() {
  const auto now = system_clock().monotonic_us();
  for (auto at = parked_.begin(); at != parked_.end();) {
    if (at->second.due_us > now) {
      ++at;
      continue;
    }
    ready_.push_back(std::move(at->second));
    at = parked_.erase(at);
  }
}

// A page for each of those whose turn it is, all from one snapshot.
void EventFeed::serve() {
  auto view = store_.snapshot();
  if (!view) return ports_.fatal(view.error());
  auto reader = EventReader::make(**view, identity_.genesis, identity_.member_id(),
                                  [&](Height height) { return load(**view, height); });
  if (!reader) return ports_.fatal(reader.error());
  for (auto turns = std::min(ready_.size(), kPagesPerTurn); turns > 0; --turns) {
    auto stream = std::move(ready_.front());
    ready_.pop_front();
    auto page = read(stream, **view, *reader);
    if (!page) {
      const auto code = page.error().code;
      if (code == ErrorCode::IO_ERROR || code == ErrorCode::CORRUPT) ports_.fatal(page.error());
      std::string earliest;
      if (code == ErrorCode::CURSOR_EXPIRED)
        if (auto cursor = reader->earliest()) earliest = cursor->encode();
      answer(stream.call_id, page.error(), earliest);
    } else if (*page) {
      answer(stream.call_id, std::move(**page));
    } else if (stream.at->height <= reader->certified()) {
      ready_.push_back(std::move(stream));
    } else {
      const auto call_id = stream.call_id;
      parked_.emplace(call_id, std::move(stream));
    }
  }
}

Result<std::optional<EventPage>> EventFeed::read(Stream& stream, const ledger::View& view, EventReader& reader) {
  GALEN_TRY(authorise(view, identity_, stream.caller, *socket::find_method(socket::Method::stream_events)));
  GALEN_TRY(health_.may_serve());
  if (!stream.at) {
    GALEN_ASSIGN(stream.at, begin(stream, reader));
  }
  galen::v1::StreamEventsResponse message;
  if (stream.stalled_ms > 0) {
    GALEN_ASSIGN(*message.mutable_behind(), reader.behind(*stream.at, stream.stalled_ms));
  }
  GALEN_TRY(reader.read(stream.filter, {}, *stream.at, message));
  const bool at_head = stream.at->height > reader.certified();
  const bool quiet = message.events_size() == 0 && !message.has_behind();
  const bool over = stream.request.until_head() && at_head;
  const bool due = stream.first || over || system_clock().monotonic_us() >= stream.due_us;
  if (quiet && !due) return std::optional<EventPage>{};
  if (quiet) *message.mutable_heartbeat() = heartbeat(view, reader);
  EventPage page;
  page.set_cursor(stream.at->encode());
  page.set_at_head(at_head);
  message.set_cursor(page.cursor());
  message.SerializeToString(page.mutable_message());
  return std::optional(std::move(page));
}

Result<EventCursor> EventFeed::begin(const Stream& stream, const EventReader& reader) const {
  if (stream.request.from_head()) return reader.head();
  return EventCursor::at_block(identity_.context.chain_id, 1);
}

galen::v1::EventHeartbeat EventFeed::heartbeat(const ledger::View& view, const EventReader& reader) const {
  galen::v1::EventHeartbeat heartbeat;
  heartbeat.set_head(reader.head().encode());
  const auto& header = view.head().header;
  auto* point = heartbeat.mutable_read_point();
  point->set_height(header.height);
  point->set_block_time_ms(header.time_ms);
  const auto now_ms = system_clock().wall_ms();
  point->set_age_ms(now_ms > header.time_ms ? now_ms - header.time_ms : 0);
  const auto members = identity_.members().size();
  point->set_quorum(members - health_.missing(members, identity_.self).size() >= identity_.members().quorum());
  return heartbeat;
}

// Blocks never change, so what another snapshot loaded is as good.
Result<std::optional<EventBlock>> EventFeed::load(const ledger::View& view, Height height) {
  for (const auto& [at, block] : blocks_)
    if (at == height) return std::optional(block);
  GALEN_ASSIGN(auto block, load_event_block(view, height));
  if (block) {
    blocks_.emplace_back(height, *block);
    if (blocks_.size() > kBlocksKept) blocks_.pop_front();
  }
  return block;
}

void EventFeed::answer(std::uint64_t call_id, const Result<EventPage>& page, const std::string& earliest) {
  Reply reply;
  reply.set_call_id(call_id);
  if (page) {
    page->SerializeToString(reply.mutable_response());
  } else {
    reply.set_code(static_cast<std::uint32_t>(page.error().code));
    reply.set_message(page.error().message);
    if (!earliest.empty()) (*reply.mutable_details())["earliest_cursor"] = earliest;
  }
  --open_;
  ports_.reply(reply);
}

}  // namespace galen::node
