// The parameters of genesis.json in their order, each with its key and range (docs/spec/formats.md 1.2). Private.
#pragma once

#include "galen/types/genesis.hpp"
#include "galen/types/limits.hpp"

namespace galen {

/// Year 9999: later times are a mistake of units.
inline constexpr std::uint64_t kTimestampMsMax = 253'402'300'799'999;
/// Every legal batch must fit into a block, or it would be waited for in vain.
inline constexpr std::uint64_t kBlockBytesMin = kBatchHeaderBytes + Signature::kSize + limits::kBatchBytesMax;

/// Calls visit(key, value, min, max) for each parameter.
template <class Parameters, class Visit>
void for_each_parameter(Parameters& p, Visit visit) {
  constexpr std::uint64_t kHourMs = 3'600'000, kYearMs = 8'766 * kHourMs, kMiB = 1024 * 1024;
  visit("window", p.window, std::uint64_t{1}, std::uint64_t{limits::kWindowMax});
  visit("tenure_blocks", p.tenure_blocks, std::uint64_t{1}, std::uint64_t{1'000'000});
  visit("exec_lag_max", p.exec_lag_max, std::uint64_t{2}, std::uint64_t{1024});
  visit("idle_block_interval_ms", p.idle_block_interval_ms, std::uint64_t{100}, kHourMs);
  visit("ttl_max_ms", p.ttl_max_ms, std::uint64_t{1'000}, std::uint64_t{limits::kTtlMaxMs});
  visit("clock_skew_max_ms", p.clock_skew_max_ms, std::uint64_t{10}, std::uint64_t{60'000});
  visit("view_timeout_ms", p.view_timeout_ms, std::uint64_t{10}, std::uint64_t{600'000});
  visit("block_bytes_max", p.block_bytes_max, kBlockBytesMin, 64 * kMiB);
  visit("member_block_bytes_max", p.member_block_bytes_max, kBlockBytesMin, 64 * kMiB);
  visit("period_ms", p.period_ms, std::uint64_t{1'000}, 10 * kYearMs);
}

}  // namespace galen
