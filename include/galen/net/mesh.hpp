// The mesh of members: one mutually authenticated TLS 1.3 connection per pair, two lanes each, every queue bounded.
//
// One thread (the net thread) owns all sockets; callbacks run on it and must not block: they hand the message to a
// bounded queue together with its Credit. send, broadcast, peers and refusals may be called from any thread. Delivery
// is at most once and in order per lane and connection; a message is lost when the connection is, so the protocols
// above repeat what matters. Nothing a peer sends can crash or block the process (docs/spec/wire.md, D18, D21).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/net/frame.hpp"
#include "galen/net/refusal.hpp"
#include "galen/types/limits.hpp"
#include "galen/types/members.hpp"

namespace galen::net {

struct MeshMember {
  PrincipalId id;
  std::string name;    ///< for logs and status
  std::string ca_pem;  ///< the pin: only certificates issued below this CA certificate are this member's
  std::string
      address;  ///< "host:port" or "[v6]:port", resolved again at each dial; empty: never dialled, only accepted
  Hash ca_fingerprint{};  ///< the pin where ca_pem is empty: of the CA certificate that the member shows with its own
  /// Pins beside that one: the certificates of each text, and of those shown the ones with these fingerprints.
  std::vector<std::string> more_ca_pems{};
  std::vector<Hash> more_ca_fingerprints{};
  std::optional<MemberIndex> genesis_place{};
};

struct MeshLimits {
  std::size_t votes_items_max = 8192;  ///< send queue per peer; beyond it the oldest vote is dropped
  std::size_t votes_bytes_max = 8 * 1024 * 1024;
  std::size_t bulk_items_max = 4096;  ///< send queue per peer; beyond it the new message is dropped
  std::size_t bulk_bytes_max = 32 * 1024 * 1024;
  /// Bulk bytes a peer may have unprocessed here (the window granted to it); at least twice limits::kFrameBytesMax.
  std::size_t bulk_unprocessed_max = 16 * 1024 * 1024;
  /// Vote bytes of a peer unprocessed here before its socket is no longer read.
  std::size_t votes_unprocessed_max = 8 * 1024 * 1024;
  /// Bytes a second that are taken of one peer, after a burst as large as the two bounds above: three quarters of them bulk,
  /// which is granted no faster, one quarter all else, beyond which its socket is no longer read. 0: without bound.
  std::size_t received_bytes_per_s = 64 * 1024 * 1024;
  std::size_t accepts_per_second = 100;
  std::size_t handshakes_max = 128;  ///< accepted connections not yet authenticated; beyond it the oldest is closed
  std::size_t handshakes_per_address_max = 32;  ///< of them, from one IPv4 address or one IPv6 subnet of 64 bits
};

struct MeshTimings {
  std::uint32_t handshake_ms = 5'000;  ///< from accept or connect to the end of the hellos
  std::uint32_t connect_ms = 5'000;    ///< name resolution and TCP connect
  std::uint32_t ping_ms = 5'000;
  std::uint32_t dead_ms = 15'000;  ///< nothing received for this long
  /// How long a connected process may take to answer when another one of its member comes; less than handshake_ms, for
  /// which the other one waits.
  std::uint32_t probe_ms = 3'000;
  std::uint32_t backoff_min_ms = 50;
  std::uint32_t backoff_max_ms = 2'000;
  std::uint32_t linger_ms = 300;  ///< time for a farewell to arrive before the socket is closed
  std::uint32_t shut_out_ms = 3'000;
  std::uint32_t removed_backoff_ms = 300'000;  ///< before a peer is dialled again that refused with MEMBER_REMOVED
};

struct MeshOptions {
  MemberIndex self = 0;
  std::vector<MeshMember> members;  ///< whoever takes part in the epoch, by member index
  std::vector<PrincipalId> former;  ///< were members and are none now: refused with MEMBER_REMOVED
  Hash chain_id;
  Epoch epoch = 1;
  std::string listen;            ///< "address:port"; port 0 takes a free one (see listen_address)
  std::string certificate_path;  ///< own TLS certificate, then its intermediates, PEM
  std::string key_path;          ///< PKCS#8 PEM
  MeshLimits limits;
  MeshTimings timings;

  /// Of a pair the one that comes first in genesis chooses the connection, of two that came later the lower id: places in
  /// the list differ between epochs, these do not.
  bool chooses(MemberIndex chooser, MemberIndex other) const {
    const auto rank = [](const MeshMember& member) { return std::pair(member.genesis_place.value_or(UINT16_MAX), member.id); };
    return rank(members[chooser]) < rank(members[other]);
  }
};

/// What a member said of itself when the connection came up.
struct PeerHello {
  std::uint16_t version = 0;  ///< agreed protocol version
  Epoch epoch = 0;
  std::uint64_t start_nonce = 0;  ///< drawn at each start of the process
  std::string remote_address;
  bool dialled_by_us = false;
};

struct MeshCallbacks {
  std::function<void(Frame)> on_frame;
  std::function<void(MemberIndex, const PeerHello&)> on_peer_up;
  /// Every up is followed by exactly one down, also at stop() and when a newer connection replaces the old one.
  std::function<void(MemberIndex, std::string_view reason)> on_peer_down;
  /// A peer refuses this process: it has a connection to another live one of this member, as it says in `text`.
  std::function<void(MemberIndex, std::string_view text)> on_identity_in_use;
  /// A peer refuses this node because its member was removed. Proven to be the peer's word; it may lie.
  std::function<void(MemberIndex)> on_removed;
};

struct LaneStatus {
  std::size_t queued_items = 0;
  std::size_t queued_bytes = 0;
  std::uint64_t sent_frames = 0, sent_bytes = 0;          ///< payloads handed to TLS
  std::uint64_t received_frames = 0, received_bytes = 0;  ///< payloads delivered
  std::uint64_t dropped_frames = 0;                       ///< queue full, or not connected
  std::size_t unprocessed_bytes = 0;                      ///< delivered, credit not yet released
};

struct PeerStatus {
  MemberIndex member = 0;
  std::string name;
  std::string address;  ///< advertised
  bool connected = false;
  std::string remote_address;  ///< of the connection
  bool dialled_by_us = false;
  std::int64_t since_ms = 0;  ///< wall clock: connected (or, if not, disconnected) since; 0: never connected
  std::string last_error;     ///< of the last failed attempt or the last loss; kept while connected
  std::uint64_t epoch = 0, start_nonce = 0;
  std::uint64_t connections = 0;  ///< times the peer came up
  /// Processes of this member that were refused because another of them is connected, or took its turn again; the
  /// newest, and when (wall clock).
  std::uint64_t second_processes = 0;
  std::string second_process_address;
  std::int64_t second_process_ms = 0;
  std::uint64_t wire_bytes_in = 0, wire_bytes_out = 0;
  std::uint64_t throttled_us = 0;  ///< for so long the peer had to wait with what it wanted to send (received_bytes_per_s)
  std::optional<std::uint64_t> rtt_us;
  std::int64_t certificate_not_after_s = 0;
  LaneStatus votes, bulk;
};

class Mesh {
 public:
  /// Reads and checks certificate, key and pins, draws the start nonce. CONFIG_INVALID or KEY_FILE_READABLE with what
  /// to mend.
  static Result<std::unique_ptr<Mesh>> make(MeshOptions options, MeshCallbacks callbacks);
  ~Mesh();  ///< stops
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  /// Listens, starts the net thread and dials. UNAVAILABLE if the address cannot be bound.
  Status start();
  /// Says farewell, closes every connection, reports the peers down, joins the net thread; takes at most about
  /// timings.linger_ms. No callback runs after it. Not from a callback. May be called twice; a mesh is started once.
  void stop();

  /// Queues a message; false if it was dropped: peer not connected, queue full (bulk), larger than
  /// limits::kFrameBytesMax, or `to` is this node. A full vote queue drops its oldest and returns true.
  bool send(MemberIndex to, Lane lane, std::shared_ptr<const Bytes> payload);
  bool send(MemberIndex to, Lane lane, Bytes payload);
  /// To every connected peer, one buffer for all; returns to how many it was queued.
  std::size_t broadcast(Lane lane, std::shared_ptr<const Bytes> payload);
  std::size_t broadcast(Lane lane, Bytes payload);

  /// Whether a bulk message of any size would be queued for this member now: ask before making a large one for it.
  bool has_room(MemberIndex member) const;

  /// One entry per member but this one, by index.
  std::vector<PeerStatus> peers() const;
  std::size_t connected_count() const;
  /// Refused and failed handshakes by reason, since start; index with static_cast<std::size_t>(Refusal).
  std::array<std::uint64_t, kRefusals> refusals() const;
  /// Where it listens, with the real port: "127.0.0.1:40123".
  std::string listen_address() const;
  std::uint64_t start_nonce() const;

  /// Replaces the address a member is dialled at; dials at once if it is not connected.
  void set_address(MemberIndex member, std::string address);
  /// Closes the connection of a member whose messages are no good, and takes none of it for timings.shut_out_ms. Any
  /// thread.
  void shut_out(MemberIndex member, std::string why);
  /// Another CA of a member is good from now on, as with MeshMember::more_ca_fingerprints. On an error nothing changes.
  Status pin_also(MemberIndex member, const Hash& ca_fingerprint);
  /// The epoch said in later hellos.
  void set_epoch(Epoch epoch);
  /// Reads certificate and key again and uses them for new handshakes; on an error the old ones stay (D18). One that
  /// has ended is no error here, as at the start: whoever has a good one in use looks at the dates before.
  Status reload_certificate();
  /// Unix seconds when the own certificate ends.
  std::int64_t certificate_not_after_s() const;

 private:
  class Impl;
  explicit Mesh(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace galen::net
