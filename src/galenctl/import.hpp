// The import of FHIR files: batches of resources on one stream, each batch with a request_id of its own that stays the
// same however often it is sent. Nothing is remembered on this side: a batch that was cut off is sent again, and the
// custodian's index of source ids answers with the pointers it has already. So interrupting at any point and repeating,
// or running twice at once, gives the same pointers. resources = anchored + already_anchored + refused, always; entries
// that hold no record are skipped and counted apart.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "galen/base/bytes.hpp"
#include "galenctl/client.hpp"
#include "galenctl/content.hpp"

namespace galen::galenctl {

struct ImportOptions {
  std::string system = "urn:galen:dev";
  std::size_t batch_items = 100;
  std::size_t batch_bytes = 1024 * 1024;
  std::size_t batches_in_flight = 4;
  std::uint64_t retry_for_ms = 120'000;  ///< gives up after so long without one answer
  Method method;                         ///< of all resources
  Bytes patient_key;                     ///< public key for patients registered here, or empty
  std::function<void(const Error&)> on_wait = [](const Error&) {};  ///< told why, before each pause
};

struct ImportRefusal {
  std::string file;
  std::optional<std::size_t> entry;
  std::string reason;
  std::string message;
};

struct ImportSummary {
  std::uint64_t resources = 0, anchored = 0, already_anchored = 0, refused = 0;
  std::uint64_t skipped = 0;  ///< entries without a record, none of `resources`
  std::vector<ImportRefusal> refusals;
  std::uint64_t elsewhere = 0;                  ///< resources that name a patient of another server, and are for nobody
  std::map<std::string, PrincipalId> patients;  ///< local id -> pseudonym
  std::uint64_t lossy_numbers = 0;              ///< in resources anchored now
  Bytes first_pointer;                          ///< of the first resource
  Bytes last_transaction;                       ///< id of the last batch that committed
};

class Importer {
 public:
  /// `on_progress` is called after every answer.
  Importer(Client& client, ImportOptions options, std::function<void(const ImportSummary&)> on_progress);

  /// Sends one file's resources; answers may still be under way when it returns. UNAVAILABLE and the like once
  /// retry_for is over, or that it is we who are refused; what is wrong with the file itself is in the summary only.
  Status add(const std::string& path, std::shared_ptr<const FhirFile> file);
  /// Sends the rest and waits for all answers.
  Status finish();
  const ImportSummary& summary() const { return summary_; }
  /// Counts everything not yet answered as refused, so that the sum holds after a failure.
  void give_up(const Error& error);

 private:
  struct Pending {
    std::string file;
    std::size_t entry;
    std::size_t resource;  // running number, to find the first one
    Hash fingerprint;
  };
  struct Batch {
    v1::AnchorRecordBatchRequest request;
    std::vector<Pending> items;
    std::set<std::pair<std::string, std::string>> sources;  // (type, id)
    std::size_t bytes = 0;
  };
  struct Twin {  // a further entry with the same type, id and bytes
    std::string file;
    std::size_t entry;
  };
  struct Fate {
    bool settled = false, refused = false;
    std::string reason, message;
    std::vector<Twin> twins;
  };

  Result<PrincipalId> pseudonym_of(const std::string& patient);
  Status add_resource(const std::string& path, const FhirFile& file, const FhirResource& resource);
  void start_batch();
  Status flush();
  Status pump(std::size_t in_flight_max);
  Status exchange_once(std::size_t in_flight_max);
  void settle(Batch batch, const v1::AnchorRecordBatchResponse& response);
  void settle_item(const Pending& item, const v1::AnchoredItem& anchored);
  void refuse(const std::string& file, std::optional<std::size_t> entry, std::string reason, std::string message);
  void refuse_item(const Pending& item, const std::string& reason, const std::string& message);
  void split(Batch batch);
  Status pause_or_give_up(const Error& error);

  Client& client_;
  const ImportOptions options_;
  std::function<void(const ImportSummary&)> on_progress_;
  ImportSummary summary_;
  std::map<std::string, Error> refused_patients_;
  std::map<Hash, Fate> fates_;  // by fingerprint of (type, id, bytes)
  Batch open_;                  // being filled
  std::deque<Batch> waiting_;  // not answered; the first sent_ of them are on the stream
  std::size_t sent_ = 0;
  std::unique_ptr<AnchorStream> stream_;
  std::uint64_t stream_opened_us_ = 0;
  std::uint64_t last_answer_us_ = 0;
  std::uint64_t pause_ms_ = 0;
  std::size_t next_resource_ = 0;
};

}  // namespace galen::galenctl
