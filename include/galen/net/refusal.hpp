// Why a connection between members did not come about or had to end: stable names for logs, status and the metric
// `galen_net_refused_total{reason}`. A name is never reused for something else (integration U12).
#pragma once

#include <cstdint>
#include <string_view>

namespace galen::net {

// X(NAME, what it means)
#define GALEN_NET_REFUSALS(X)                                                                                  \
  X(NOT_TLS, "the first bytes are no TLS handshake")                                                           \
  X(TLS_VERSION, "the other side offers nothing newer than TLS 1.2")                                           \
  X(TLS_ERROR, "the TLS handshake failed")                                                                     \
  X(ALPN, "the other side does not speak galen/1")                                                             \
  X(NO_CERTIFICATE, "the other side showed no certificate")                                                    \
  X(UNKNOWN_CA, "the certificate was not issued by the CA pinned for the member it names")                     \
  X(EXPIRED, "the certificate is past its end")                                                                \
  X(NOT_YET_VALID, "the certificate is not valid yet")                                                         \
  X(BAD_CERTIFICATE, "the certificate or its chain is not acceptable")                                         \
  X(WRONG_MEMBER, "the certificate names no member, this node itself, or another member than the one dialled") \
  X(REFUSED_BY_PEER, "the other side refused our certificate or offer")                                        \
  X(TIMEOUT, "the handshake took longer than its deadline")                                                    \
  X(TOO_MANY_BYTES, "more bytes than a handshake needs")                                                       \
  X(CLOSED, "the other side closed during the handshake")                                                      \
  X(WRONG_CHAIN, "the other side belongs to another chain")                                                    \
  X(VERSION, "no common protocol version")                                                                     \
  X(MALFORMED, "a frame does not follow the protocol")                                                         \
  X(TOO_MANY_CONNECTIONS, "the member has two connections already, or strangers have too many handshakes")     \
  X(DUPLICATE, "another connection of the same pair was kept")                                                 \
  X(SHUTTING_DOWN, "this side or the other is stopping")                                                       \
  X(IDENTITY_IN_USE, "another live process of the same member is connected")                                   \
  X(MEMBER_REMOVED, "the certificate names a member that was removed")

enum class Refusal : std::uint8_t {
#define X(name, meaning) name,
  GALEN_NET_REFUSALS(X)
#undef X
};

#define X(name, meaning) +1
inline constexpr std::size_t kRefusals = 0 GALEN_NET_REFUSALS(X);
#undef X

/// The stable name, e.g. "UNKNOWN_CA".
std::string_view to_reason(Refusal refusal);
/// One clause for people.
std::string_view meaning(Refusal refusal);

}  // namespace galen::net
