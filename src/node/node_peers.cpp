// What a node says to the other members and hears of them: the mesh, which answer goes to which thread, and what they
// say of this very member.

#include <fmt/format.h>

#include "galen/base/log.hpp"
#include "node/mesh_options.hpp"
#include "node/node_state.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {
namespace {

constexpr std::size_t kResentBatchesMax = 64;

}  // namespace

void Node::State::say(consensus::Target to, std::shared_ptr<const Bytes> bytes) {
  if (interposer) return interposer->says(to, std::move(bytes));
  send_vote(to, std::move(bytes));
}

void Node::State::send_vote(consensus::Target to, std::shared_ptr<const Bytes> bytes) {
  if (to)
    mesh->send(*to, net::Lane::votes, std::move(bytes));
  else
    mesh->broadcast(net::Lane::votes, std::move(bytes));
}

void Node::State::fetch_batches(const consensus::Effects::FetchBatches& fetch) {
  auto message = std::make_shared<const Bytes>(encode_fetch_batches(fetch.digests));
  auto members = identity.members().size();
  for (std::size_t i = 0; i < members; ++i) {
    auto peer = static_cast<MemberIndex>((fetch.hint + i) % members);
    if (peer != identity.self && mesh->send(peer, net::Lane::bulk, message)) return;
  }
}

// V1a, by the members' answers to pings.
std::optional<std::uint64_t> Node::State::base_timeout_ms() const {
  std::vector<std::uint64_t> round_trips;
  for (const auto& peer : mesh->peers())
    if (peer.member < identity.members().size() && peer.rtt_us) round_trips.push_back(*peer.rtt_us);
  const auto now = system_clock().monotonic_us();
  return node::base_timeout_ms(std::move(round_trips), identity.members().quorum(), health.fsync_times.high(now),
                               health.execute_times.high(now));
}

// Two threads ask, for blocks and for the state tree.
bool Node::State::is_mending_answer(MemberIndex from, ByteSpan message) {
  return scrubber->on_answer(from, message) || divergence->on_answer(from, message);
}

// What joins and fills has threads of its own; the rest is checked by the verify threads.
void Node::State::on_frame(net::Frame&& frame) {
  if (interposer && !interposer->hears(frame.from, frame.payload)) return;
  const auto kind = frame.payload.empty() ? PeerMessageKind{} : static_cast<PeerMessageKind>(frame.payload[0]);
  const bool bulk = frame.lane == net::Lane::bulk;
  if (bulk && is_sync_request(kind))
    sync_server->on_request(std::move(frame));
  else if (bulk && kind == PeerMessageKind::past_piece && is_mending_answer(frame.from, frame.payload))
    return;  // the scrub and a node that diverged take large blocks as the sync thread does
  else if (bulk && is_sync_answer(kind))
    joining->on_answer(std::move(frame));
  else
    verify->on_frame(std::move(frame));
}

// Who follows without voting may have forgotten what it promised, or computed another state: its word does not count.
HighAnswer Node::State::high_answer(std::uint64_t nonce) const {
  HighAnswer out{.nonce = nonce};
  const auto mode = health.core().mode;
  out.counts = identity.votes() && (mode == galen::v1::NODE_MODE_VOTING || mode == galen::v1::NODE_MODE_CATCHING_UP);
  if (out.counts) out.certificate = store_loop->high();
  return out;
}

// Nothing is tidied up, as after a failed write: whatever would still be said in this member's name might contradict
// the other process.
void Node::State::on_identity_in_use(MemberIndex by, std::string_view text) {
  if (by >= identity.members().size()) return;  // only voters' words count
  if (!identity_watch.on_refused(by, text, now_ms())) return;
  const auto mode = health.core().mode;
  const bool has_voted = mode != galen::v1::NODE_MODE_STARTING && mode != galen::v1::NODE_MODE_FRESH;
  std::string words;
  for (const auto& [member, said] : identity_watch.told(now_ms()))
    words += fmt::format("{}{} says: {}", words.empty() ? "" : "; ", identity.member_name(member), said);
  fatal({ErrorCode::IDENTITY_IN_USE,
         fmt::format("a second node runs with the keys of {}: {}. This process ends{}",
                     identity.member_name(identity.self), words, has_voted ? "" : " before its first vote")});
}

// It missed the end of its last epoch, and nobody will tell it of that block any more.
void Node::State::on_removed(MemberIndex by) {
  if (!identity.is_voter() || by >= identity.members().size() || health.removed_by().contains(by)) return;
  if (health.note_removed(by, true) == identity.members().faults() + 1)
    log::error(
        "removed member={} epoch={}: more members say so than can lie; the node keeps what it has and is told nothing "
        "new, "
        "stop it when it is not needed any more",
        config.member, identity.context.epoch);
}

// The change is decided, and who is ahead shows the new CA already.
void Node::State::accept_next_cas(const MemberSet& next) {
  for (MemberIndex i = 0; i < identity.members().size(); ++i) {
    const auto& present = identity.members()[i];
    const auto place = next.index_of(present.id);
    if (i == identity.self || !place || next[*place].tls_ca == present.tls_ca) continue;
    if (auto pinned = mesh->pin_also(i, next[*place].tls_ca); !pinned)
      log::error("the next CA of member={} is not accepted before the epoch ends error=\"{}\"", identity.member_name(i),
                 pinned.error().message);
  }
}

Status Node::State::make_mesh() {
  GALEN_ASSIGN(auto options, mesh_options(config, identity));
  net::MeshCallbacks callbacks;
  callbacks.on_frame = [this](net::Frame frame) { on_frame(std::move(frame)); };
  callbacks.on_peer_up = [this](MemberIndex member, const net::PeerHello& hello) {
    if (member < identity.members().size()) identity_watch.on_up(member);
    health.note_removed(member, false);
    health.set_connected(member, true);
    core->on_peer(member);
    health.set_peer_epoch(member, hello.epoch);
    if (hello.epoch > identity.context.epoch) sync->follow(member, core->committed_height() + 1);
    // What it missed while it was away and no block holds yet; the rest it asks for.
    for (const auto& batch : opened.pool->unused(identity.self, kResentBatchesMax))
      mesh->send(member, net::Lane::bulk, peer_message(PeerMessageKind::batch, batch->bytes()));
  };
  callbacks.on_peer_down = [this](MemberIndex member, std::string_view) {
    identity_watch.on_down(member);
    health.set_connected(member, false);
  };
  callbacks.on_removed = [this](MemberIndex by) { on_removed(by); };
  callbacks.on_identity_in_use = [this](MemberIndex by, std::string_view text) { on_identity_in_use(by, text); };
  GALEN_ASSIGN(mesh, net::Mesh::make(std::move(options), std::move(callbacks)));
  return {};
}

}  // namespace galen::node
