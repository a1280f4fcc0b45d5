#include "galenctl/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "galen/base/clock.hpp"
#include "galen/crypto/hash.hpp"
#include "galen/crypto/random.hpp"

namespace galen::galenctl {
namespace {

// A stream ends by its deadline if a node hangs; before that it is closed in order and a new one opened.
constexpr std::uint64_t kStreamLifetimeMs = 60'000, kStreamRenewMs = 30'000;

std::uint64_t now_us() { return system_clock().monotonic_us(); }

/// The node could not do it now; the same bytes may work a little later.
bool is_passing(ErrorCode code) {
  switch (code) {
    case ErrorCode::UNAVAILABLE:
    case ErrorCode::DEADLINE_EXCEEDED:
    case ErrorCode::RESOURCE_EXHAUSTED:
    case ErrorCode::SHUTTING_DOWN:
    case ErrorCode::NO_QUORUM:
    case ErrorCode::CATCHING_UP:
    case ErrorCode::BACKFILLING:
    case ErrorCode::AMNESIA:
    case ErrorCode::EXPIRED:
    case ErrorCode::DISK_LOW:
      return true;
    default:
      return false;
  }
}

/// It is we who are refused, not a resource: no other will fare better.
bool is_about_us(ErrorCode code) {
  switch (code) {
    case ErrorCode::UNAUTHENTICATED:
    case ErrorCode::UNKNOWN_PRINCIPAL:
    case ErrorCode::PRINCIPAL_INACTIVE:
    case ErrorCode::PERMISSION_DENIED:
    case ErrorCode::DIVERGED:
      return true;
    default:
      return false;
  }
}

Hash fingerprint_of(const FhirResource& resource) {
  ByteWriter head;
  head.sized(as_bytes(resource.type)).sized(as_bytes(resource.id));
  return crypto::hash(crypto::Suite::p256_sha256, {ByteSpan(head.bytes()), as_bytes(resource.content)});
}

}  // namespace

Importer::Importer(Client& client, ImportOptions options, std::function<void(const ImportSummary&)> on_progress)
    : client_(client), options_(std::move(options)), on_progress_(std::move(on_progress)), last_answer_us_(now_us()) {
  start_batch();
}

void Importer::refuse(const std::string& file, std::optional<std::size_t> entry, std::string reason,
                      std::string message) {
  ++summary_.refused;
  summary_.refusals.push_back({file, entry, std::move(reason), std::move(message)});
}

Status Importer::add(const std::string& path, std::shared_ptr<const FhirFile> file) {
  summary_.resources += file->resource_count();
  summary_.skipped += file->skipped_count();
  if (!file->problems().empty()) {
    std::set<std::size_t> named;
    for (const auto& problem : file->problems()) {
      if (problem.entry) named.insert(*problem.entry);
      refuse(path, problem.entry, std::string(to_reason(problem.error.code)), problem.error.message);
    }
    // The sound entries of a broken file are not sent either; they count as refused without a line of their own.
    if (!named.empty()) summary_.refused += file->resource_count() - named.size();
    on_progress_(summary_);
    return {};
  }
  for (const auto& resource : file->resources()) GALEN_TRY(add_resource(path, *file, resource));
  return {};
}

Status Importer::add_resource(const std::string& path, const FhirFile& file, const FhirResource& resource) {
  auto number = next_resource_++;
  auto fingerprint = fingerprint_of(resource);
  auto [fate, is_new] = fates_.try_emplace(fingerprint);
  if (!is_new) {
    if (!fate->second.settled)
      fate->second.twins.push_back({path, resource.entry});
    else if (fate->second.refused)
      refuse(path, resource.entry, fate->second.reason, fate->second.message);
    else
      ++summary_.already_anchored;
    return {};
  }
  Pending pending{path, resource.entry, number, fingerprint};
  if (auto fits = check_resource(file, resource, options_.method); !fits) {
    refuse_item(pending, std::string(to_reason(fits.error().code)), fits.error().message);
    return {};
  }
  v1::AnchorItem item;
  if (resource.subject.elsewhere) ++summary_.elsewhere;
  if (resource.subject.patient) {
    auto pseudonym = pseudonym_of(*resource.subject.patient);
    if (!pseudonym && (is_passing(pseudonym.error().code) || is_about_us(pseudonym.error().code))) {
      fates_.erase(fate);
      return pseudonym.error();
    }
    if (!pseudonym) {
      refuse_item(pending, std::string(to_reason(pseudonym.error().code)),
                  "its patient could not be registered: " + pseudonym.error().message);
      return {};
    }
    item.set_subject(pseudonym->str());
  }
  item.mutable_source()->set_system(options_.system);
  item.mutable_source()->set_type(resource.type);
  item.mutable_source()->set_id(resource.id);
  item.set_content(std::string(resource.content));
  item.set_class_(resource.record_class);
  item.set_canon(options_.method.canon);
  item.set_lossy(options_.method.lossy == Lossy::allow);
  // Two versions of one source never share a batch: a batch is one transaction, and the second supersedes the first.
  bool full = open_.items.size() >= options_.batch_items ||
              (!open_.items.empty() && open_.bytes + resource.content.size() > options_.batch_bytes) ||
              open_.sources.contains({resource.type, resource.id});
  if (full) GALEN_TRY(flush());
  open_.bytes += resource.content.size();
  open_.sources.insert({resource.type, resource.id});
  open_.items.push_back(std::move(pending));
  *open_.request.add_items() = std::move(item);
  return {};
}

Result<PrincipalId> Importer::pseudonym_of(const std::string& patient) {
  if (auto known = summary_.patients.find(patient); known != summary_.patients.end()) return known->second;
  if (auto refused = refused_patients_.find(patient); refused != refused_patients_.end()) return refused->second;
  v1::RegisterPatientRequest request;
  request.set_request_id(crypto::random_request_id().str());
  request.mutable_source()->set_system(options_.system);
  request.mutable_source()->set_type("Patient");
  request.mutable_source()->set_id(patient);
  request.set_key(std::string(as_text(options_.patient_key)));
  last_answer_us_ = now_us();
  for (;;) {
    auto response = client_.call(request);
    if (response) {
      auto pseudonym = PrincipalId::from(response->pseudonym());
      if (!pseudonym) return make_error(ErrorCode::INTERNAL, "the node answered without a pseudonym");
      last_answer_us_ = now_us();
      pause_ms_ = 0;
      summary_.patients.emplace(patient, *pseudonym);
      return *pseudonym;
    }
    if (!is_passing(response.error().code)) return refused_patients_.emplace(patient, response.error()).first->second;
    GALEN_TRY(pause_or_give_up(response.error()));
  }
}

void Importer::start_batch() {
  open_ = Batch{};
  open_.request.set_request_id(crypto::random_request_id().str());
}

// A batch that is refused is sent again one by one, behind what is on the stream by then. So what holds the next
// version of a source waits until the one before has its answer: else the older one would come last, and be the current
// one.
Status Importer::flush() {
  if (open_.items.empty()) return {};
  const auto is_in_open = [this](const auto& source) { return open_.sources.contains(source); };
  if (std::any_of(waiting_.begin(), waiting_.end(), [&](const Batch& batch) {
        return std::any_of(batch.sources.begin(), batch.sources.end(), is_in_open);
      }))
    GALEN_TRY(pump(0));
  waiting_.push_back(std::move(open_));
  start_batch();
  return pump(options_.batches_in_flight - 1);
}

Status Importer::finish() {
  GALEN_TRY(flush());
  GALEN_TRY(pump(0));
  if (!stream_) return {};
  auto closed = std::move(stream_);
  // Everything is answered: how the empty stream ends changes nothing.
  closed->close().ignore("every batch has its answer");
  return {};
}

/// Sends what is not sent, and reads answers until at most `in_flight_max` batches are unanswered.
Status Importer::pump(std::size_t in_flight_max) {
  if (pause_ms_ == 0) last_answer_us_ = now_us();
  for (;;) {
    auto done = exchange_once(in_flight_max);
    if (done) return {};
    stream_.reset();
    sent_ = 0;
    if (!is_passing(done.error().code)) {
      // The stream itself was refused, e.g. for its size or for who we are: no batch will do better.
      return done;
    }
    GALEN_TRY(pause_or_give_up(done.error()));
  }
}

Status Importer::exchange_once(std::size_t in_flight_max) {
  auto broken = [&]() -> Status {
    auto status = stream_->close();
    if (!status) return status;
    return make_error(ErrorCode::UNAVAILABLE, fmt::format("{} ended the stream early", client_.address()));
  };
  while (sent_ < waiting_.size() || waiting_.size() > in_flight_max) {
    bool draining = stream_ && now_us() - stream_opened_us_ > kStreamRenewMs * 1000;
    if (draining && sent_ == 0) {
      stream_->close().ignore("nothing is under way on it");
      stream_.reset();
    }
    if (!stream_) {
      stream_ = std::make_unique<AnchorStream>(client_.open_anchor_stream(kStreamLifetimeMs));
      stream_opened_us_ = now_us();
      draining = false;
    }
    if (!draining && sent_ < waiting_.size() && sent_ < options_.batches_in_flight) {
      if (!stream_->write(waiting_[sent_].request)) return broken();
      ++sent_;
      continue;
    }
    v1::AnchorRecordBatchResponse response;
    if (!stream_->read(response)) return broken();
    auto code = response.reason().empty() || response.reason() == "OK" ? ErrorCode::OK
                                                                       : error_code_from_reason(response.reason());
    if (is_about_us(code)) {
      stream_.reset();
      return make_error(code, response.message());
    }
    if (is_passing(code)) {
      // An expired transaction is final under its request_id; everything else is repeated as it is.
      if (code == ErrorCode::EXPIRED) waiting_.front().request.set_request_id(crypto::random_request_id().str());
      stream_.reset();
      return make_error(code, response.message());
    }
    auto batch = std::move(waiting_.front());
    waiting_.pop_front();
    --sent_;
    last_answer_us_ = now_us();
    pause_ms_ = 0;
    settle(std::move(batch), response);
    on_progress_(summary_);
  }
  return {};
}

void Importer::settle(Batch batch, const v1::AnchorRecordBatchResponse& response) {
  bool refused = !response.reason().empty() && response.reason() != "OK";
  bool short_answer = !refused && static_cast<std::size_t>(response.items_size()) != batch.items.size();
  if (refused && batch.items.size() > 1) return split(std::move(batch));
  if (refused || short_answer) {
    for (const auto& item : batch.items)
      refuse_item(item, refused ? response.reason() : "INTERNAL",
                  refused ? response.message() : "the node answered with another number of pointers");
    return;
  }
  if (!response.outcome().transaction_id().empty())
    summary_.last_transaction = to_bytes(response.outcome().transaction_id());
  for (std::size_t i = 0; i < batch.items.size(); ++i) settle_item(batch.items[i], response.items(static_cast<int>(i)));
}

/// A batch is all or nothing: to find the bad one, each resource is sent alone.
void Importer::split(Batch batch) {
  std::vector<Batch> singles;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    Batch single;
    single.request.set_request_id(crypto::random_request_id().str());
    *single.request.add_items() = std::move(*batch.request.mutable_items(static_cast<int>(i)));
    single.items.push_back(std::move(batch.items[i]));
    const auto& source = single.request.items(0).source();
    single.sources.emplace(source.type(), source.id());
    singles.push_back(std::move(single));
  }
  // Behind those that are on the stream already, since answers come in order.
  waiting_.insert(waiting_.begin() + static_cast<std::ptrdiff_t>(sent_), std::make_move_iterator(singles.begin()),
                  std::make_move_iterator(singles.end()));
}

void Importer::settle_item(const Pending& item, const v1::AnchoredItem& anchored) {
  auto& fate = fates_[item.fingerprint];
  fate.settled = true;
  ++(anchored.already_anchored() ? summary_.already_anchored : summary_.anchored);
  if (!anchored.already_anchored()) summary_.lossy_numbers += anchored.lossy_numbers();
  summary_.already_anchored += fate.twins.size();
  fate.twins.clear();
  if (item.resource == 0) summary_.first_pointer = to_bytes(anchored.pointer_id());
}

void Importer::refuse_item(const Pending& item, const std::string& reason, const std::string& message) {
  auto& fate = fates_[item.fingerprint];
  fate.settled = fate.refused = true;
  fate.reason = reason;
  fate.message = message;
  refuse(item.file, item.entry, reason, message);
  for (const auto& twin : fate.twins) refuse(twin.file, twin.entry, reason, message);
  fate.twins.clear();
}

void Importer::give_up(const Error& error) {
  stream_.reset();
  waiting_.push_back(std::move(open_));
  for (const auto& batch : waiting_)
    for (const auto& item : batch.items)
      refuse_item(item, std::string(to_reason(error.code)), "not sent or not answered: " + error.message);
  waiting_.clear();
  sent_ = 0;
  start_batch();
  auto counted = summary_.anchored + summary_.already_anchored + summary_.refused;
  if (counted < summary_.resources)
    summary_.refused = summary_.resources - summary_.anchored - summary_.already_anchored;
}

Status Importer::pause_or_give_up(const Error& error) {
  if (now_us() - last_answer_us_ > options_.retry_for_ms * 1000) return error;
  options_.on_wait(error);
  pause_ms_ = std::clamp<std::uint64_t>(pause_ms_ * 2, 50, 1000);
  std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms_));
  return {};
}

}  // namespace galen::galenctl
