// What members say to each other about the order of blocks: fixed-width encodings and the exact bytes each signature
// covers (docs/spec/consensus.md 2). Values only; the owner of a value is whoever holds it, any thread may read.
// Encoding of a message: u8 kind ‖ u8 version 1 ‖ body. On the wire, in an epoch other than the first, u8 48 ‖ u8
// version 1 ‖ u64 epoch stand before it. Decoders check every length before they allocate.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "galen/types/block.hpp"
#include "galen/types/certificate.hpp"

namespace galen::consensus {

/// Signed part of a VIEW-CHANGE: stands alone inside NEW-VIEW.
struct ViewChangeHeader {
  MemberIndex sender = 0;
  View target = 0;
  VoteSubject high;          ///< of the sender's highQC; all zero before the first certificate
  Height commit_height = 0;  ///< of the sender; says who lags
  Signature signature;
  bool operator==(const ViewChangeHeader&) const = default;
};

struct ViewChange {
  ViewChangeHeader header;
  std::optional<QuorumCertificate> high_qc;  ///< the certificate header.high names; nothing before the first
  bool operator==(const ViewChange&) const = default;
};

/// Why the first proposal of a view may extend its parent.
struct Justification {
  enum class Kind : std::uint8_t {
    none = 0,        ///< inside a view; also the first block of an epoch in view 0
    new_view = 1,    ///< q VIEW-CHANGEs for this view and the one certificate that is their maximum
    tenure_end = 2,  ///< PREPARE-QC (or COMMIT-QC) of a tenure_end block of the view before
    epoch_end = 3,   ///< has its number, and is refused: view 0 needs no reason, its members begin with the end's COMMIT-QC
  };
  Kind kind = Kind::none;
  std::vector<ViewChangeHeader> view_changes;    ///< new_view: exactly q, senders ascending, all for this view
  std::optional<QuorumCertificate> certificate;  ///< new_view: nothing if nothing is certified in the epoch
  bool operator==(const Justification&) const = default;

  Bytes encode() const;
};

struct PrePrepare {
  MemberIndex sender = 0;  ///< leader of the view, as its base has it (V6)
  View view = 0;
  BlockSkeleton block;
  Justification justification;
  Signature signature;
  Hash digest;  ///< of block.header; not on the wire, filled by decode
  bool operator==(const PrePrepare&) const = default;
};

struct SignedVote {
  MemberIndex sender = 0;
  VoteSubject subject;
  Signature signature;
  bool operator==(const SignedVote&) const = default;
};
struct Prepare : SignedVote {
  bool operator==(const Prepare&) const = default;
};
struct Commit : SignedVote {
  bool operator==(const Commit&) const = default;
};

struct Executed {
  MemberIndex sender = 0;
  ExecutedSubject subject;
  Signature signature;
  bool operator==(const Executed&) const = default;
};

/// How far a member takes part; also what STATUS says of it.
enum class Mode : std::uint8_t {
  fresh = 0,       ///< the log was just made: asks whether the chain has begun
  starting = 1,    ///< has its log, asks what the others saw of it before the first vote
  voting = 2,
  recovering = 3,  ///< amnesia: follows without voting (consensus.md 8)
  diverged = 4,    ///< its state differs from the certified one: follows without voting
};
std::string_view to_name(Mode mode);

/// Asks for STATUS. Not signed: it binds nobody, and the connection says who asks.
struct StatusRequest {
  std::uint64_t nonce = 0;
  View view = 0;              ///< of the asker, so that the answerer can help
  Height commit_height = 0;
  bool operator==(const StatusRequest&) const = default;
};

struct StatusAnswer {
  MemberIndex sender = 0;
  MemberIndex asker = 0;
  std::uint64_t nonce = 0;
  Mode mode = Mode::starting;
  View view = 0;
  View max_view_change = 0;
  VoteSubject high;
  VoteSubject tip;            ///< newest committed block; view = 0 and height = 0 before the first of the epoch
  Height executed_height = 0;
  TimestampMs wall_ms = 0;
  std::optional<QuorumCertificate> high_qc;
  std::optional<QuorumCertificate> tip_qc;  ///< COMMIT-QC of tip
  /// The highest messages signed by the asker that the sender has seen: the messages themselves.
  std::optional<Prepare> seen_prepare;
  std::optional<Commit> seen_commit;
  std::optional<ViewChangeHeader> seen_view_change;
  Signature signature;
  bool operator==(const StatusAnswer&) const = default;
};

struct FetchSkeleton {
  Hash digest;
  bool operator==(const FetchSkeleton&) const = default;
};
struct Skeleton {
  BlockSkeleton block;
  bool operator==(const Skeleton&) const = default;
};
/// Asks for the best certificate at or above a height: a COMMIT-QC if there is one.
struct FetchCertificate {
  Height height = 0;
  bool operator==(const FetchCertificate&) const = default;
};
struct Certificate {
  QuorumCertificate certificate;
  bool operator==(const Certificate&) const = default;
};

using Message = std::variant<PrePrepare, Prepare, Commit, ViewChange, StatusRequest, StatusAnswer, Executed, FetchSkeleton,
                             Skeleton, FetchCertificate, Certificate>;
using MessagePtr = std::shared_ptr<const Message>;

/// For logs and metrics: "PRE-PREPARE", "PREPARE" …
std::string_view to_name(const Message& message);

Bytes encode(const Message& message);
/// MALFORMED, UNSUPPORTED_VERSION. Says nothing about signatures, senders or sense.
Result<Message> decode(crypto::Suite suite, ByteSpan bytes);

/// As it travels: says whose members may judge it, also where nothing in it is signed.
Bytes encode_in(Epoch epoch, const Message& message);
struct MessageOfEpoch {
  Epoch epoch = 1;
  Message message;
};
/// Of any epoch: what the receiver does with another than its own is the shell's business (consensus.md 11).
Result<MessageOfEpoch> decode_of_epoch(crypto::Suite suite, ByteSpan bytes);

/// Sign-bytes, each beginning with sign_prefix: what is not here is either derived from these fields or checks itself.
/// sign_prefix(pre_prepare) ‖ u16 sender ‖ u64 view ‖ u64 height ‖ digest ‖ u8 kind ‖ hash_tagged("galen/1 justification", bytes)
Bytes pre_prepare_sign_bytes(const ChainContext& context, const PrePrepare& message);
/// sign_prefix(view_change) ‖ u16 sender ‖ u64 target ‖ u64 view ‖ u64 height ‖ digest ‖ u64 commit height
Bytes view_change_sign_bytes(const ChainContext& context, const ViewChangeHeader& header);
/// sign_prefix(status) ‖ every field of the answer before the certificates ‖ hash_tagged("galen/1 status", all that follows)
Bytes status_sign_bytes(const ChainContext& context, const StatusAnswer& answer);
Bytes sign_bytes(const ChainContext& context, const Prepare& message);
Bytes sign_bytes(const ChainContext& context, const Commit& message);
Bytes sign_bytes(const ChainContext& context, const Executed& message);

}  // namespace galen::consensus
