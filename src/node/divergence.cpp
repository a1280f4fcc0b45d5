#include "node/divergence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"
#include "galen/ledger/scrub.hpp"
#include "galen/node/file_access.hpp"
#include "node/stored_fetch.hpp"

namespace galen::node {
namespace {

constexpr int kAttempts = 20;
constexpr std::chrono::milliseconds kPause{500};

Bytes tree_question(Height height, unsigned depth, const Hash& path) {
  return std::move(ByteWriter(41).u64(height).u8(static_cast<std::uint8_t>(depth)).raw(path)).take();
}

std::string quoted(const std::optional<Hash>& hash) { return hash ? "\"" + hash->hex() + "\"" : "null"; }

}  // namespace

struct Divergence::Report {
  Height height = 0;       ///< where the roots differ
  Height compared_at = 0;  ///< whose trees were compared
  std::string peer;
  Hash root_here, root_there;
  ledger::TreeDifference difference;
  std::vector<ledger::LeafDifference>
      rows_not_of_tree;        ///< here: the stored row, there: its leaf in this node's own tree
  std::map<Hash, Bytes> keys;  ///< kind ‖ key, of rows that this node has
  struct Outcome {
    std::size_t item;
    std::uint32_t code_here, code_there;
  };
  std::vector<Outcome> outcomes;  ///< of the block at `height`
};

Divergence::Divergence(const Identity& identity, const ledger::Store& store, Health& health, std::string data_dir,
                       PeerQuestion::Send send)
    : identity_(identity), store_(store), health_(health), data_dir_(std::move(data_dir)), question_(std::move(send)) {}

Divergence::~Divergence() { stop(); }

void Divergence::begin(Height height) {
  std::lock_guard lock(mutex_);
  if (begun_ || stopping_) return;
  begun_ = true;
  thread_ = std::thread([this, height] {
    name_this_thread("divergence");
    auto file = write_down(height);
    if (file) {
      health_.set_divergence_file(*file);
      log::error("diverged: what differs at height={} stands in {}", height, *file);
    } else {
      log::error("diverged: what differs at height={} was not found out reason={} error=\"{}\"", height,
                 to_reason(file.error().code), file.error().message);
    }
  });
}

void Divergence::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  question_.stop();
  if (thread_.joinable()) thread_.join();
}

// Peers keep the trees of their last heights only, and blocks go on: each attempt takes the newest height here.
Result<std::string> Divergence::write_down(Height height) {
  Error why{ErrorCode::UNAVAILABLE, "no other member has the state of a height that this node has"};
  for (int attempt = 0; attempt < kAttempts && !stopping_; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kPause);
    for (MemberIndex peer = 0; peer < identity_.members().size(); ++peer) {
      if (peer == identity_.self) continue;
      GALEN_ASSIGN(auto view, store_.snapshot());
      Report report;
      report.height = height;
      report.peer = identity_.member_name(peer);
      auto compared = compare_states(*view, peer, report);
      if (compared) compared = compare_outcomes(*view, peer, report);
      if (!compared) {
        why = compared.error();
        continue;
      }
      if (report.difference.leaves.empty() && report.outcomes.empty()) {
        why = {ErrorCode::UNAVAILABLE, "no other member differs: the certified state is not what those asked have"};
        continue;
      }
      GALEN_TRY(check_own_rows(*view, report));
      const auto path = fmt::format("{}/diverged-{}.json", data_dir_, height);
      GALEN_TRY(posix_file_access().replace(path, as_bytes(to_json(report))));
      return path;
    }
  }
  return why;
}

Status Divergence::compare_states(const ledger::View& view, MemberIndex peer, Report& report) {
  const auto& head = view.head();
  const auto height = head.header.height;
  std::optional<Hash> root_there;
  auto ask = [&](unsigned depth, const Hash& path) -> Result<Bytes> {
    auto answer = question_.ask(peer, PeerMessageKind::fetch_tree, PeerMessageKind::tree, tree_question(height, depth, path));
    if (!answer || answer->size() < Hash::kSize)
      return Error{ErrorCode::NOT_FOUND, "the peer has no such page any more"};
    root_there = ByteReader(*answer).fixed<Hash>();
    return to_bytes(ByteSpan(*answer).subspan(Hash::kSize));
  };
  GALEN_TRY(ask(0, Hash{}));
  ledger::TreeSide here{head.state_root,
                        [&](unsigned depth, const Hash& path) { return view.tree_page(height, depth, path); }};
  ledger::TreeSide there{*root_there, ask};
  report.compared_at = height;
  report.root_here = head.state_root;
  report.root_there = there.root;
  GALEN_ASSIGN(report.difference, ledger::difference(identity_.context.suite, here, there));
  return {};
}

Status Divergence::compare_outcomes(const ledger::View& view, MemberIndex peer, Report& report) {
  GALEN_ASSIGN(auto here, view.outcomes(report.height));
  if (!here) return {};  // not executed yet
  auto stored = fetch_stored(question_, peer, report.height);
  if (!stored) return Error{ErrorCode::NOT_FOUND, "the peer does not have the block"};
  GALEN_ASSIGN(auto there, ledger::decode_outcomes(stored->outcomes));
  for (std::size_t i = 0; i < std::min(here->size(), there.size()); ++i)
    if ((*here)[i] != there[i]) report.outcomes.push_back({i, (*here)[i].code, there[i].code});
  return {};
}

// A row that was changed behind the node's back differs from its own tree; one that was computed differently does not.
Status Divergence::check_own_rows(const ledger::View& view, Report& report) {
  std::set<Hash> wanted;
  for (const auto& leaf : report.difference.leaves) wanted.insert(leaf.path);
  const auto suite = view.suite();
  return view.each_state_row([&](ByteSpan key, ByteSpan value) -> Status {
    const auto path = crypto::state_path(suite, key[0], key.subspan(1));
    const auto hash = crypto::hash(suite, value);
    auto proof = view.prove_state(key[0], key.subspan(1), view.height());
    const bool has_leaf = proof && proof->terminal && proof->terminal->path == path;
    const bool differs = proof && (!has_leaf || proof->terminal->value_hash != hash);
    if (differs)
      report.rows_not_of_tree.push_back(
          {path, hash, has_leaf ? std::optional(proof->terminal->value_hash) : std::nullopt});
    if (differs || wanted.contains(path)) report.keys[path] = to_bytes(key);
    return {};
  });
}

std::string Divergence::to_json(const Report& report) const {
  auto rows = [&](const std::vector<ledger::LeafDifference>& leaves, const char* other) {
    std::string out;
    for (const auto& leaf : leaves) {
      auto key = report.keys.find(leaf.path);
      out += out.empty() ? "\n" : ",\n";
      out += fmt::format("    {{\"path\": \"{}\", ", leaf.path.hex());
      if (key != report.keys.end())
        out += fmt::format("\"kind\": {}, \"key\": \"{}\", ", key->second[0], to_hex(ByteSpan(key->second).subspan(1)));
      out += fmt::format("\"value_hash\": {}, \"{}\": {}}}", quoted(leaf.here), other, quoted(leaf.there));
    }
    return out;
  };
  std::string outcomes;
  for (const auto& outcome : report.outcomes)
    outcomes += fmt::format("{}\n    {{\"item\": {}, \"code\": {}, \"code_there\": {}}}", outcomes.empty() ? "" : ",",
                            outcome.item, outcome.code_here, outcome.code_there);
  return fmt::format(
      "{{\n  \"member\": \"{}\",\n  \"height\": {},\n  \"compared_with\": \"{}\",\n  \"compared_at\": {},\n"
      "  \"state_root\": \"{}\",\n  \"state_root_there\": \"{}\",\n  \"complete\": {},\n"
      "  \"rows\": [{}],\n  \"rows_not_of_own_tree\": [{}],\n  \"outcomes\": [{}]\n}}\n",
      identity_.member_name(identity_.self), report.height, report.peer, report.compared_at, report.root_here.hex(),
      report.root_there.hex(), report.difference.complete, rows(report.difference.leaves, "value_hash_there"),
      rows(report.rows_not_of_tree, "value_hash_of_tree"), outcomes);
}

}  // namespace galen::node
