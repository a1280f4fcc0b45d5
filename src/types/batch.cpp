#include "galen/types/batch.hpp"

#include <algorithm>

#include "galen/crypto/merkle.hpp"
#include "galen/types/batch_origin.hpp"
#include "galen/types/limits.hpp"

namespace galen {

namespace {

constexpr std::uint16_t kBatchVersion = 1;
constexpr std::size_t kItemOverheadBytes = 1 + 2 + 4;

Bytes batch_sign_bytes(const ChainContext& context, ByteSpan header) {
  auto out = sign_prefix(context, MessageType::batch);
  out.insert(out.end(), header.begin(), header.end());
  return out;
}

Result<BatchItem> read_item(const ChainContext& context, ByteReader& in) {
  auto scheme = in.u8();
  auto authorization = in.raw(std::min<std::size_t>(in.u16(), limits::kAuthorizationBytesMax + 1));
  if (authorization.size() > limits::kAuthorizationBytesMax) return {ErrorCode::TOO_LARGE, "batch: an authorization"};
  auto transaction_bytes = in.sized(limits::kTransactionBytesMax);
  if (!in.ok()) return {ErrorCode::MALFORMED, "batch: an item ends before its length"};
  if (scheme > static_cast<std::uint8_t>(crypto::Scheme::sm2)) return {ErrorCode::MALFORMED, "batch: unknown scheme"};
  GALEN_ASSIGN(auto transaction, Transaction::decode(context.suite, context.chain_id, transaction_bytes));
  return BatchItem{{static_cast<crypto::Scheme>(scheme), to_bytes(authorization)}, std::move(transaction)};
}

Status check_header(const ChainContext& context, const BatchHeader& header) {
  if (header.chain_id != context.chain_id) return {ErrorCode::WRONG_CHAIN, "batch: another chain"};
  if (header.epoch != context.epoch) return {ErrorCode::MALFORMED, "batch: another epoch"};
  if (header.item_count == 0) return {ErrorCode::MALFORMED, "batch: no items"};
  if (header.item_count > limits::kBatchItemsMax) return {ErrorCode::TOO_LARGE, "batch: too many items"};
  if (header.items_bytes > limits::kBatchBytesMax) return {ErrorCode::TOO_LARGE, "batch: too many bytes"};
  if (header.items_bytes < header.item_count * kItemOverheadBytes) return {ErrorCode::MALFORMED, "batch: item count"};
  return {};
}

}  // namespace

Bytes BatchHeader::encode() const {
  ByteWriter out(kBatchHeaderBytes);
  out.u16(kBatchVersion).raw(chain_id).u64(epoch).u16(origin).u64(valid_until_ms);
  out.u32(item_count).u32(items_bytes).raw(items_root);
  GALEN_ASSERT(out.size() == kBatchHeaderBytes);
  return std::move(out).take();
}

Result<BatchHeader> BatchHeader::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  auto version = in.u16();
  BatchHeader out;
  out.chain_id = in.fixed<Hash>();
  out.epoch = in.u64();
  out.origin = in.u16();
  out.valid_until_ms = in.u64();
  out.item_count = in.u32();
  out.items_bytes = in.u32();
  out.items_root = in.fixed<Hash>();
  if (!in.done()) return {ErrorCode::MALFORMED, "batch header: wrong length"};
  if (version != kBatchVersion) return {ErrorCode::UNSUPPORTED_VERSION, "batch header: unknown version"};
  return out;
}

Hash BatchHeader::digest(crypto::Suite suite) const { return crypto::hash_tagged(suite, "galen/1 batch", {encode()}); }

Bytes item_leaf_data(crypto::Suite suite, const Hash& transaction_hash, const Authorization& authorization) {
  auto scheme = static_cast<std::uint8_t>(authorization.scheme);
  auto authorization_hash =
      crypto::hash_tagged(suite, "galen/1 authorization", {ByteSpan(&scheme, 1), authorization.data});
  return ByteWriter(64).raw(transaction_hash).raw(authorization_hash).bytes();
}

std::vector<Hash> Batch::item_leaves(crypto::Suite suite) const {
  std::vector<Hash> leaves;
  leaves.reserve(items_.size());
  for (const auto& item : items_)
    leaves.push_back(crypto::merkle_leaf(suite, item_leaf_data(suite, item.transaction.hash(), item.authorization)));
  return leaves;
}

Batch Batch::make(const ChainContext& context, Draft draft, const crypto::PrivateKey& key) {
  GALEN_ASSERT(!draft.items.empty() && draft.items.size() <= limits::kBatchItemsMax);
  Batch out;
  out.items_ = std::move(draft.items);
  std::size_t items_bytes = 0;
  auto valid_until_ms = out.items_.front().transaction.valid_until_ms();
  for (const auto& item : out.items_) {
    GALEN_ASSERT(item.authorization.data.size() <= limits::kAuthorizationBytesMax);
    items_bytes += kItemOverheadBytes + item.authorization.data.size() + item.transaction.bytes().size();
    valid_until_ms = std::min(valid_until_ms, item.transaction.valid_until_ms());
  }
  GALEN_ASSERT(items_bytes <= limits::kBatchBytesMax);

  out.header_.chain_id = context.chain_id;
  out.header_.epoch = context.epoch;
  out.header_.origin = draft.origin;
  out.header_.valid_until_ms = valid_until_ms;
  out.header_.item_count = static_cast<std::uint32_t>(out.items_.size());
  out.header_.items_bytes = static_cast<std::uint32_t>(items_bytes);
  out.header_.items_root = crypto::merkle_root(context.suite, out.item_leaves(context.suite));
  out.digest_ = out.header_.digest(context.suite);
  auto header = out.header_.encode();
  out.signature_ = key.sign(batch_sign_bytes(context, header));

  ByteWriter bytes(kBatchHeaderBytes + Signature::kSize + items_bytes);
  bytes.raw(header).raw(out.signature_);
  for (const auto& item : out.items_) {
    bytes.u8(static_cast<std::uint8_t>(item.authorization.scheme));
    bytes.u16(static_cast<std::uint16_t>(item.authorization.data.size())).raw(item.authorization.data);
    bytes.sized(item.transaction.bytes());
  }
  out.bytes_ = std::move(bytes).take();
  return out;
}

Result<Batch> Batch::decode(const ChainContext& context, ByteSpan bytes) {
  if (bytes.size() < kBatchHeaderBytes + Signature::kSize) return {ErrorCode::MALFORMED, "batch: too short"};
  Batch out;
  GALEN_ASSIGN(out.header_, BatchHeader::decode(bytes.first(kBatchHeaderBytes)));
  GALEN_TRY(check_header(context, out.header_));
  ByteReader in(bytes.subspan(kBatchHeaderBytes));
  out.signature_ = in.fixed<Signature>();
  if (in.remaining() != out.header_.items_bytes) return {ErrorCode::MALFORMED, "batch: wrong length"};
  out.items_.reserve(out.header_.item_count);
  for (std::uint32_t i = 0; i < out.header_.item_count; ++i) {
    GALEN_ASSIGN(auto item, read_item(context, in));
    if (item.transaction.valid_until_ms() < out.header_.valid_until_ms)
      return {ErrorCode::MALFORMED, "batch: an item ends before its batch"};
    out.items_.push_back(std::move(item));
  }
  if (!in.done()) return {ErrorCode::MALFORMED, "batch: bytes behind the last item"};
  if (crypto::merkle_root(context.suite, out.item_leaves(context.suite)) != out.header_.items_root)
    return {ErrorCode::BAD_PROOF, "batch: items root"};
  out.digest_ = out.header_.digest(context.suite);
  out.bytes_ = to_bytes(bytes);
  return out;
}

Status verify_origin(const ChainContext& context, const MemberSet& members, const Batch& batch) {
  const auto& header = batch.header();
  if (header.origin >= members.size()) return {ErrorCode::MALFORMED, "batch: its origin is no member"};
  const auto& key = members[header.origin].consensus_key;
  if (!crypto::verify(context.suite, key, batch_sign_bytes(context, header.encode()), batch.signature()))
    return {ErrorCode::BAD_SIGNATURE, "batch: its origin's signature"};
  return {};
}

Status Batch::verify_signatures(const ChainContext& context, const MemberSet& members) const {
  GALEN_TRY(verify_origin(context, members, *this));
  for (const auto& item : items_)
    GALEN_TRY(check_authorization(context.suite, context.chain_id, item.transaction.hash(), item.authorization));
  return {};
}

}  // namespace galen
