// The background scrub of a running node: table files, blocks, state rows, old log segments, the vault's index and the
// keyring are read again from the medium, all of them within the configured time, at a low priority. What belongs to a
// block is fetched from the other members and written anew; of a log segment a checkpoint makes the node independent;
// the rest is said, with what to do (docs/operations.md).
//
// One thread, "scrub". How far it came survives a restart in DIR/scrub, a file that may be lost at any time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "galen/ledger/scrub.hpp"
#include "node/health.hpp"
#include "node/identity.hpp"
#include "node/peer_question.hpp"

namespace galen::node {

class Scrubber {
 public:
  struct Options {
    std::string data_dir;
    std::uint64_t period_s = 7 * 24 * 3600;    ///< one full pass; 0: none
    std::uint64_t reader_age_max_ms = 10'000;  ///< how long a call may read an old file of the ledger
    std::uint64_t retry_ms = 30'000;  ///< until members that did not answer are asked again, or the log is read again
  };
  using Pause = std::function<bool(std::uint64_t done, std::uint64_t of)>;
  struct Ports {
    PeerQuestion::Send send;
    std::function<void()> checkpoint;  ///< one is wanted soon
    std::function<void(const Error&)> fatal;
    /// vault::RecordVault::damaged_files; nothing: there is no vault.
    std::function<std::vector<std::string>(const Pause&)> vault_damage = nullptr;
  };
  Scrubber(const Identity& identity, ledger::Store& store, Health& health, Options options, Ports ports);
  ~Scrubber();

  void start();
  void stop();
  /// Any thread: what may be a peer's answer, with its kind; false unless it was asked for here.
  bool on_answer(MemberIndex from, ByteSpan message) { return question_.on_answer(from, message); }

  /// One full pass, on the calling thread; false when it was stopped or failed.
  bool pass();

 private:
  enum class Phase : std::uint8_t { files, blocks, state, log, vault };
  /// What DIR/scrub says.
  struct Place {
    std::uint64_t started_ms = 0;  ///< of the pass under way; 0: none
    Phase phase = Phase::files;
    std::uint64_t next = 0;  ///< number of the next file, or height of the next block
    std::uint64_t last_pass_ms = 0, found = 0, repaired = 0;
  };

  void run();
  void load_place();
  bool save_place();
  /// Waits until that part of the phase is due; false when the node stops.
  bool pause(std::uint64_t done, std::uint64_t of);
  bool wait_until(std::uint64_t wall_ms);
  bool wait_ms(std::uint64_t ms);
  void enter(Phase phase);

  bool scrub_files();
  bool scrub_blocks();
  bool scrub_state();
  bool scrub_log();
  bool scrub_vault();
  /// Nothing when the node stops.
  std::optional<std::vector<std::string>> look_at_vault(const Pause& pause);
  bool mend_file(const ledger::TableFile& file);
  /// Looks at every height of the range and mends what is damaged; false when something is left.
  bool mend_blocks(Height first, Height last);
  bool fetch_and_restore(Height first, std::size_t count);
  std::optional<std::vector<ledger::StoredBlock>> fetch(MemberIndex peer, Height first, std::size_t count);
  bool is_damaged(Height height);
  bool is_any_damaged(Height first, std::size_t count);

  void found(const std::string& what);
  void repaired(const std::string& what);
  void left(const std::string& what);
  void leave_to_the_next_start(const std::string& what);
  void publish();
  void fail(const Error& error);

  const Identity& identity_;
  ledger::Store& store_;
  Health& health_;
  const Options options_;
  const Ports ports_;
  ledger::Scrub scrub_;
  PeerQuestion question_;
  Place place_;
  std::uint64_t saved_at_ms_;
  /// The newest that is left: of the pass under way, and of the last full one.
  std::string damage_now_, damage_last_;
  bool failed_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace galen::node
