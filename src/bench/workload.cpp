#include "bench/workload.hpp"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "galen/base/rng.hpp"
#include "galen/crypto/random.hpp"
#include "galen/crypto/signature.hpp"
#include "galen/types/genesis.hpp"
#include "galen/v1/access_service.grpc.pb.h"
#include "galen/v1/ledger_service.grpc.pb.h"
#include "galen/v1/node_service.grpc.pb.h"
#include "galen/v1/patient_service.grpc.pb.h"
#include "galen/v1/record_service.grpc.pb.h"

namespace galen::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kCallTimeout = std::chrono::seconds(20);
constexpr std::uint32_t kTreatment = 59;  // TREAT, types/purpose.hpp
constexpr std::uint64_t kTtlMs = 60'000;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

std::uint64_t wall_ms() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

}  // namespace

struct Driver::State {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  std::optional<Genesis> genesis;

  // One run.
  RunOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t open = 0;
  bool measuring = false;
  std::atomic<bool> ending{false};
  Measured measured;

  struct Slot {
    State* state = nullptr;
    std::shared_ptr<grpc::Channel> channel;
    Rng rng{0};
    std::uint64_t serial = 0;
    std::string label;
    std::string patient;
    std::string consent;  ///< granted and not revoked
    std::unique_ptr<grpc::ClientContext> context;
    v1::AnchorRecordRequest anchor_request;
    v1::AnchorRecordResponse anchor_response;
    v1::AnchorRecordBatchRequest bulk_request;
    v1::AnchorRecordBatchResponse bulk_response;
    v1::DecideRequest decide_request;
    v1::DecideResponse decide_response;
    v1::SubmitTransactionRequest submit_request;
    v1::SubmitTransactionResponse submit_response;
    Clock::time_point began;
  };
  std::vector<std::unique_ptr<Slot>> slots;
  std::optional<crypto::PrivateKey> patient_key;

  void fill_item(Slot& slot, v1::AnchorItem& item) {
    auto* source = item.mutable_source();
    source->set_system("urn:galen:bench:" + slot.label);
    source->set_type("Observation");
    source->set_id(std::to_string(slot.serial++));
    std::string content(options.document_bytes, ' ');
    for (auto& c : content) c = static_cast<char>('a' + slot.rng.below(26));
    item.set_content(std::move(content));
  }
  void sign_grant(Slot& slot);
  void begin_call(Slot& slot);
  void done(Slot& slot, const grpc::Status& status, std::uint64_t operations);
  Status prepare();
};

// Grants and revokes in turn, so that a slot's patient never holds more than one active consent.
void Driver::State::sign_grant(Slot& slot) {
  ledger::v1::Operation operation;
  if (slot.consent.empty()) {
    auto* grant = operation.mutable_grant_consent();
    slot.consent = crypto::random_fixed<ConsentId>().str();
    grant->set_consent_id(slot.consent);
    grant->set_patient(slot.patient);
    grant->set_grantee(genesis->members[1].id.str());
    grant->set_purposes(1ULL << (kTreatment - 1));
  } else {
    operation.mutable_revoke_consent()->set_consent_id(slot.consent);
    slot.consent.clear();
  }
  auto bytes = Transaction::encode({.chain_id = genesis->chain_id,
                                    .author = *PrincipalId::from(std::string_view(slot.patient)),
                                    .request_id = crypto::random_request_id(),
                                    .valid_until_ms = wall_ms() + kTtlMs,
                                    .operations = {operation}});
  auto transaction = Transaction::decode(genesis->suite, genesis->chain_id, bytes);
  auto message = Transaction::sign_bytes(genesis->suite, genesis->chain_id, transaction->hash());
  auto authorization = Authorization::keyed(genesis->suite, patient_key->public_key(), patient_key->sign(message));
  slot.submit_request.set_transaction(to_string(bytes));
  slot.submit_request.set_scheme(static_cast<std::uint32_t>(authorization.scheme));
  slot.submit_request.set_authorization(to_string(authorization.data));
}

void Driver::State::begin_call(Slot& slot) {
  slot.context = std::make_unique<grpc::ClientContext>();
  slot.context->set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  slot.began = Clock::now();
  auto request_id = crypto::random_request_id().str();
  switch (options.workload) {
    case Workload::anchor: {
      slot.anchor_request.Clear();
      slot.anchor_request.set_request_id(request_id);
      fill_item(slot, *slot.anchor_request.mutable_item());
      v1::RecordService::NewStub(slot.channel)
          ->async()
          ->AnchorRecord(slot.context.get(), &slot.anchor_request, &slot.anchor_response,
                         [this, &slot](grpc::Status status) { done(slot, status, 1); });
      break;
    }
    case Workload::bulk: {
      slot.bulk_request.Clear();
      slot.bulk_request.set_request_id(request_id);
      for (std::size_t i = 0; i < options.bulk_items; ++i) fill_item(slot, *slot.bulk_request.add_items());
      v1::RecordService::NewStub(slot.channel)
          ->async()
          ->AnchorRecordBatch(slot.context.get(), &slot.bulk_request, &slot.bulk_response,
                              [this, &slot](grpc::Status status) { done(slot, status, options.bulk_items); });
      break;
    }
    case Workload::decide: {
      slot.decide_request.Clear();
      slot.decide_request.set_request_id(request_id);
      slot.decide_request.set_patient(slot.patient);
      slot.decide_request.set_purpose(kTreatment);
      v1::AccessService::NewStub(slot.channel)
          ->async()
          ->Decide(slot.context.get(), &slot.decide_request, &slot.decide_response,
                   [this, &slot](grpc::Status status) { done(slot, status, 1); });
      break;
    }
    case Workload::signed_grants: {
      sign_grant(slot);
      v1::LedgerService::NewStub(slot.channel)
          ->async()
          ->SubmitTransaction(slot.context.get(), &slot.submit_request, &slot.submit_response,
                              [this, &slot](grpc::Status status) { done(slot, status, 1); });
      break;
    }
  }
}

void Driver::State::done(Slot& slot, const grpc::Status& status, std::uint64_t operations) {
  auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - slot.began).count();
  bool more = !ending;
  {
    std::lock_guard lock(mutex);
    if (!status.ok()) {
      ++measured.failures;
      if (measured.first_failure.empty())
        measured.first_failure = fmt::format("{}: {}", static_cast<int>(status.error_code()), status.error_message());
      more = more && measured.failures < 1000;
    } else if (measuring) {
      ++measured.calls;
      measured.operations += operations;
      measured.latency_us.push_back(static_cast<std::uint32_t>(elapsed));
    }
    if (!more) --open;
  }
  if (more)
    begin_call(slot);
  else
    changed.notify_all();
}

Status Driver::State::prepare() {
  slots.clear();
  for (std::size_t i = 0; i < options.outstanding; ++i) {
    auto slot = std::make_unique<Slot>();
    slot->state = this;
    slot->channel = channels[i % channels.size()];
    slot->rng = Rng(i + 1);
    slot->label = crypto::random_request_id().hex();
    slots.push_back(std::move(slot));
  }
  if (options.workload != Workload::decide && options.workload != Workload::signed_grants) return {};
  patient_key = crypto::PrivateKey::generate(genesis->suite);
  for (auto& slot : slots) {
    grpc::ClientContext context;
    v1::RegisterPatientRequest request;
    v1::RegisterPatientResponse response;
    request.set_request_id(crypto::random_request_id().str());
    request.set_key(patient_key->public_key().str());
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    auto status = v1::PatientService::NewStub(slot->channel)->RegisterPatient(&context, request, &response);
    if (!status.ok()) return Error{ErrorCode::UNAVAILABLE, "registering a patient: " + status.error_message()};
    slot->patient = response.pseudonym();
    if (&slot - slots.data() >= 63) {
      // Enough patients: the other slots of `decide` ask about one of these.
      if (options.workload == Workload::decide) {
        for (std::size_t i = 64; i < slots.size(); ++i) slots[i]->patient = slots[i % 64]->patient;
        break;
      }
    }
  }
  return {};
}

Driver::Driver(std::unique_ptr<State> state) : state_(std::move(state)) {}
Driver::~Driver() = default;

Result<std::unique_ptr<Driver>> Driver::connect(const Target& target) {
  auto state = std::make_unique<State>();
  grpc::SslCredentialsOptions tls{read_file(target.ca), read_file(target.key), read_file(target.cert)};
  auto credentials = grpc::SslCredentials(tls);
  for (std::size_t i = 0; i < target.channels; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("galen.bench.channel", static_cast<int>(i));  // gRPC shares equal channels: keep them apart
    arguments.SetSslTargetNameOverride("localhost");
    state->channels.push_back(grpc::CreateCustomChannel(target.endpoint, credentials, arguments));
  }
  if (!state->channels.front()->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)))
    return Error{ErrorCode::UNAVAILABLE, "no connection to " + target.endpoint};
  if (!target.genesis.empty()) {
    GALEN_ASSIGN(state->genesis, Genesis::load(target.genesis));
  }
  return std::unique_ptr<Driver>(new Driver(std::move(state)));
}

Result<v1::GetStatusResponse> Driver::status() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  v1::GetStatusResponse response;
  auto status = v1::NodeService::NewStub(state_->channels.front())->GetStatus(&context, {}, &response);
  if (!status.ok()) return Error{ErrorCode::UNAVAILABLE, "GetStatus: " + status.error_message()};
  return response;
}

Result<Measured> Driver::run(const RunOptions& options, const std::function<void()>& begin,
                             const std::function<void()>& end) {
  auto& s = *state_;
  s.options = options;
  s.measured = {};
  s.ending = false;
  s.measuring = false;
  if (options.workload == Workload::signed_grants && !s.genesis)
    return Error{ErrorCode::INVALID_ARGUMENT, "the signed workload needs --genesis"};
  GALEN_TRY(s.prepare());
  s.open = s.slots.size();
  for (auto& slot : s.slots) s.begin_call(*slot);
  std::this_thread::sleep_for(std::chrono::duration<double>(options.warm_up_s));
  begin();
  auto began = Clock::now();
  {
    std::lock_guard lock(s.mutex);
    s.measuring = true;
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(options.measure_s));
  {
    std::lock_guard lock(s.mutex);
    s.measuring = false;
    s.measured.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  }
  end();
  s.ending = true;
  std::unique_lock lock(s.mutex);
  s.changed.wait(lock, [&] { return s.open == 0; });
  return std::move(s.measured);
}

}  // namespace galen::bench
