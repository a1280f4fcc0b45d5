// What a node is made of, for the three files that put it to work.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "galen/base/clock.hpp"
#include "galen/crypto/x509_tls.hpp"
#include "galen/node/front_end.hpp"
#include "galen/node/node.hpp"
#include "node/block_sync.hpp"
#include "node/core_loop.hpp"
#include "node/divergence.hpp"
#include "node/event_feed.hpp"
#include "node/exec_loop.hpp"
#include "node/file_watch.hpp"
#include "node/identity_watch.hpp"
#include "node/intake.hpp"
#include "node/queries.hpp"
#include "node/read_barrier.hpp"
#include "node/scrubber.hpp"
#include "node/snapshot_loop.hpp"
#include "node/startup.hpp"
#include "node/store_loop.hpp"
#include "node/sync_loop.hpp"
#include "node/sync_server.hpp"
#include "node/verify_pool.hpp"

namespace galen::node {

struct Node::State {
  State(Config node_config, Identity node_identity, Opened node_opened);

  const Config config;
  const Identity identity;
  Opened opened;
  FileWatch own_certificate;
  crypto::ExpiryWatch own_expiry;
  std::string refused_renewal;  ///< why the changed certificate is not in use; empty: it is, or nothing has changed
  IdentityWatch identity_watch;
  const ledger::SnapshotFiles snapshot_files;
  Health health;

  std::unique_ptr<StoreLoop> store_loop;
  std::unique_ptr<CoreLoop> core;
  std::unique_ptr<ExecLoop> exec;
  std::unique_ptr<BlockSync> sync;
  std::unique_ptr<VerifyPool> verify;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<ReadBarrier> barrier;
  std::unique_ptr<Queries> queries;
  std::unique_ptr<EventFeed> events;
  std::unique_ptr<Scrubber> scrubber;
  std::unique_ptr<Divergence> divergence;
  std::unique_ptr<SnapshotLoop> snapshots;
  std::unique_ptr<SyncServer> sync_server;
  std::unique_ptr<SyncLoop> joining;
  std::unique_ptr<net::Mesh> mesh;
  std::unique_ptr<Interposer> interposer;  ///< null but in tests
  std::unique_ptr<FrontEnd> front_end;

  std::mutex fatal_mutex;
  std::function<void(const Error&)> fatal_handler;
  bool fatal_told = false;
  std::function<void()> reopen_handler;
  std::atomic<bool> epoch_over{false};  ///< others take part now than this node was opened with

  // Log positions that executed blocks above the last checkpoint still need.
  struct Needed {
    Height height;
    LogSeq seq;
  };
  std::mutex needed_mutex;
  std::deque<Needed> needed;

  std::mutex stop_mutex;
  std::condition_variable stop_changed;
  bool ready_to_stop = false;
  bool started = false, stopped = false;
  std::atomic<bool> stopping{false};  ///< new calls are refused

  static std::uint64_t now_ms() { return system_clock().monotonic_us() / 1000; }
  static std::int64_t wall_s() { return static_cast<std::int64_t>(system_clock().wall_ms() / 1000); }

  // wiring.cpp: which thread hands what to which.
  void make_loops();
  void make_core();
  void make_menders();
  void make_callers();
  void make_sync();

  // node_peers.cpp: what goes to the other members, and what comes from them.
  Status make_mesh();
  void say(consensus::Target to, std::shared_ptr<const Bytes> bytes);
  void send_vote(consensus::Target to, std::shared_ptr<const Bytes> bytes);
  void fetch_batches(const consensus::Effects::FetchBatches& fetch);
  void on_frame(net::Frame&& frame);
  bool is_mending_answer(MemberIndex from, ByteSpan message);
  HighAnswer high_answer(std::uint64_t nonce) const;
  void on_identity_in_use(MemberIndex by, std::string_view text);
  void on_removed(MemberIndex by);
  void accept_next_cas(const MemberSet& next);
  std::optional<std::uint64_t> base_timeout_ms() const;

  // node.cpp: blocks, calls, the own certificate, and the end of an epoch or of the process.
  void commit(CommittedBlock block, LogSeq needed_from);
  void executed(std::shared_ptr<const execution::ExecutedBlock> block);
  bool is_log_long() const;
  Result<LogSeq> needed_for_vault();
  Status checkpointed(Height durable);
  void on_call(galen::node::v1::Call&& call);
  void refuse(std::uint64_t call_id, const Error& why, std::uint32_t retry_after_ms);
  void read_certificate_again(bool always);
  void say_expiry();
  void look_at_participants();
  void wait_for_last_certificate();
  void reopen();
  void fatal(const Error& error);
};

}  // namespace galen::node
