// galenctl events: what the ledger did, from a cursor on, and as it happens with --follow. A broken stream is taken up
// again behind the last event that was printed, so nothing is printed twice and nothing is missing; any node will do.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <thread>

#include "galen/types/event_cursor.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/context.hpp"
#include "galenctl/event_detail.hpp"

namespace galen::galenctl {
namespace {

constexpr std::chrono::milliseconds kPauseMax{2'000};

struct Options {
  bool follow = false, heartbeats = false;
  std::string from, subject, member;
  std::vector<std::string> types;
  std::uint64_t count = 0, heartbeat_ms = 0;
};

constexpr std::string_view kTypePrefix = "EVENT_TYPE_";

/// "record_anchored"
std::string type_name(v1::EventType type) {
  auto name = v1::EventType_Name(type);
  if (!name.starts_with(kTypePrefix)) return std::to_string(static_cast<int>(type));
  name.erase(0, kTypePrefix.size());
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

std::vector<std::string> all_types() {
  std::vector<std::string> names;
  for (int type = 1; type <= v1::EventType_MAX; ++type) names.push_back(type_name(static_cast<v1::EventType>(type)));
  return names;
}

Result<v1::StreamEventsRequest> make_request(const Context& context, const Options& options) {
  v1::StreamEventsRequest request;
  request.set_until_head(!options.follow);
  request.set_from_head(options.from == "head" || (options.from.empty() && options.follow));
  if (!options.from.empty() && options.from != "head" && options.from != "beginning") {
    GALEN_ASSIGN(auto cursor, EventCursor::decode(options.from));
    request.set_from(cursor.encode());
  }
  const auto names = all_types();
  for (const auto& type : options.types) {
    auto found = std::find(names.begin(), names.end(), type);
    request.add_types(static_cast<v1::EventType>(found - names.begin() + 1));
  }
  if (!options.subject.empty()) {
    GALEN_ASSIGN(auto subject, parse_patient(context, options.subject));
    request.set_subject(subject.str());
  }
  if (!options.member.empty()) {
    GALEN_ASSIGN(auto member, parse_member(context, "", options.member));
    request.set_member(member.str());
  }
  request.set_heartbeat_ms(static_cast<std::uint32_t>(options.heartbeat_ms));
  return request;
}

void print(Output& output, const v1::Event& event) {
  JsonWriter writer;
  writer.begin_object().field("cursor", event.cursor()).field("type", type_name(event.type()));
  writer.field("height", event.height()).field("time_ms", event.time_ms());
  writer.field("member", to_hex(as_bytes(event.member())));
  if (event.has_detail()) {
    const auto& detail = event.detail();
    writer.field("transaction_id", to_hex(as_bytes(detail.transaction_id())));
    writer.field("author", to_hex(as_bytes(detail.author()))).field("subject", to_hex(as_bytes(detail.subject())));
    writer.field("what", event_summary(detail)).key("detail");
    write_event_detail(writer, detail);
    if (!detail.reason().empty()) writer.field("reason", detail.reason());
  }
  output.result(writer.end_object());
  output.say(fmt::format("{}  {:<20}  {}  {}", format_time(event.time_ms()), type_name(event.type()),
                         event.has_detail() ? event_summary(event.detail()) : "(of other members)", event.cursor()));
}

void print(Output& output, const v1::EventsBehind& behind) {
  JsonWriter writer;
  writer.begin_object().key("behind").begin_object();
  writer.field("from", behind.from()).field("to", behind.to()).field("blocks", behind.blocks());
  writer.field("transactions", behind.transactions()).field("stalled_ms", behind.stalled_ms());
  output.result(writer.end_object().end_object());
  output.note(
      fmt::format("reading stood still for {}: {} blocks with at least {} transactions came meanwhile and follow now",
                  format_duration(behind.stalled_ms()), behind.blocks(), behind.transactions()));
}

void print(Output& output, const v1::EventHeartbeat& heartbeat, const std::string& cursor) {
  JsonWriter writer;
  writer.begin_object().key("heartbeat").begin_object().field("cursor", cursor).field("head", heartbeat.head());
  writer.field("height", heartbeat.read_point().height()).field("age_ms", heartbeat.read_point().age_ms());
  output.result(writer.field("quorum", heartbeat.read_point().quorum()).end_object().end_object());
}

/// One stream until it ends; `request` is left where the next must begin.
struct Follower {
  Context& context;
  const Options& options;
  v1::StreamEventsRequest request;
  std::uint64_t printed = 0;
  bool heard = false;  ///< since the last connection was made

  bool over() const { return (options.count != 0 && printed >= options.count) || context.output.broken(); }

  void take(const v1::StreamEventsResponse& response) {
    heard = true;
    if (response.has_behind()) print(context.output, response.behind());
    for (const auto& event : response.events()) {
      print(context.output, event);
      request.set_from(event.cursor());
      if (++printed; over()) return;
    }
    request.set_from(response.cursor());
    if (response.has_heartbeat() && options.heartbeats) print(context.output, response.heartbeat(), response.cursor());
  }

  Status run(Client& client) {
    auto stream = client.open_event_stream(request);
    v1::StreamEventsResponse response;
    while (!over() && stream.read(response)) take(response);
    auto status = stream.close();
    return over() ? Status{} : status;
  }
};

bool is_passing(ErrorCode code) {
  return code == ErrorCode::UNAVAILABLE || code == ErrorCode::SHUTTING_DOWN || code == ErrorCode::RESOURCE_EXHAUSTED;
}

Result<int> events(Context& context, const Options& options) {
  if (options.heartbeats && !context.output.json)
    return make_error(ErrorCode::INVALID_ARGUMENT, "--heartbeats goes with --json: people are not shown them");
  Follower follower{context, options, {}};
  GALEN_ASSIGN(follower.request, make_request(context, options));
  GALEN_ASSIGN(auto client, context.connect());
  auto give_up_at = std::chrono::steady_clock::now();
  for (std::chrono::milliseconds pause{100};; pause = std::min(pause * 2, kPauseMax)) {
    follower.heard = false;
    auto status = follower.run(client);
    if (status) return kExitOk;
    const auto now = std::chrono::steady_clock::now();
    if (follower.heard) {
      pause = std::chrono::milliseconds(100);
      give_up_at = now + std::chrono::milliseconds(static_cast<std::uint64_t>(context.options.timeout_s * 1000));
    }
    if (!options.follow || !is_passing(status.error().code) || now >= give_up_at) {
      if (!follower.request.from().empty() && (follower.heard || is_passing(status.error().code)))
        context.output.note("go on with --from " + follower.request.from() + ", on any node");
      return status.error();
    }
    context.output.note(fmt::format("{}; reading goes on behind {}", status.error().message, follower.request.from()));
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

void add_events(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  auto* noun = app.add_subcommand("events", "What the ledger did, in order, each once")->fallthrough();
  noun->add_flag("--follow", options->follow,
                 "Go on as it happens, also over lost connections (until --timeout without one)");
  noun->add_option("--from", options->from,
                   "Cursor of any node, beginning, or head (default: head with --follow, else beginning)");
  noun->add_option("--type", options->types, "Only these types, may be repeated")->check(CLI::IsMember(all_types()));
  noun->add_option("--subject", options->subject, "Only about this patient: pseudonym, or name below --dir");
  noun->add_option("--member", options->member, "Only carried by this member, or with it as a party: name or id");
  noun->add_option("--count", options->count, "End after so many events")->check(CLI::NonNegativeNumber);
  noun->add_option("--heartbeat-ms", options->heartbeat_ms, "How often the node says that nothing happened (15,000)")
      ->check(CLI::Range(1'000, 30'000));
  noun->add_flag("--heartbeats", options->heartbeats, "Print them too; goes with --json");
  noun->callback([&context, options] { context.action = [&context, options] { return events(context, *options); }; });
}

}  // namespace galen::galenctl
