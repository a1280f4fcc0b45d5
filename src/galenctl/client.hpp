// The generated client behind one class, so that a noun's file needs no gRPC header: call() is overloaded on the
// request. Every call has a deadline. Calls that are safe to repeat (reads, and writes that carry a request_id) are
// repeated while the connection itself fails, with the same bytes. An error of the server arrives as its stable reason
// (the `galen-reason` trailer) and its sentence. One thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/v1/access_service.pb.h"
#include "galen/v1/consent_service.pb.h"
#include "galen/v1/governance_service.pb.h"
#include "galen/v1/ledger_service.pb.h"
#include "galen/v1/node_service.pb.h"
#include "galen/v1/patient_service.pb.h"
#include "galen/v1/record_service.pb.h"

namespace grpc {
class Channel;
}

namespace galen::galenctl {

/// One request message of a node (docs/api.md, Limits). A little beyond, the node itself says TOO_LARGE; beyond twice
/// that, gRPC ends the call, and with it a stream.
inline constexpr std::size_t kRequestBytesMax = 4 * 1024 * 1024;

struct Endpoint {
  std::string address;    ///< host:port
  std::string ca_path;    ///< CA that signed the server's certificate
  std::string cert_path;  ///< client certificate and its PKCS#8 key
  std::string key_path;
};

struct ClientOptions {
  std::uint64_t timeout_ms = 30'000;       ///< of one call, with its repetitions
  std::uint64_t reconnect_for_ms = 3'000;  ///< how long a call is repeated while nobody answers at the address
  v1::ReadOptions read_options;            ///< of every call that reads
};

#define GALEN_CLIENT_CALLS(X)             \
  X(RecordService, AnchorRecord)          \
  X(RecordService, GetRecord)             \
  X(RecordService, ListRecordVersions)    \
  X(RecordService, VerifyRecord)          \
  X(RecordService, OpenRecord)            \
  X(RecordService, SetRecordStatus)       \
  X(PatientService, RegisterPatient)      \
  X(PatientService, RegisterService)      \
  X(PatientService, GetPrincipal)         \
  X(ConsentService, ListConsents)         \
  X(AccessService, Decide)                \
  X(AccessService, ListAccesses)          \
  X(GovernanceService, ListMembers)       \
  X(GovernanceService, ListEpochs)        \
  X(GovernanceService, GetProposal)       \
  X(GovernanceService, ListProposals)     \
  X(GovernanceService, ListEquivocations) \
  X(LedgerService, GetBlock)              \
  X(LedgerService, GetTransaction)        \
  X(LedgerService, GetReceipt)            \
  X(LedgerService, GetTransactionProof)   \
  X(LedgerService, GetStateProof)         \
  X(LedgerService, GetConsistencyProof)   \
  X(LedgerService, SubmitTransaction)     \
  X(NodeService, GetStatus)               \
  X(NodeService, ListPeers)               \
  X(NodeService, WhoAmI)

class AnchorStream;
class EventStream;

class Client {
 public:
  /// Reads the certificate files; does not connect. IO_ERROR, CONFIG_INVALID, KEY_FILE_READABLE.
  static Result<Client> connect(const Endpoint& endpoint, const ClientOptions& options);
  /// Over a channel that exists already (tests).
  Client(std::shared_ptr<grpc::Channel> channel, std::string address, const ClientOptions& options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

#define X(service, method) Result<v1::method##Response> call(const v1::method##Request& request);
  GALEN_CLIENT_CALLS(X)
#undef X

  /// Opens RecordService.AnchorRecords; the whole stream ends after `lifetime_ms` at the latest.
  AnchorStream open_anchor_stream(std::uint64_t lifetime_ms);
  /// Opens LedgerService.StreamEvents, without a deadline.
  EventStream open_event_stream(const v1::StreamEventsRequest& request);
  const std::string& address() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One StreamEvents stream; cancelled when it goes.
class EventStream {
 public:
  ~EventStream();
  EventStream(EventStream&&) noexcept;
  /// False at the end, and when the stream is broken: close() says which.
  bool read(v1::StreamEventsResponse& response);
  Status close();

 private:
  friend class Client;
  struct State;
  explicit EventStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One AnchorRecords stream. The caller keeps the number of unanswered requests small: nothing is read while writing.
class AnchorStream {
 public:
  ~AnchorStream();
  AnchorStream(AnchorStream&&) noexcept;
  /// False when the stream is broken; close() says why.
  bool write(const v1::AnchorRecordBatchRequest& request);
  bool read(v1::AnchorRecordBatchResponse& response);
  /// Ends the stream and gives its status.
  Status close();

 private:
  friend class Client;
  struct State;
  explicit AnchorStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::galenctl
