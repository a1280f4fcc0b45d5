// A transaction as it travels: the author's bytes, how its author authorised it, and the hashes taken over them.
// docs/spec/formats.md 4. Immutable after decode; any thread.
#pragma once

#include <vector>

#include "galen/base/result.hpp"
#include "galen/crypto/signature.hpp"
#include "galen/ledger/v1/transaction.pb.h"
#include "galen/types/members.hpp"

namespace galen {

using TransactionId = Hash;

/// hash_tagged("galen/1 transaction id", author ‖ request_id): the API's id and the key of the dedup entry.
TransactionId transaction_id(crypto::Suite suite, const PrincipalId& author, const RequestId& request_id);

/// hash_tagged("galen/1 transaction", H(envelope) ‖ u32 operations ‖ root): what an author signs, known also to one who is
/// shown some of the operations only.
Hash transaction_hash(crypto::Suite suite, ByteSpan envelope, std::uint32_t operations, const Hash& operations_root);

/// What an envelope says.
struct EnvelopeFields {
  PrincipalId author;
  RequestId request_id;
  TimestampMs valid_until_ms = 0;

  /// Scans, then parses. Errors: those of Transaction::decode.
  static Result<EnvelopeFields> decode(const Hash& chain_id, ByteSpan bytes);
};

/// How the author stands behind the transaction. none: the member vouches by signing the batch (assurance NODE).
/// es256 or sm2, whichever is the chain's: key(65) ‖ signature(64) over Transaction::sign_bytes (assurance AUTHOR).
struct Authorization {
  crypto::Scheme scheme = crypto::Scheme::none;
  Bytes data;
  bool operator==(const Authorization&) const = default;

  /// Of the scheme that belongs to the suite.
  static Authorization keyed(crypto::Suite suite, const PublicKey& key, const Signature& signature);
  /// The key of an es256 or sm2 authorization; nothing for none.
  std::optional<PublicKey> key() const;
};

class Transaction {
 public:
  /// Scans, then parses; the bytes are kept as they are. Errors: MALFORMED, UNKNOWN_FIELD, TOO_LARGE, WRONG_CHAIN,
  /// BAD_REQUEST_ID (not 16 bytes or not a version 4 UUID), UNSUPPORTED_VERSION.
  static Result<Transaction> decode(crypto::Suite suite, const Hash& chain_id, ByteSpan bytes);

  struct Draft {
    Hash chain_id;
    PrincipalId author;
    RequestId request_id;
    TimestampMs valid_until_ms = 0;
    std::vector<ledger::v1::Operation> operations;
  };
  /// The bytes an author signs or a node vouches for. The result decodes.
  static Bytes encode(const Draft& draft);

  const Bytes& bytes() const { return bytes_; }
  const PrincipalId& author() const { return author_; }
  const RequestId& request_id() const { return request_id_; }
  TimestampMs valid_until_ms() const { return valid_until_ms_; }
  const std::vector<ledger::v1::Operation>& operations() const { return operations_; }
  const TransactionId& id() const { return id_; }
  /// hash_tagged("galen/1 transaction", H(envelope) ‖ u32 operations ‖ RFC 9162 root over the operations' bytes)
  const Hash& hash() const { return hash_; }

  /// sign_prefix(transaction, with epoch 0 and members hash zero: a person signs for the chain) ‖ hash.
  static Bytes sign_bytes(crypto::Suite suite, const Hash& chain_id, const Hash& transaction_hash);

 private:
  Bytes bytes_;
  PrincipalId author_;
  RequestId request_id_;
  TimestampMs valid_until_ms_ = 0;
  std::vector<ledger::v1::Operation> operations_;
  TransactionId id_;
  Hash hash_;
};

/// The bytes of its envelope and operations; valid as long as the transaction is.
struct TransactionParts {
  ByteSpan envelope;
  std::vector<ByteSpan> operations;
};
TransactionParts split_transaction(const Transaction& transaction);

/// Checks an authorization over a transaction hash with nothing but these arguments; whether the key is the author's is
/// the executor's business (it needs state). BAD_SIGNATURE or MALFORMED.
Status check_authorization(crypto::Suite suite, const Hash& chain_id, const Hash& transaction_hash,
                           const Authorization& authorization);

}  // namespace galen
