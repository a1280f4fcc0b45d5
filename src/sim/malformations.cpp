// What a mutating member makes of its own messages beyond a changed bit or field: the shapes that each check of
// consensus/verify.cpp and each reason to refuse a proposal is there for.
#include <algorithm>

#include "sim/adversary.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

void fit_header(crypto::Suite suite, BlockSkeleton& block) {
  block.header.batch_count = static_cast<std::uint32_t>(block.batch_digests.size());
  block.header.body_root = body_root(suite, block.batch_digests);
}

}  // namespace

/// Properly signed and wrong in one way; nothing if the message offers none.
MessagePtr Adversary::malformed(const Message& message) {
  auto copy = message;
  if (auto* m = std::get_if<PrePrepare>(&copy)) {
    if (m->sender != self_) return nullptr;
    if (m->justification.kind == Justification::Kind::new_view && rng_.chance(1, 2)) {
      malform_new_view(m->justification);
    } else if (rng_.chance(1, 8)) {
      m->justification = {Justification::Kind::epoch_end, {}, some_certificate()};
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
