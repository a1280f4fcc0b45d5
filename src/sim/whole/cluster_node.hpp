// One simulated whole node: its media, which survive a crash, and what runs on them. Private to the cluster.
#pragma once

#include "galen/execution/executor.hpp"
#include "galen/ledger/store.hpp"
#include "galen/node/log.hpp"
#include "node/batch_pool.hpp"
#include "node/identity.hpp"
#include "sim/whole/cluster.hpp"
#include "sim/whole/ledger_files.hpp"
#include "sim/whole/simulated_disk.hpp"

namespace galen::sim {

/// One write of the store: records, and what may leave when they are durable.
struct Cluster::Turn {
  std::vector<node::OwnedLogRecord> records;
  std::optional<consensus::PersistToken> token;
  std::vector<std::pair<consensus::Target, consensus::MessagePtr>> votes;
  std::vector<BatchPtr> own_batches;
  bool votes_again = false;  ///< holds the record by which a member that had forgotten votes again
};

/// What one pass of the core over its inputs gathers.
struct Cluster::Pass : Cluster::Turn {
  std::optional<consensus::Tick> tick;  ///< goes with the first input
};

struct Cluster::Node {
  Node(Identity which, node::Identity who, std::uint64_t seed)
      : place(which), identity(std::move(who)), disk(seed), files(seed + 1) {}

  const Identity place;              ///< in nodes_, and for the whole run; its index is one of an epoch
  node::Identity identity;           ///< of the epoch it has opened for
  std::optional<std::uint32_t> lies;  ///< of a Byzantine member
  SimulatedDisk disk;
  LedgerFiles files;
  bool is_made = false;        ///< has a data directory
  bool is_suspect = true;      ///< new, or may have forgotten: counts against f until it votes by a durable record
  bool is_damaged = false;     ///< its log was hurt since it last ran: not to start is a right answer
  bool ledger_hurt = false;    ///< a bit of its ledger turned since that was made
  bool ledger_failed = false;  ///< reads that damage gave away: the operator repairs the ledger before the next start
  bool is_believed = true;     ///< its disk never lied to it
  Epoch lost_until = 1;        ///< counts against f until it votes in this epoch or a later one
  std::uint64_t told_ms = 0;   ///< when it last heard that others are in a later epoch
  std::int64_t clock_offset = 0;
  std::uint64_t disk_ms = 0;
  int side = 0;
  bool unheard = false, deaf = false;  ///< until the network is mended
  std::uint64_t slow_ms = 0;           ///< at most, for each message from and to it

  // Of one life; closed from the back.
  bool up = false;
  std::optional<std::string> dying;
  bool in_order = false;  ///< it stops as asked: nothing of what it wrote gets lost
  bool leaves = false;    ///< others take part now than it was opened with
  std::uint64_t life = 0;
  std::optional<std::uint64_t> effects_left;  ///< then power fails
  std::unique_ptr<ledger::Store> store;
  std::unique_ptr<execution::Executor> executor;
  std::unique_ptr<node::Log> log;
  std::unique_ptr<node::BatchPool> pool;
  consensus::SafetyState safety;  ///< the store's own fold, for the head of a new segment
  std::unique_ptr<consensus::Replica> replica;
  std::unique_ptr<Adversary> adversary;  ///< of a Byzantine member, where it has a vote
  std::vector<BatchItem> left_over;      ///< of own batches of an earlier epoch that no block holds
  bool fresh_start = false;
  std::uint64_t ticked = UINT64_MAX, woken = UINT64_MAX;
  std::vector<node::OwnedLogRecord> lazy;
  std::uint64_t lazy_since = 0;
  std::uint64_t durable_token = 0;
  std::deque<Turn> turns;
  bool writing = false;
  struct Committed {
    BlockPtr block;
    QuorumCertificate certificate;
  };
  std::deque<Committed> blocks;
  bool executing = false;
  std::vector<ExecutedCertificate> early;
  std::deque<std::pair<Height, node::LogSeq>> needed;
  Height committed = 0;
  node::LogSeq recycle_before = 0;

  Epoch epoch() const { return identity.context.epoch; }
  MemberIndex index() const { return identity.is_voter() ? identity.self : consensus::kNoMember; }
  bool is_honest() const { return !lies; }
};

inline constexpr std::uint64_t kWholeWallStart = 1'700'000'000'000ULL;
inline constexpr std::uint64_t kValidMs = 60'000;  ///< how long what a client sends may wait for its block
inline constexpr std::uint64_t kWholeTimeoutMs = 300;
inline constexpr const char* kWholeDirectory = "/node";

}  // namespace galen::sim
