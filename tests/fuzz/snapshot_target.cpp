// What members send to one that joins: manifests, parts and past blocks.
#include "fuzz/fuzz.hpp"
#include "galen/ledger/past_block.hpp"
#include "galen/ledger/snapshot_part.hpp"

namespace galen {
namespace {

constexpr auto kSuite = crypto::Suite::p256_sha256;

const Genesis& golden_genesis() {
  static const Genesis genesis = *Genesis::parse(as_bytes(fuzz::read_source_file("tests/golden/genesis.json")));
  return genesis;
}

}  // namespace

GALEN_FUZZ_TARGET(snapshot_manifest) {
  const auto& genesis = golden_genesis();
  auto manifest = ledger::SnapshotManifest::decode(kSuite, input);
  if (!manifest) return;
  GALEN_ASSERT(manifest->encode() == to_bytes(input));
  manifest->verify(genesis).ignore("either is fine");
}

GALEN_FUZZ_TARGET(snapshot_part) {
  // The place that it names itself, and the node that its rows would have to be.
  ByteReader in(input);
  in.u16();
  ledger::SnapshotPartPlace place;
  place.height = in.u64();
  place.depth = in.u8();
  place.index = in.u32();
  if (!in.ok() || place.depth > ledger::kSnapshotDepthMax) return;
  auto rows = ledger::check_snapshot_part(kSuite, place, {}, input);
  GALEN_ASSERT(!rows || rows->empty());
  if (rows) GALEN_ASSERT(ledger::encode_snapshot_part(place, *rows) == to_bytes(input));
}

GALEN_FUZZ_TARGET(past_block) {
  const auto& genesis = golden_genesis();
  ledger::PastWanted wanted;
  auto block = Block::decode(genesis.context(), ByteReader(input).sized(input.size()));
  if (block) {
    wanted.height = block->skeleton.header.height;
    wanted.digest = block->skeleton.header.digest(kSuite);
  }
  // Nobody knows an outcome that leads to zero.
  GALEN_ASSERT(!ledger::check_past_block(EpochChain(genesis), wanted, input).has_value());
}

}  // namespace galen
