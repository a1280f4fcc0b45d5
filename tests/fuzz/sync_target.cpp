// What members answer each other while they join, backfill and mend: subjects, parts, past blocks in one piece or many,
// stored blocks, pages of the state tree.
#include "fuzz/fuzz.hpp"
#include "galen/ledger/block_outline.hpp"
#include "galen/ledger/scrub.hpp"
#include "galen/types/genesis.hpp"
#include "ledger/tree_node.hpp"
#include "node/sync_messages.hpp"

namespace galen {
namespace {

constexpr auto kSuite = crypto::Suite::p256_sha256;

/// An encoded message begins with its kind, which the decoders of bodies do not see.
void expect_same(const Bytes& message, ByteSpan body) {
  GALEN_ASSERT(std::equal(message.begin() + 1, message.end(), body.begin(), body.end()));
}

}  // namespace

GALEN_FUZZ_TARGET(sync_messages) {
  if (auto heights = node::decode_snapshots(input)) {
    GALEN_ASSERT(heights->size() <= node::kSnapshotsOfferedMax);
    expect_same(node::encode_snapshots(*heights), input);
  }
  if (auto height = node::decode_fetch_manifest(input)) expect_same(node::encode_fetch_manifest(*height), input);
  if (auto subject = node::decode_subject(input)) expect_same(node::encode_subject(node::PeerMessageKind::fetch_part, *subject), input);
  if (auto answer = node::decode_part_answer(input)) expect_same(node::encode_part_answer(answer->subject, answer->part), input);
  if (auto answer = node::decode_past_answer(input)) {
    std::size_t bytes = 0;
    for (const auto& block : answer->blocks) bytes += block.size();
    GALEN_ASSERT(bytes <= input.size() && answer->blocks.size() <= node::kPastBlocksMax);
    GALEN_ASSERT(answer->bytes_in_pieces == 0 || answer->blocks.empty());
  }
}

GALEN_FUZZ_TARGET(stored_block) {
  auto stored = ledger::StoredBlock::decode(input);
  if (!stored) return;
  const auto again = stored->encode();
  GALEN_ASSERT(std::equal(again.begin(), again.end(), input.begin(), input.end()));
}

// The outline and the whole block agree on what is a block, but for the items, which the outline does not read.
GALEN_FUZZ_TARGET(block_outline) {
  static const Genesis genesis = *Genesis::parse(as_bytes(fuzz::read_source_file("tests/golden/genesis.json")));
  auto outline = ledger::BlockOutline::decode(kSuite, input);
  auto block = Block::decode(genesis.context(), input);
  GALEN_ASSERT(!block || outline);
  if (!block) return;
  GALEN_ASSERT(outline->skeleton == block->skeleton && outline->batches.size() == block->batches.size());
}

// u8 depth ‖ path ‖ hash ‖ page.
GALEN_FUZZ_TARGET(tree_page) {
  ByteReader in(input);
  const unsigned depth = in.u8() / ledger::kPageLevels * ledger::kPageLevels;
  const auto path = in.fixed<Hash>();
  const auto hash = in.fixed<Hash>();
  const auto page = in.raw(in.remaining());
  if (!in.ok()) return;
  auto node = ledger::decode_page(kSuite, page, depth, path, hash);
  if (!node) return;
  const auto again = ledger::encode_page(*node, depth);
  GALEN_ASSERT(std::equal(again.begin(), again.end(), page.begin(), page.end()));
}

}  // namespace galen
