// galenctl node: how a node and its peers are; galenctl whoami: as whom we speak. The verdict stands first.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/base/bytes.hpp"
#include "galenctl/context.hpp"
#include "galenctl/modes.hpp"

namespace galen::galenctl {
namespace {

struct NodeAnswer {
  std::string name;
  Result<v1::GetStatusResponse> status;
};

std::string short_hex(const std::string& hex) { return hex.size() > 12 ? hex.substr(0, 12) + "…" : hex; }

/// One object per node, flat, so that `jq .height` works on each line.
JsonWriter status_json(const NodeAnswer& answer) {
  JsonWriter writer;
  writer.begin_object().field("name", answer.name).field("up", answer.status.has_value());
  if (!answer.status) {
    writer.field("reason", to_reason(answer.status.error().code)).field("message", answer.status.error().message);
    writer.end_object();
    return writer;
  }
  const auto& s = *answer.status;
  writer.field("member", s.member()).field("chain_id", s.chain_id()).field("test_chain", s.test_chain());
  writer.field("version", s.version()).field("mode", mode_name(s.mode())).field("mode_detail", s.mode_detail());
  writer.field("height", s.height())
      .field("committed_height", s.committed_height())
      .field("state_root", s.state_root());
  writer.field("block_time_ms", s.block_time_ms()).field("block_age_ms", s.block_age_ms());
  writer.field("epoch", s.epoch()).field("view", s.view()).field("leader", s.leader());
  writer.field("view_timeout_ms", s.view_timeout_ms()).key("skipped_leaders").begin_array();
  for (const auto& name : s.skipped_leaders()) writer.value(name);
  writer.end_array().key("equivocations").begin_array();
  for (const auto& name : s.equivocations()) writer.value(name);
  writer.end_array().field("members", std::uint64_t{s.members()});
  writer.field("quorum", std::uint64_t{s.quorum()}).field("reachable", std::uint64_t{s.reachable()});
  writer.field("quorum_reachable", s.quorum_reachable()).key("missing_members").begin_array();
  for (const auto& name : s.missing_members()) writer.value(name);
  writer.end_array().field("transactions", s.transactions()).field("pending_transactions", s.pending_transactions());
  writer.field("uptime_ms", s.uptime_ms())
      .field("front_end", s.front_end())
      .field("disk_free_bytes", s.disk_free_bytes())
      .field("disk_low", s.disk_low())
      .field("backfill_floor", s.backfill_floor());
  writer.key("sync_refused").begin_array();
  for (const auto& member : s.sync_refused()) writer.value(member);
  writer.end_array();
  const auto& scrub = s.scrub();
  writer.key("scrub").begin_object().field("last_pass_ms", scrub.last_pass_ms()).field("pass_started_ms", scrub.pass_started_ms());
  writer.field("permille", std::uint64_t{scrub.permille()}).field("found", scrub.found()).field("repaired", scrub.repaired());
  writer.field("left", scrub.left()).end_object().field("divergence_file", s.divergence_file());
  writer.key("identity_in_use").begin_array();
  for (const auto& words : s.identity_in_use()) writer.value(words);
  writer.end_array();
  writer.key("counters").begin_object();
  for (const auto& [name, value] : std::map<std::string, std::uint64_t>(s.counters().begin(), s.counters().end()))
    writer.field(name, value);
  writer.end_object().end_object();
  return writer;
}

/// One line per node that is not as it should be.
void say_remarks(Output& output, const NodeAnswer& answer) {
  if (!answer.status) {
    output.say(fmt::format("{}: {}", answer.name, answer.status.error().message));
    return;
  }
  const auto& s = *answer.status;
  if (s.mode() != v1::NODE_MODE_VOTING)
    output.say(fmt::format("{}: {} {}", answer.name, mode_name(s.mode()), s.mode_detail()));
  for (const auto& name : s.equivocations())
    output.say(fmt::format("{}: {} is PROVEN to have signed two values for one place; galenctl member evidence", answer.name, name));
  for (const auto& name : s.skipped_leaders())
    output.say(fmt::format("{}: {} leads no view for now, since views it led failed", answer.name, name));
  for (const auto& member : s.sync_refused())
    output.say(fmt::format("{}: takes no snapshot or past block from {}, which sent a bad one", answer.name, member));
  if (s.disk_low())
    output.say(fmt::format("{}: DISK_LOW, {} bytes free; it takes on no work before there is more", answer.name,
                           format_count(s.disk_free_bytes())));
  if (!s.divergence_file().empty()) output.say(fmt::format("{}: what differs stands in {}", answer.name, s.divergence_file()));
  for (const auto& words : s.identity_in_use())
    output.say(fmt::format("{}: IDENTITY_IN_USE, a second node runs with the keys of {}. {}", answer.name, s.member(), words));
  if (!s.scrub().left().empty())
    output.say(fmt::format("{}: DAMAGE the scrub could not repair: {}", answer.name, s.scrub().left()));
  std::string missing;
  for (const auto& name : s.missing_members()) missing += (missing.empty() ? "" : ", ") + name;
  if (!s.quorum_reachable())
    output.say(fmt::format("{}: NO QUORUM, {} of {} members heard, {} needed; missing {}. Reads go on, writes wait",
                           answer.name, s.reachable(), s.members(), s.quorum(), missing));
  else if (!missing.empty())
    output.say(fmt::format("{}: does not hear {}{}", answer.name, missing,
                           s.reachable() == s.quorum() ? "; ONE MORE LOSS STOPS WRITES" : ""));
}

Result<int> print(Context& context, const std::vector<NodeAnswer>& answers) {
  std::vector<std::vector<std::string>> table = {
      {"NODE", "MODE", "EPOCH", "HEIGHT", "ROOT", "AGE", "LEADER", "VIEW ENDS IN", "HEARD", "TX", "PENDING", "UP FOR"}};
  bool works = false;  // somebody votes, and hears enough others
  std::map<std::uint64_t, std::string> roots;
  bool diverged = false;
  for (const auto& answer : answers) {
    context.output.result(status_json(answer));
    if (!answer.status) {
      table.push_back({answer.name, "DOWN", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"});
      continue;
    }
    const auto& s = *answer.status;
    const bool votes = s.mode() == v1::NODE_MODE_VOTING || s.mode() == v1::NODE_MODE_BACKFILLING;
    works = works || (votes && s.quorum_reachable());
    auto [known, is_new] = roots.try_emplace(s.height(), s.state_root());
    diverged = diverged || s.mode() == v1::NODE_MODE_DIVERGED || (!is_new && known->second != s.state_root());
    table.push_back({answer.name, mode_name(s.mode()), std::to_string(s.epoch()), format_count(s.height()), s.state_root().substr(0, 12),
                     format_duration(s.block_age_ms()), s.leader(),
                     s.view_timeout_ms() == 0 ? "-" : format_duration(s.view_timeout_ms()), fmt::format("{}/{}", s.reachable(), s.members()),
                     format_count(s.transactions()), format_count(s.pending_transactions()),
                     format_duration(s.uptime_ms())});
  }
  bool agree = answers.size() > 1 && roots.size() == 1 && !diverged;
  for (const auto& answer : answers) agree = agree && answer.status.has_value();
  if (diverged) context.output.say("DIVERGED: equal heights with different roots; do not trust the node that differs");
  if (agree) {
    std::string names;
    for (const auto& answer : answers) names += answer.name + " ";
    context.output.say(fmt::format("{}agree: height {}, root {}", names, format_count(roots.begin()->first),
                                   short_hex(roots.begin()->second)));
  }
  context.output.say(format_table(table));
  for (const auto& answer : answers) say_remarks(context.output, answer);
  if (diverged) return kExitRefused;
  return works ? kExitOk : kExitWaiting;
}

Result<v1::GetStatusResponse> ask(Result<Client> client) {
  if (!client) return client.error();
  return client->call(v1::GetStatusRequest{});
}

Result<int> status(Context& context, bool all) {
  std::vector<NodeAnswer> answers;
  if (!all) {
    GALEN_ASSIGN(auto client, context.connect());
    GALEN_ASSIGN(auto answer, client.call(v1::GetStatusRequest{}));
    auto name = answer.member();
    answers.push_back({name, std::move(answer)});
    return print(context, answers);
  }
  GALEN_TRY(context.check_all_nodes(false));
  GALEN_ASSIGN(auto layout, context.dev_layout());
  ClientOptions quick = context.client_options();
  quick.timeout_ms = std::min<std::uint64_t>(quick.timeout_ms, 5'000);
  quick.reconnect_for_ms = 0;
  // Asked one after the other, roots of a busy chain stand at different heights: only equal heights are compared.
  for (const auto& node : layout.nodes)
    answers.push_back({node.name, ask(Client::connect(layout.client_endpoint(node, context.options.client), quick))});
  return print(context, answers);
}

Result<int> peers(Context& context) {
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(v1::ListPeersRequest{}));
  GALEN_ASSIGN(auto status, client.call(v1::GetStatusRequest{}));
  auto counter = [&](const char* name, const v1::Peer& peer) {
    auto found = status.counters().find(name + ("." + peer.member()));
    return found == status.counters().end() ? 0 : found->second;
  };
  std::vector<std::vector<std::string>> table = {
      {"MEMBER", "ADDRESS", "STATE", "FOR", "RTT", "IN", "OUT", "CPU", "WAITED", "HEIGHT", "LAST ERROR"}};
  JsonWriter writer;
  writer.begin_object().key("peers").begin_array();
  bool all = true;
  for (const auto& peer : answer.peers()) {
    all = all && peer.connected();
    table.push_back({peer.member(), peer.address(), peer.connected() ? "connected" : "SILENT",
                     format_duration(peer.connected_ms()),
                     fmt::format("{:.1f} ms", static_cast<double>(peer.rtt_us()) / 1000), format_count(peer.bytes_in()),
                     format_count(peer.bytes_out()), format_duration(counter("peer_cpu_ms", peer)),
                     format_duration(counter("peer_throttled_ms", peer)), format_count(peer.height()), peer.last_error()});
    writer.begin_object().field("member", peer.member()).field("address", peer.address());
    writer.field("connected", peer.connected())
        .field("connected_ms", peer.connected_ms())
        .field("last_error", peer.last_error());
    writer.field("rtt_us", peer.rtt_us()).field("bytes_in", peer.bytes_in()).field("bytes_out", peer.bytes_out());
    writer.field("cpu_ms", counter("peer_cpu_ms", peer)).field("throttled_ms", counter("peer_throttled_ms", peer));
    writer.field("height", peer.height()).field("second_processes", peer.second_processes());
    writer.field("second_process_address", peer.second_process_address())
        .field("second_process_ms", peer.second_process_ms())
        .end_object();
  }
  writer.end_array().end_object();
  context.output.say(format_table(table));
  for (const auto& peer : answer.peers())
    if (peer.second_processes() > 0)
      context.output.say(fmt::format("{}: a second node with the keys of this member was refused, {} times; the last from {} at {}",
                                     peer.member(), format_count(peer.second_processes()), peer.second_process_address(),
                                     format_time(peer.second_process_ms())));
  context.output.result(writer);
  return all ? kExitOk : kExitWaiting;
}

Result<int> who_am_i(Context& context) {
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(v1::WhoAmIRequest{}));
  auto principal = to_hex(as_bytes(answer.principal())), member_id = to_hex(as_bytes(answer.member_id()));
  context.output.say(
      fmt::format("{} of {}\nprincipal {}\nmember    {}", answer.kind(), answer.member(), principal, member_id));
  JsonWriter writer;
  writer.begin_object().field("kind", answer.kind()).field("member", answer.member()).field("principal", principal);
  context.output.result(writer.field("member_id", member_id).end_object());
  return kExitOk;
}

}  // namespace

void add_node(CLI::App& app, Context& context) {
  auto all = std::make_shared<bool>(false);
  auto* show =
      add_verb(app, "node", "status", "Mode, height and root of a node, or of --all of a development consortium");
  show->add_flag("--all", *all, "Every node below --dir");
  show->callback([&context, all] { context.action = [&context, all] { return status(context, *all); }; });
  add_verb(app, "node", "peers", "Connections of a node to the other members")->callback([&context] {
    context.action = [&context] { return peers(context); };
  });
  app.get_subcommand("node")->description("A node's state and its peers");
  app.add_subcommand("whoami", "The principal of our certificate, and its member")->fallthrough()->callback([&context] {
    context.action = [&context] { return who_am_i(context); };
  });
}

}  // namespace galen::galenctl
