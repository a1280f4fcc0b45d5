// A node in this process, as far as the importer can tell: it keeps pointers by source and bytes as a custodian does,
// and breaks streams, refuses batches and hides answers on request. Counts are what the tests look at.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "galen/crypto/random.hpp"
#include "galen/types/members.hpp"
#include "galen/v1/patient_service.grpc.pb.h"
#include "galen/v1/record_service.grpc.pb.h"
#include "galenctl/client.hpp"

namespace galen::galenctl {

class FakeNode {
 public:
  FakeNode() : records_(*this), patients_(*this) {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(2 * kRequestBytesMax);  // as galend-api
    builder.RegisterService(&records_);
    builder.RegisterService(&patients_);
    // A real connection: gRPC's in-process transport has no buffers, so that two writers would wait for each other.
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    server_ = builder.BuildAndStart();
  }
  ~FakeNode() { server_->Shutdown(std::chrono::system_clock::now()); }

  Client client() {
    auto address = "127.0.0.1:" + std::to_string(port_);
    return Client(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), address, ClientOptions{});
  }

  /// Every n-th message of all streams is executed, but its answer is lost with the stream; 0 = never.
  std::size_t lose_answer_every = 0;
  /// Every n-th message is answered with NO_QUORUM and not executed.
  std::size_t no_quorum_every = 0;
  /// Resources of this id are refused, and with them their batch.
  std::string poison;
  std::string refuse_patients;  ///< reason, or empty

  std::size_t pointer_count() {
    std::lock_guard lock(mutex_);
    return pointers_.size();
  }
  std::size_t patient_count() {
    std::lock_guard lock(mutex_);
    return pseudonyms_.size();
  }
  std::size_t registrations() {
    std::lock_guard lock(mutex_);
    return registrations_;
  }
  /// The version of a source that came last.
  std::string current(const std::string& id) {
    std::lock_guard lock(mutex_);
    return current_[id];
  }
  std::size_t subjects_seen() {
    std::lock_guard lock(mutex_);
    return subjects_.size();
  }

 private:
  using Key = std::pair<std::string, std::string>;  // source, bytes

  /// Executes one batch; false if its answer is to be lost.
  bool execute(const v1::AnchorRecordBatchRequest& request, v1::AnchorRecordBatchResponse& response) {
    std::lock_guard lock(mutex_);
    ++messages_;
    if (no_quorum_every != 0 && messages_ % no_quorum_every == 0) {
      response.set_reason("NO_QUORUM");
      return true;
    }
    for (const auto& item : request.items()) {
      if (poison.empty() || item.source().id() != poison) continue;
      response.set_reason("SUBJECT_MISMATCH");
      response.set_message("a poisoned resource");
      return true;
    }
    for (const auto& item : request.items()) {
      Key key{item.source().SerializeAsString(), item.content()};
      auto [pointer, is_new] = pointers_.try_emplace(key, crypto::random_fixed<PointerId>());
      if (is_new) current_[item.source().id()] = item.content();
      if (!item.subject().empty()) subjects_.insert(item.subject());
      auto& answer = *response.add_items();
      answer.set_pointer_id(pointer->second.str());
      answer.set_already_anchored(!is_new);
    }
    return lose_answer_every == 0 || messages_ % lose_answer_every != 0;
  }

  class Records final : public v1::RecordService::Service {
   public:
    explicit Records(FakeNode& node) : node_(node) {}
    grpc::Status AnchorRecords(
        grpc::ServerContext*,
        grpc::ServerReaderWriter<v1::AnchorRecordBatchResponse, v1::AnchorRecordBatchRequest>* stream) override {
      v1::AnchorRecordBatchRequest request;
      while (stream->Read(&request)) {
        v1::AnchorRecordBatchResponse response;
        if (!node_.execute(request, response)) return {grpc::StatusCode::UNAVAILABLE, "socket closed"};
        if (!stream->Write(response)) break;
      }
      return grpc::Status::OK;
    }

   private:
    FakeNode& node_;
  };

  class Patients final : public v1::PatientService::Service {
   public:
    explicit Patients(FakeNode& node) : node_(node) {}
    grpc::Status RegisterPatient(grpc::ServerContext* context, const v1::RegisterPatientRequest* request,
                                 v1::RegisterPatientResponse* response) override {
      std::lock_guard lock(node_.mutex_);
      ++node_.registrations_;
      if (!node_.refuse_patients.empty()) {
        context->AddTrailingMetadata("galen-reason", node_.refuse_patients);
        auto help = std::string(advice(error_code_from_reason(node_.refuse_patients)));
        return {grpc::StatusCode::INVALID_ARGUMENT, "the patient cannot be registered. " + help};
      }
      auto [known, is_new] =
          node_.pseudonyms_.try_emplace(request->source().SerializeAsString(), crypto::random_fixed<PrincipalId>());
      response->set_pseudonym(known->second.str());
      response->set_already_registered(!is_new);
      response->mutable_outcome()->set_state(v1::TRANSACTION_STATE_COMMITTED);
      return grpc::Status::OK;
    }

   private:
    FakeNode& node_;
  };

  std::mutex mutex_;
  std::map<Key, PointerId> pointers_;
  std::map<std::string, PrincipalId> pseudonyms_;
  std::set<std::string> subjects_;
  std::map<std::string, std::string> current_;  // by source id
  std::size_t messages_ = 0, registrations_ = 0;
  int port_ = 0;
  Records records_;
  Patients patients_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace galen::galenctl
