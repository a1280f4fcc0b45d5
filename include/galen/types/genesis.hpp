// genesis.json: the consortium's facts. Its exact bytes are hashed to the chain id, so nobody re-serialises it; the
// members' signatures over them stand beside it (docs/spec/formats.md 1.2).
#pragma once

#include <string>
#include <vector>

#include "galen/types/block.hpp"
#include "galen/types/limits.hpp"

namespace galen {

struct GenesisParameters {
  std::uint32_t window = 8;                      ///< blocks proposed beyond the last committed one, 1 to kWindowMax
  std::uint32_t tenure_blocks = 64;              ///< R8: a leader's blocks before tenure_end
  std::uint32_t exec_lag_max = 16;               ///< L: height - exec_height at most
  std::uint64_t idle_block_interval_ms = 10'000;
  std::uint64_t ttl_max_ms = limits::kTtlMaxMs;
  std::uint64_t clock_skew_max_ms = 5'000;       ///< |block time - local receipt| for a first proposal
  std::uint64_t view_timeout_ms = 1'000;         ///< base of V1's timer
  std::uint32_t block_bytes_max = 4 * 1024 * 1024;   ///< batch bytes of one block
  std::uint32_t member_block_bytes_max = 2 * 1024 * 1024;  ///< of one origin in one block
  std::uint64_t period_ms = 30ULL * 24 * 3600 * 1000;  ///< H01: period = floor(block time / period_ms)
};

struct GenesisMember {
  std::string name;         ///< 1 to 64 printable characters, unique
  PrincipalId id;
  PublicKey consensus_key;
  PrincipalId admin;        ///< D22: one admin principal per member
  std::string ca_pem;       ///< CA certificate of node and client certificates
};

struct Genesis {
  std::string name;
  TimestampMs created_ms = 0;
  crypto::Suite suite = crypto::Suite::p256_sha256;
  bool test = true;         ///< shown in status, receipts, statements (D22)
  std::uint32_t rules_version = 1;
  GenesisParameters parameters;
  std::vector<GenesisMember> members;

  Hash chain_id;            ///< H(exact bytes)
  MemberSet member_set;     ///< of epoch 1

  /// Duplicate keys, unknown keys, wrong types, ranges, fewer than 4 members: CONFIG_INVALID naming the JSON path.
  static Result<Genesis> parse(ByteSpan json);
  static Result<Genesis> load(const std::string& path);
  /// Text for a new consortium; parse(to_json()) equals the argument but for chain_id.
  static std::string to_json(const Genesis& genesis);

  ChainContext context() const;       ///< of epoch 1
  BlockHeader block_zero() const;     ///< the virtual block at height 0: every root zero but body_root and history_root (empty)
  /// "7f3a-91c2": the first four bytes, to be read aloud.
  std::string short_chain_id() const;
};

}  // namespace galen
