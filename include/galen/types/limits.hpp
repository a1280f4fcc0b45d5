// Every limit that decides validity on the wire, in one place (docs/spec/formats.md 9). Genesis may set lower ones;
// local limits (queues, memory) are in node configuration, not here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace galen::limits {

inline constexpr std::size_t kMembersMin = 4;   // fewer tolerate no fault
inline constexpr std::size_t kMembersMax = 100;
inline constexpr std::size_t kEpochLinksMax = 1024;  // of a proof, from genesis on
inline constexpr std::size_t kOperationsPerTransactionMax = 1000;
inline constexpr std::size_t kEnvelopeBytesMax = 256;
inline constexpr std::size_t kOperationBytesMax = 1024;
inline constexpr std::size_t kTransactionBytesMax = 512 * 1024;
inline constexpr std::size_t kAuthorizationBytesMax = 1024;  // webauthn needs room later
inline constexpr std::size_t kBatchItemsMax = 4096;
inline constexpr std::size_t kBatchBytesMax = 1024 * 1024;   // items of one batch
inline constexpr std::size_t kBlockBatchesMax = 256;
inline constexpr std::size_t kFrameBytesMax = 6 * 1024 * 1024;  // a whole block with its certificate fits
inline constexpr std::size_t kWindowMax = 8;                 // blocks proposed beyond the last committed one
inline constexpr std::uint64_t kTtlMaxMs = 10 * 60 * 1000;
inline constexpr std::size_t kGenesisBytesMax = 2 * 1024 * 1024;
inline constexpr std::size_t kReceiptBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kActiveGrantsPerPairMax = 16;

// Membership (docs/spec/membership.md).
inline constexpr std::size_t kLearnersMax = 8;
inline constexpr std::size_t kMemberNameBytesMax = 128;
inline constexpr std::size_t kOpenProposalsPerMemberMax = 4;
inline constexpr std::uint64_t kProposalLifeMs = 7ULL * 24 * 3600 * 1000;  // block time
inline constexpr std::size_t kCertifiedRootsMax = 64;
inline constexpr std::uint64_t kCertifiedRootIntervalMs = 10'000;          // block time between two that are kept
inline constexpr std::uint64_t kLearnerLagMsMax = 10 * 60 * 1000;          // a root shown may be this old
inline constexpr std::uint64_t kLearnerReadyMs = 60 * 60 * 1000;           // and readiness lasts this long

// Evidence files (docs/spec/evidence.md 1 and 2).
inline constexpr std::size_t kProofPathMax = 64;             // siblings
inline constexpr std::size_t kCertificateBytesMax = 8192;
inline constexpr std::size_t kLaterRootsMax = 1024;
inline constexpr std::size_t kResultBytesMax = 64 * 1024;
inline constexpr std::size_t kStateKeyBytesMax = 64;
inline constexpr std::size_t kStateValueBytesMax = 64 * 1024;
inline constexpr std::size_t kStateProofBytesMax = 16 * 1024;
inline constexpr std::size_t kProofFileBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kEvidenceBytesMax = 64 * 1024 * 1024;
inline constexpr std::size_t kSummaryBytesMax = 1024 * 1024;
inline constexpr std::size_t kMemberSetBytesMax = 64 * 1024;
inline constexpr std::size_t kEvidenceBlocksMax = 2000;
inline constexpr std::size_t kEvidenceItemsMax = 1000;       // transactions, states, openings
inline constexpr std::size_t kEvidenceConsistencyMax = 16;
inline constexpr std::size_t kDocumentBytesMax = 16 * 1024 * 1024;

static_assert(kTransactionBytesMax <= kBatchBytesMax);
static_assert(kBatchBytesMax < kFrameBytesMax);

}  // namespace galen::limits
