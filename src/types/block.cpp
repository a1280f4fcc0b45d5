#include "galen/types/block.hpp"

#include "galen/crypto/merkle.hpp"
#include "galen/types/limits.hpp"

namespace galen {

namespace {

constexpr std::uint16_t kHeaderVersion = 1;
constexpr std::uint16_t kFlagsKnown = kTenureEnd | kEpochEnd;
constexpr std::size_t kBatchEncodedBytesMax = kBatchHeaderBytes + Signature::kSize + limits::kBatchBytesMax;

}  // namespace

Bytes BlockHeader::encode() const {
  ByteWriter out(kHeaderBytes);
  out.u16(version).u16(flags).raw(chain_id).u64(epoch).u64(view).u64(height).raw(parent).u64(time_ms);
  out.u64(exec_height).raw(state_root).raw(results_root).raw(body_root).u32(batch_count);
  out.u64(history_size).raw(history_root).u32(rules_version).u16(proposer).raw(next_members_hash);
  GALEN_ASSERT(out.size() == kHeaderBytes);
  return std::move(out).take();
}

Result<BlockHeader> BlockHeader::decode(ByteSpan bytes) {
  if (bytes.size() != kHeaderBytes) return {ErrorCode::MALFORMED, "header: wrong length"};
  ByteReader in(bytes);
  BlockHeader out;
  out.version = in.u16();
  out.flags = in.u16();
  out.chain_id = in.fixed<Hash>();
  out.epoch = in.u64();
  out.view = in.u64();
  out.height = in.u64();
  out.parent = in.fixed<Hash>();
  out.time_ms = in.u64();
  out.exec_height = in.u64();
  out.state_root = in.fixed<Hash>();
  out.results_root = in.fixed<Hash>();
  out.body_root = in.fixed<Hash>();
  out.batch_count = in.u32();
  out.history_size = in.u64();
  out.history_root = in.fixed<Hash>();
  out.rules_version = in.u32();
  out.proposer = in.u16();
  out.next_members_hash = in.fixed<Hash>();
  GALEN_ASSERT(in.done());
  if (out.version != kHeaderVersion) return {ErrorCode::UNSUPPORTED_VERSION, "header: unknown version"};
  if ((out.flags & ~kFlagsKnown) != 0) return {ErrorCode::MALFORMED, "header: unknown flags"};
  return out;
}

Hash BlockHeader::digest(crypto::Suite suite) const { return crypto::hash_tagged(suite, "galen/1 header", {encode()}); }

Hash next_results_root(crypto::Suite suite, const Hash& previous, Height height, const Hash& outcome_root) {
  auto height_bytes = ByteWriter(8).u64(height);
  return crypto::hash_tagged(suite, "galen/1 results", {previous, height_bytes.bytes(), outcome_root});
}

Bytes outcome_leaf_data(crypto::Suite suite, std::uint32_t index, const Hash& transaction_hash, const TransactionId& id,
                        std::uint32_t code, std::span<const Bytes> results) {
  std::vector<Hash> leaves;
  leaves.reserve(results.size());
  for (const auto& result : results) leaves.push_back(crypto::merkle_leaf(suite, result));
  return outcome_leaf_data_of_root(index, transaction_hash, id, code, crypto::merkle_root(suite, leaves));
}

Bytes outcome_leaf_data_of_root(std::uint32_t index, const Hash& transaction_hash, const TransactionId& id,
                                std::uint32_t code, const Hash& results_root) {
  ByteWriter out(4 + 32 + 32 + 4 + 32);
  out.u32(index).raw(transaction_hash).raw(id).u32(code).raw(results_root);
  return std::move(out).take();
}

Hash body_root(crypto::Suite suite, std::span<const Hash> batch_digests) {
  std::vector<Hash> leaves;
  leaves.reserve(batch_digests.size());
  for (const auto& digest : batch_digests) leaves.push_back(crypto::merkle_leaf(suite, digest));
  return crypto::merkle_root(suite, leaves);
}

void BlockSkeleton::append_to(ByteWriter& out) const {
  out.raw(header.encode()).u32(static_cast<std::uint32_t>(batch_digests.size()));
  for (const auto& digest : batch_digests) out.raw(digest);
}

Bytes BlockSkeleton::encode() const {
  ByteWriter out(kHeaderBytes + 4 + batch_digests.size() * Hash::kSize);
  append_to(out);
  return std::move(out).take();
}

Result<BlockSkeleton> BlockSkeleton::read(crypto::Suite suite, ByteReader& in) {
  BlockSkeleton out;
  GALEN_ASSIGN(out.header, BlockHeader::decode(in.raw(kHeaderBytes)));
  std::size_t count = in.u32();
  if (!in.ok() || count > limits::kBlockBatchesMax || count != out.header.batch_count ||
      in.remaining() < count * Hash::kSize)
    return {ErrorCode::MALFORMED, "block: batch count"};
  out.batch_digests.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.batch_digests.push_back(in.fixed<Hash>());
  if (galen::body_root(suite, out.batch_digests) != out.header.body_root)
    return {ErrorCode::BAD_PROOF, "block: body root"};
  return out;
}

Result<BlockSkeleton> BlockSkeleton::decode(crypto::Suite suite, ByteSpan bytes) {
  ByteReader in(bytes);
  GALEN_ASSIGN(auto out, read(suite, in));
  if (!in.done()) return {ErrorCode::MALFORMED, "block: bytes behind the batch digests"};
  return out;
}

Bytes Block::encode() const {
  std::size_t size = kHeaderBytes + 4 + skeleton.batch_digests.size() * Hash::kSize;
  for (const auto& batch : batches) size += 4 + batch->bytes().size();
  ByteWriter out(size);
  skeleton.append_to(out);
  for (const auto& batch : batches) out.sized(batch->bytes());
  return std::move(out).take();
}

Result<Block> Block::decode(const ChainContext& context, ByteSpan bytes) {
  ByteReader in(bytes);
  Block out;
  GALEN_ASSIGN(out.skeleton, BlockSkeleton::read(context.suite, in));
  auto of_epoch = context;
  of_epoch.epoch = out.skeleton.header.epoch;
  out.batches.reserve(out.skeleton.batch_digests.size());
  for (const auto& digest : out.skeleton.batch_digests) {
    auto batch_bytes = in.sized(kBatchEncodedBytesMax);
    if (!in.ok()) return {ErrorCode::MALFORMED, "block: a batch ends before its length"};
    GALEN_ASSIGN(auto batch, Batch::decode(of_epoch, batch_bytes));
    if (batch.digest() != digest) return {ErrorCode::BAD_PROOF, "block: a batch is not the one its digest names"};
    out.batches.push_back(std::make_shared<const Batch>(std::move(batch)));
  }
  if (!in.done()) return {ErrorCode::MALFORMED, "block: bytes behind the last batch"};
  return out;
}

}  // namespace galen
