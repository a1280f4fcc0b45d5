// What a mutating member makes of its own messages beyond a changed bit or field: the shapes that each check of
// consensus/verify.cpp and each reason to refuse a proposal is there for.
#include <algorithm>

#include "galen/types/limits.hpp"
#include "sim/adversary.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::size_t kFloodBlocks = 2 * limits::kWindowMax + 2;
constexpr std::size_t kFloodVotes = 48;

void fit_header(crypto::Suite suite, BlockSkeleton& block) {
  block.header.batch_count = static_cast<std::uint32_t>(block.batch_digests.size());
  block.header.body_root = body_root(suite, block.batch_digests);
}

}  // namespace

/// One bit of the encoding, or its end.
MessagePtr Adversary::damaged(const Message& message) {
  auto bytes = encode_in(context_->epoch, message);
  if (rng_.chance(1, 16))
    bytes.resize(rng_.below(bytes.size()));
  else
    bytes[rng_.below(rng_.chance(1, 8) ? 12 : bytes.size())] ^= static_cast<std::uint8_t>(1U << rng_.below(8));
  auto decoded = decode_of_epoch(context_->suite, bytes);
  if (!decoded && undecodable_ != nullptr)
    ++(*undecodable_)[std::string(consensus::to_name(message)) + ": " + decoded.error().message];
  if (!decoded || decoded->epoch != context_->epoch) return nullptr;
  return std::make_shared<const Message>(std::move(decoded->message));
}

/// Properly signed and wrong in one way; nothing if the message offers none.
MessagePtr Adversary::malformed(const Message& message) {
  auto copy = message;
  if (auto* m = std::get_if<PrePrepare>(&copy)) {
    if (m->sender != self_) return nullptr;
    const bool ends = m->block.header.tenure_end() || m->block.header.epoch_end();
    if (ends && m->block.header.view == m->view && rng_.chance(1, 2)) {
      go_on_after_an_end(*m);
    } else if (m->justification.kind == Justification::Kind::new_view && rng_.chance(1, 2)) {
      malform_new_view(m->justification);
    } else if (m->justification.kind == Justification::Kind::tenure_end && rng_.chance(1, 2)) {
      m->justification.certificate = rng_.chance(1, 2) ? std::nullopt : some_certificate();  // or one of any view
    } else if (rng_.chance(1, 8)) {
      m->justification = {Justification::Kind::epoch_end, {}, some_certificate()};
    } else if (rng_.chance(1, 4)) {
      backdate(m->block.header);
    } else if (!odd_batches_.empty() && rng_.chance(1, 2)) {
      add_odd_batches(m->block);
    } else {
      repeat_batch(m->block);
    }
  } else if (auto* v = std::get_if<ViewChange>(&copy)) {
    if (v->header.sender != self_) return nullptr;
    if (rng_.chance(1, 2)) {
      v->header.target = 0;
    } else {
      v->high_qc.reset();  // and still named
    }
  } else if (auto* s = std::get_if<StatusAnswer>(&copy)) {
    if (s->sender != self_ || !s->high_qc) return nullptr;
    s->tip_qc = s->high_qc;  // prepared is not committed
    s->tip = s->high;
  } else {
    return nullptr;
  }
  return signed_again(std::move(copy));
}

void Adversary::malform_new_view(Justification& justification) {
  auto& headers = justification.view_changes;
  if (headers.empty()) return;
  switch (rng_.below(4)) {
    case 0:
      headers.pop_back();
      break;
    case 1:
      headers.back().target += 1;
      break;
    case 2:
      std::swap(headers.front(), headers.back());
      break;
    default:
      headers.back().sender = static_cast<MemberIndex>(members_->size());
      break;
  }
}

/// Not after its parent, if it has heard of that.
void Adversary::backdate(BlockHeader& header) {
  for (const auto& heard : memory_)
    if (const auto* parent = std::get_if<PrePrepare>(heard.get()); parent != nullptr && parent->digest == header.parent)
      header.time_ms = parent->block.header.time_ms - rng_.below(2);
}

/// A child of its own last block of the tenure or epoch.
void Adversary::go_on_after_an_end(PrePrepare& message) {
  auto& header = message.block.header;
  const auto root = history_root_ ? history_root_(header) : std::nullopt;
  header.parent = header.digest(context_->suite);
  header.history_root = root.value_or(header.history_root);
  ++header.height, ++header.history_size, ++header.time_ms;
  header.flags = 0;
  header.next_members_hash = {};
  message.block.batch_digests.clear();
  fit_header(context_->suite, message.block);
  message.justification = {};
}

/// On its proposal, more than anybody has room for, and nothing of it may be PREPAREd: as proposals from the first to the last, or
/// the last as one and the others, from the top down, as the skeletons that it makes others want.
void Adversary::flood_blocks(const PrePrepare& last, Outbox& out) {
  tells(Lie::floods);
  auto m = last;
  m.justification = {};
  ++m.block.header.rules_version;
  bool as_skeletons = rng_.chance(1, 2);
  std::vector<BlockSkeleton> blocks;
  for (std::size_t i = 0; i < kFloodBlocks; ++i) {
    auto& header = m.block.header;
    header.parent = i == 0 ? last.digest : header.digest(context_->suite);
    ++header.height, ++header.time_ms;
    header.view = m.view;
    header.proposer = self_;
    header.flags = 0, header.next_members_hash = {};
    m.block.batch_digests.clear();
    fit_header(context_->suite, m.block);
    blocks.push_back(m.block);
    if (as_skeletons && i + 1 < kFloodBlocks) continue;
    auto proposal = signed_again(m);
    for (MemberIndex to = 0; to < members_->size(); ++to) send(to, proposal, out);
  }
  if (!as_skeletons) return;
  blocks.pop_back();
  for (std::uint64_t delay = 0; !blocks.empty(); blocks.pop_back(), delay += 5) {
    auto message = signed_again(Skeleton{blocks.back()});
    for (MemberIndex to = 0; to < members_->size(); ++to)
      for (std::uint64_t again = 0; again < 3; ++again) send(to, message, out, delay + 30 * again);  // some are overtaken
  }
}

/// For blocks of nobody, in one view after the other.
void Adversary::flood_votes(Outbox& out) {
  tells(Lie::floods);
  auto to = someone();
  for (View view = 0; view < kFloodVotes; ++view)
    send(to, signed_again(Prepare{{self_, {view, highest_ + 1 + rng_.below(4), small_hash(rng_.next(), 6)}, {}}}), out);
}

/// A batch twice in the block, or one that another proposal held before.
void Adversary::repeat_batch(BlockSkeleton& block) {
  auto& digests = block.batch_digests;
  std::optional<Hash> again;
  if (!digests.empty()) again = digests.front();
  for (const auto& heard : memory_)
    if (const auto* older = std::get_if<PrePrepare>(heard.get()); older != nullptr && !older->block.batch_digests.empty())
      if (!again || rng_.chance(1, 2)) again = older->block.batch_digests.front();
  if (!again) return;
  digests.push_back(*again);
  fit_header(context_->suite, block);
}

/// Of its newest ones; by a clock that goes ahead, but no further than others put up with.
void Adversary::add_odd_batches(BlockSkeleton& block) {
  auto& digests = block.batch_digests;
  for (auto odd = odd_batches_.rbegin(); odd != odd_batches_.rend() && odd - odd_batches_.rbegin() < 3; ++odd)
    if (std::find(digests.begin(), digests.end(), *odd) == digests.end()) digests.push_back(*odd);
  block.header.time_ms += rng_.below(4000);
  fit_header(context_->suite, block);
}

}  // namespace galen::sim
