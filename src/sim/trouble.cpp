// Faults beyond crashes and plain partitions: what is half broken is harder than what is gone.
#include "sim/node.hpp"

namespace galen::sim {

/// One node, or the network as a whole, gets worse in one way, or one node gets well again.
void Simulation::trouble() {
  auto& node = *nodes_[rng_.below(nodes_.size())];
  auto draw = rng_.next();
  auto hit = [&](Fault fault) {
    if (is_planned(fault)) count(fault);
    return is_planned(fault);
  };
  switch (rng_.below(7)) {
    case 0:
      if (hit(Fault::one_way)) (draw % 2 == 0 ? node.unheard : node.deaf) = true;
      break;
    case 1:
      if (hit(Fault::flapping)) flap(5 + static_cast<unsigned>(draw % 40));
      break;
    case 2:
      if (hit(Fault::slow_node)) node.slow_ms = 20 + draw % 180;
      break;
    case 3:
      if (hit(Fault::slow_disk)) node.disk_ms = 10 + draw % 70;
      break;
    case 4:
      if (hit(Fault::clock)) node.clock_offset = static_cast<std::int64_t>(draw % 6000) - 3000;
      break;
    default:
      node.unheard = node.deaf = false;
      node.slow_ms = node.disk_ms = 0;
      node.clock_offset = static_cast<std::int64_t>(draw % 400) - 200;
      break;
  }
}

/// Asked to stop, it hands its tenure over; a while later its process ends.
void Simulation::stop_in_order(std::size_t place) {
  auto& node = *nodes_[place];
  if (!node.up) return;
  ++tally_.faults["stopped in good order"];
  give(node, node.seat->epoch, consensus::StopRequested{});
  at(kStopMs, [this, place, incarnation = node.incarnation] {
    if (nodes_[place]->incarnation == incarnation) crash(place, false, false);
  });
}

/// Two sides that part and meet again, faster than any timer.
void Simulation::flap(unsigned times) {
  if (is_healed_ || times == 0) return;
  for (auto& side : side_) side = times % 2 == 0 ? 0 : static_cast<int>(rng_.below(2));
  at(5 + rng_.below(60), [this, times] { flap(times - 1); });
}

/// The mesh of a node tells it when a connection comes up; what is cut in one direction is no connection.
void Simulation::note_links() {
  if (!options_.reconnects) return;
  for (std::size_t a = 0; a < nodes_.size(); ++a)
    for (std::size_t b = a + 1; b < nodes_.size(); ++b) {
      bool is_up = nodes_[a]->up && nodes_[b]->up && linked(a, b) && linked(b, a);
      auto link = links_[a * nodes_.size() + b];
      if (is_up == link) continue;
      link = is_up;
      if (!is_up) continue;
      at(latency(), [this, a, b] { connected(a, b); });
      at(latency(), [this, a, b] { connected(b, a); });
    }
}

void Simulation::connected(std::size_t place, std::size_t to) {
  auto& node = *nodes_[place];
  if (!node.up) return;
  auto member = epochs_->of(node.seat->epoch).index_of(nodes_[to]->identity);
  if (!member) return;
  if (node.is_honest()) ++tally_.faults["a connection comes up"];
  give(node, node.seat->epoch, consensus::PeerConnected{*member});
}

bool Simulation::is_cut(std::size_t from, std::size_t to) const { return nodes_[from]->unheard || nodes_[to]->deaf; }

/// What a slow end of a line adds; overtaking included.
std::uint64_t Simulation::slowness(std::size_t from, std::size_t to) {
  auto most = nodes_[from]->slow_ms + nodes_[to]->slow_ms;
  return is_healed_ || most == 0 ? 0 : rng_.below(most);
}

}  // namespace galen::sim
