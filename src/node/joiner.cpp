#include "node/joiner.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/execution/past_rows.hpp"

namespace galen::node {
namespace {

constexpr std::chrono::milliseconds kOfferWait{3'000};
constexpr std::chrono::seconds kManifestWait{21};
constexpr std::chrono::milliseconds kPartWait{200};
constexpr std::size_t kPartsOpenMax = 2;
constexpr std::uint64_t kNothingCameUs = 60'000'000;
constexpr std::size_t kEmptyAnswersMax = 20;

bool offers(const std::vector<Height>& heights, Height height) {
  return std::find(heights.begin(), heights.end(), height) != heights.end();
}

}  // namespace

Joiner::Joiner(const Identity& identity, const ledger::StoreOptions& options, Height behind_min, SyncPeers& peers,
               Ports ports)
    : identity_(identity),
      options_(options),
      behind_min_(behind_min),
      peers_(peers),
      ports_(std::move(ports)),
      past_(peers) {}

Status Joiner::resume(bool wanted) {
  if (!wanted) return ledger::Installer::abandon(options_.directory);
  auto installer = ledger::Installer::resume(options_);
  if (!installer) {
    if (installer.error().code != ErrorCode::NOT_FOUND)
      log::error("what was taken of a snapshot is of no use any more reason={} error=\"{}\"",
                 to_reason(installer.error().code), installer.error().message);
    return ledger::Installer::abandon(options_.directory);
  }
  const auto& manifest = (*installer)->manifest();
  if (manifest.height() <= ports_.applied() || !manifest.verify(identity_.genesis)) {
    installer->reset();
    return ledger::Installer::abandon(options_.directory);
  }
  installer_ = std::move(*installer);
  log::info("joining goes on height={} parts_missing={}", manifest.height(), installer_->missing_parts().size());
  return {};
}

Result<Joiner::Outcome> Joiner::attempt() {
  const auto began_us = system_clock().monotonic_us();
  came_us_ = 0;
  auto outcome = go_on();
  stalled_us_ = came_us_ != 0 || !installer_ ? 0 : stalled_us_ + system_clock().monotonic_us() - began_us;
  if (outcome || !installer_) return outcome;
  log::error("joining by snapshot failed, what was taken is removed reason={} error=\"{}\"",
             to_reason(outcome.error().code), outcome.error().message);
  auto removed = give_up();
  // Damage in what was taken is no damage of the ledger in use: another snapshot is taken.
  if (outcome.error().code != ErrorCode::CORRUPT || !removed) return outcome;
  return Outcome::later;
}

std::string Joiner::hopeless(std::size_t answered) const {
  const auto height = installer_->manifest().height();
  if (height <= ports_.applied()) return "the ledger has come further";
  if (peers_.all_banned()) return "every other member sent what failed its check";
  if (answered == 0) return {};  // nobody can be asked: that says nothing
  if (stalled_us_ > kNothingCameUs) return "nothing came for a minute";
  return {};
}

Result<Joiner::Outcome> Joiner::go_on() {
  peers_.forget_all();
  const auto answered = ask_offers();
  if (peers_.closed()) return Outcome::later;
  if (answered == 0) stalled_us_ = 0;
  if (installer_) {
    const auto height = installer_->manifest().height();
    if (const auto why = hopeless(answered); !why.empty()) {
      log::warn("the snapshot of height={} is given up: {}", height, why);
      GALEN_TRY(give_up());
      return Outcome::later;
    }
    if (answered > 0 && !is_offered(height) && !installer_->missing_parts().empty()) {
      log::warn("nobody offers the snapshot of height={} any more: another one is taken", height);
      GALEN_TRY(give_up());
    }
  }
  if (!installer_) {
    GALEN_ASSIGN(bool chosen, choose());
    if (!chosen) return Outcome::later;
  }
  ports_.pause_blocks(true);
  if (!safe_) {
    GALEN_ASSIGN(safe_, others_have_our_blocks());
  }
  if (!safe_) {
    if (peers_.closed() || answered == 0) return Outcome::later;
    log::warn("not joining by snapshot: no other member shows the blocks that this one has, and they would be lost");
    GALEN_TRY(give_up());
    return Outcome::later;
  }
  GALEN_ASSIGN(bool parts, fetch_parts());
  if (!parts) return Outcome::later;
  GALEN_ASSIGN(bool past, fetch_past());
  if (!past) return Outcome::later;
  if (!ports_.has_room()) return Outcome::later;
  ports_.say("all of the snapshot is here: its root is computed once more");
  GALEN_TRY(installer_->finish());
  log::info("joined height={}", installer_->manifest().height());
  return Outcome::complete;
}

std::size_t Joiner::ask_offers() {
  offers_.clear();
  std::size_t asked = 0, answered = 0;
  for (auto peer : peers_.usable()) asked += peers_.ask(peer, PeerMessageKind::snapshots, {}, encode_fetch_snapshots());
  const auto until = system_clock().monotonic_us() + static_cast<std::uint64_t>(kOfferWait.count()) * 1000;
  while (answered < asked && system_clock().monotonic_us() < until) {
    auto answer = peers_.wait(kPartWait);
    if (!answer || answer->kind != PeerMessageKind::snapshots) continue;
    ++answered;
    auto heights = decode_snapshots(answer->body);
    if (heights)
      offers_[answer->from] = std::move(*heights);
    else
      peers_.ban(answer->from, heights.error());
  }
  return answered;
}

// Of those that save enough blocks the one that most offer, of equals the highest.
Result<bool> Joiner::choose() {
  for (;;) {
    std::map<Height, std::size_t> counts;
    for (const auto& [peer, heights] : offers_)
      for (auto height : heights)
        if (height >= ports_.applied() + behind_min_) ++counts[height];
    if (counts.empty()) return false;
    const auto height = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
                          return std::pair(a.second, a.first) < std::pair(b.second, b.first);
                        })->first;
    auto manifest = fetch_manifest(height);
    if (manifest) {
      GALEN_ASSIGN(installer_, ledger::Installer::begin(options_, *manifest));
      log::info("joining by snapshot height={} parts={} of {}", height, installer_->missing_parts().size(),
                manifest->nodes.size());
      return true;
    }
    if (peers_.closed()) return false;
    for (auto& [peer, heights] : offers_) std::erase(heights, height);
  }
}

std::optional<ledger::SnapshotManifest> Joiner::fetch_manifest(Height height) {
  for (auto peer : peers_.usable()) {
    if (!offers(offers_[peer], height)) continue;
    if (!peers_.ask(peer, PeerMessageKind::manifest, {}, encode_fetch_manifest(height))) continue;
    bool answered = false;
    while (auto answer = peers_.wait(kManifestWait)) {
      if (answer->kind != PeerMessageKind::manifest || answer->from != peer) continue;
      answered = true;
      if (answer->body.empty()) break;
      auto manifest = ledger::SnapshotManifest::decode(identity_.context.suite, answer->body);
      Status status;
      if (!manifest)
        status = manifest.error();
      else if (auto verified = manifest->verify(identity_.genesis); !verified)
        status = verified.error();
      if (status && manifest->height() != height) break;  // the late answer to an earlier question
      if (status) {
        manifest_from_ = peer;
        return std::move(*manifest);
      }
      peers_.ban(peer, status.error());
      offers_.erase(peer);
      break;
    }
    if (!answered) offers_.erase(peer);  // whoever says nothing is not waited for once more for each thing it offered
  }
  return std::nullopt;
}

void Joiner::ask_parts(std::span<const std::uint32_t> missing) {
  const auto height = installer_->manifest().height();
  auto next = missing.begin();
  for (bool asked = true; asked;) {
    asked = false;
    for (auto peer : peers_.usable()) {
      if (!offers(offers_[peer], height) || peers_.open(peer) >= kPartsOpenMax) continue;
      while (next != missing.end() && peers_.is_asked(PeerMessageKind::part, {height, *next})) ++next;
      if (next == missing.end()) return;
      const SyncSubject subject{height, *next};
      asked |= peers_.ask(peer, PeerMessageKind::part, subject, encode_subject(PeerMessageKind::fetch_part, subject));
    }
  }
}

Result<bool> Joiner::fetch_parts() {
  const auto began_us = system_clock().monotonic_us();
  const auto total = installer_->manifest().nodes.size();
  for (;;) {
    const auto missing = installer_->missing_parts();
    if (missing.empty()) return true;
    if (peers_.closed() || !ports_.has_room()) return false;
    ports_.say(fmt::format("takes the snapshot of height {}: {} of {} parts are here", installer_->manifest().height(),
                           total - missing.size(), total));
    ask_parts(missing);
    auto answer = peers_.wait(kPartWait);
    const auto now = system_clock().monotonic_us();
    if (answer && answer->kind == PeerMessageKind::part) {
      GALEN_ASSIGN(bool taken, take_part(*answer));
      if (!installer_) return false;
      if (taken) came_us_ = now;
    }
    if (is_offered(installer_->manifest().height()) && now - std::max(came_us_, began_us) < kNothingCameUs) continue;
    // Others may offer it by now, or another one.
    GALEN_TRY(installer_->flush());
    return false;
  }
}

Result<bool> Joiner::take_part(const SyncPeers::Answer& answer) {
  const auto& manifest = installer_->manifest();
  auto decoded = decode_part_answer(answer.body);
  GALEN_ASSERT(decoded.has_value());  // it was matched by its subject
  if (decoded->part.empty()) {
    std::erase(offers_[answer.from], manifest.height());
    return false;
  }
  if (const auto depth = ledger::snapshot_part_depth(decoded->part); depth && *depth != manifest.depth) {
    GALEN_TRY(take_other_depth(answer.from));
    return false;
  }
  const auto index = answer.subject.number;
  auto rows = ledger::check_snapshot_part(identity_.context.suite, {manifest.height(), manifest.depth, index},
                                          manifest.nodes[index], decoded->part);
  if (!rows) {
    peers_.ban(answer.from, rows.error());
    offers_.erase(answer.from);
    return false;
  }
  const auto missing = installer_->missing_parts();
  if (std::binary_search(missing.begin(), missing.end(), index)) GALEN_TRY(installer_->add_part(index, *rows));
  return true;
}

// The depth follows from the rows, and nobody can tell before all of them are here. With more members than may be
// faulty on the other side, the one that gave the manifest is not honest: all would be refused for its sake.
Status Joiner::take_other_depth(MemberIndex from) {
  const auto& manifest = installer_->manifest();
  std::erase(offers_[from], manifest.height());
  of_other_depth_.insert(from);
  if (of_other_depth_.size() <= identity_.members().faults()) return {};
  log::warn("the snapshot of height={} is given up: other members have it at another depth", manifest.height());
  if (manifest_from_) peers_.ban(*manifest_from_, {ErrorCode::BAD_PROOF, "manifest: at a depth of its own"});
  return give_up();
}

Result<bool> Joiner::fetch_past() {
  const auto ttl_max_ms = identity_.genesis.parameters.ttl_max_ms;
  const auto state = [&](std::uint8_t kind, ByteSpan key) { return installer_->state(kind, key); };
  GALEN_ASSIGN(const auto epochs, EpochChain::follow_own(identity_.genesis, installer_->manifest().epochs));
  std::size_t empty = 0;
  for (;;) {
    GALEN_ASSIGN(auto wanted, installer_->past_wanted(ttl_max_ms));
    if (!wanted) return true;
    ports_.say(
        fmt::format("has the rows of the snapshot of height {}: takes the blocks whose request ids still count, down "
                    "to {}",
                    installer_->manifest().height(), wanted->height));
    GALEN_ASSIGN(auto taken, past_.step(epochs, [&] { return installer_->past_wanted(ttl_max_ms); },
                                        [&](const ledger::PastBlock& past) -> Status {
                                          GALEN_ASSIGN(auto rows, execution::past_rows(identity_.genesis, past, state));
                                          return installer_->add_past(past, rows);
                                        }));
    empty = taken == 0 ? empty + 1 : 0;
    if (taken > 0) came_us_ = system_clock().monotonic_us();
    if (!ports_.has_room()) return false;
    if (peers_.closed() || empty > kEmptyAnswersMax) {
      GALEN_TRY(installer_->flush());
      return false;
    }
    if (taken == 0) (void)peers_.wait(kPartWait);
  }
}

Result<bool> Joiner::others_have_our_blocks() {
  GALEN_ASSIGN(auto lowest, ports_.own_lowest());
  if (!lowest) return true;
  ports_.say("asks the other members for the blocks that it has, which go when the snapshot comes");
  GALEN_ASSIGN(const auto epochs, EpochChain::follow_own(identity_.genesis, installer_->manifest().epochs));
  bool shown = false;
  const auto wanted = [&]() -> Result<std::optional<ledger::PastWanted>> { return shown ? std::nullopt : lowest; };
  for (std::size_t i = 0; i < identity_.members().size() && !shown && !peers_.closed(); ++i) {
    GALEN_ASSIGN([[maybe_unused]] auto taken, past_.step(epochs, wanted, [&](const ledger::PastBlock&) -> Status {
      shown = true;
      return {};
    }));
  }
  return shown;
}

bool Joiner::is_offered(Height height) const {
  return std::any_of(offers_.begin(), offers_.end(), [&](const auto& offer) { return offers(offer.second, height); });
}

Status Joiner::give_up() {
  installer_.reset();
  safe_ = false;
  stalled_us_ = 0;
  manifest_from_.reset();
  of_other_depth_.clear();
  ports_.pause_blocks(false);
  return ledger::Installer::abandon(options_.directory);
}

}  // namespace galen::node
