// Decoding scans first and parses second: what protobuf sees is canonical by then. docs/spec/formats.md 4.
#include "galen/types/transaction.hpp"

#include "galen/crypto/merkle.hpp"
#include "galen/types/limits.hpp"
#include "galen/types/wire_reader.hpp"
#include "galen/types/wire_scan.hpp"

namespace galen {

namespace {

constexpr std::uint32_t kTransactionFormat = 1;
constexpr std::size_t kKeyedBytes = PublicKey::kSize + Signature::kSize;

bool is_uuid_v4(ByteSpan id) { return id.size() == 16 && (id[6] & 0xf0) == 0x40 && (id[8] & 0xc0) == 0x80; }

/// Splits scanned bytes; nothing if they are not what the scanner lets through.
std::optional<TransactionParts> split(ByteSpan bytes) {
  WireReader in(bytes);
  TransactionParts parts;
  while (!in.empty()) {
    auto tag = in.varint();
    auto length = tag ? in.varint() : std::nullopt;
    auto value = length ? in.raw(*length) : std::nullopt;
    if (!value) return std::nullopt;
    if (*tag >> 3 == 1)
      parts.envelope = *value;
    else
      parts.operations.push_back(*value);
  }
  return parts;
}

Hash hash_of_parts(crypto::Suite suite, const TransactionParts& parts) {
  std::vector<Hash> leaves;
  leaves.reserve(parts.operations.size());
  for (auto operation : parts.operations) leaves.push_back(crypto::merkle_leaf(suite, operation));
  return transaction_hash(suite, parts.envelope, static_cast<std::uint32_t>(leaves.size()),
                          crypto::merkle_root(suite, leaves));
}

}  // namespace

TransactionId transaction_id(crypto::Suite suite, const PrincipalId& author, const RequestId& request_id) {
  return crypto::hash_tagged(suite, "galen/1 transaction id", {author, request_id});
}

Hash transaction_hash(crypto::Suite suite, ByteSpan envelope, std::uint32_t operations, const Hash& operations_root) {
  auto tail = ByteWriter(36).u32(operations).raw(operations_root);
  return crypto::hash_tagged(suite, "galen/1 transaction", {crypto::hash(suite, envelope), tail.bytes()});
}

Result<EnvelopeFields> EnvelopeFields::decode(const Hash& chain_id, ByteSpan bytes) {
  GALEN_TRY(scan_envelope(bytes));
  ledger::v1::Envelope envelope;
  if (!envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return {ErrorCode::MALFORMED, "Envelope: does not parse"};
  if (envelope.format() != kTransactionFormat)
    return {ErrorCode::UNSUPPORTED_VERSION, "Envelope field 1: format " + std::to_string(envelope.format())};
  if (as_text(chain_id) != envelope.chain_id()) return {ErrorCode::WRONG_CHAIN, "Envelope field 2: another chain"};
  if (!is_uuid_v4(as_bytes(envelope.request_id())))
    return {ErrorCode::BAD_REQUEST_ID, "Envelope field 4: not a random UUID of 16 bytes"};
  return EnvelopeFields{*PrincipalId::from(envelope.author()), *RequestId::from(envelope.request_id()),
                        envelope.valid_until_ms()};
}

Authorization Authorization::keyed(crypto::Suite suite, const PublicKey& key, const Signature& signature) {
  return {crypto::key_scheme(suite), ByteWriter(kKeyedBytes).raw(key).raw(signature).bytes()};
}

std::optional<PublicKey> Authorization::key() const {
  bool keyed = scheme == crypto::Scheme::es256 || scheme == crypto::Scheme::sm2;
  if (!keyed || data.size() != kKeyedBytes) return std::nullopt;
  return PublicKey::from(ByteSpan(data).first(PublicKey::kSize));
}

Result<Transaction> Transaction::decode(crypto::Suite suite, const Hash& chain_id, ByteSpan bytes) {
  GALEN_TRY(scan_transaction(bytes));
  auto parts = split(bytes);
  if (!parts) return {ErrorCode::MALFORMED, "Transaction: does not parse"};
  GALEN_ASSIGN(auto envelope, EnvelopeFields::decode(chain_id, parts->envelope));

  Transaction out;
  out.author_ = envelope.author;
  out.request_id_ = envelope.request_id;
  out.valid_until_ms_ = envelope.valid_until_ms;
  out.operations_.resize(parts->operations.size());
  for (std::size_t i = 0; i < parts->operations.size(); ++i) {
    auto operation = parts->operations[i];
    if (!out.operations_[i].ParseFromArray(operation.data(), static_cast<int>(operation.size())))
      return {ErrorCode::MALFORMED, "Operation: does not parse"};
  }
  out.id_ = transaction_id(suite, out.author_, out.request_id_);
  out.hash_ = hash_of_parts(suite, *parts);
  out.bytes_ = to_bytes(bytes);
  return out;
}

TransactionParts split_transaction(const Transaction& transaction) {
  auto parts = split(transaction.bytes());
  GALEN_ASSERT(parts.has_value());  // it has been scanned
  return std::move(*parts);
}

Bytes Transaction::encode(const Draft& draft) {
  ledger::v1::Envelope envelope;
  envelope.set_format(kTransactionFormat);
  envelope.set_chain_id(draft.chain_id.str());
  envelope.set_author(draft.author.str());
  envelope.set_request_id(draft.request_id.str());
  envelope.set_valid_until_ms(draft.valid_until_ms);
  ledger::v1::Transaction transaction;
  transaction.set_envelope(envelope.SerializeAsString());
  for (const auto& operation : draft.operations) transaction.add_operations(operation.SerializeAsString());
  return to_bytes(std::string_view(transaction.SerializeAsString()));
}

Bytes Transaction::sign_bytes(crypto::Suite suite, const Hash& chain_id, const Hash& transaction_hash) {
  ChainContext context{suite, chain_id, 0, Hash{}};
  auto out = sign_prefix(context, MessageType::transaction);
  out.insert(out.end(), transaction_hash.data.begin(), transaction_hash.data.end());
  return out;
}

Status check_authorization(crypto::Suite suite, const Hash& chain_id, const Hash& transaction_hash,
                           const Authorization& authorization) {
  if (authorization.scheme == crypto::Scheme::none) {
    if (!authorization.data.empty()) return {ErrorCode::MALFORMED, "authorization: scheme none carries no data"};
    return {};
  }
  if (authorization.scheme != crypto::key_scheme(suite))
    return {ErrorCode::MALFORMED, "authorization: the scheme is not part of this release or not of the chain's suite"};
  auto key = authorization.key();
  if (!key) return {ErrorCode::MALFORMED, "authorization: a key of 65 and a signature of 64 bytes are needed"};
  auto signature = *Signature::from(ByteSpan(authorization.data).subspan(PublicKey::kSize));
  if (!crypto::verify(suite, *key, Transaction::sign_bytes(suite, chain_id, transaction_hash), signature))
    return {ErrorCode::BAD_SIGNATURE, "the author's signature does not fit the transaction"};
  return {};
}

}  // namespace galen
