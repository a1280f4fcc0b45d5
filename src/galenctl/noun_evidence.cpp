// galenctl evidence export|verify: one file with everything a third party needs (docs/spec/evidence.md 2). Export asks
// the node for proofs, puts them together, and verifies the whole before it is written.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "galen/types/limits.hpp"
#include "galen/types/report.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/evidence_file.hpp"
#include "galenctl/files.hpp"
#include "galenctl/state_rows.hpp"

namespace galen::galenctl {
namespace {

struct ExportOptions {
  std::vector<std::string> transactions, documents;
  RowFlags rows;
  std::vector<std::uint32_t> operations;
  bool by_history = false;
  std::string genesis, path = "case.galen";
};

class Export {
 public:
  Export(const ExportOptions& options, std::vector<StateRow> rows, Client& client, Bytes genesis)
      : options_(options), rows_(std::move(rows)), client_(client) {
    bundle_.genesis = std::move(genesis);
  }

  Result<EvidenceBundle> run() {
    GALEN_ASSIGN(auto genesis, Genesis::parse(bundle_.genesis));
    bundle_.chain_id = genesis.chain_id;
    bundle_.members = genesis.member_set.encode();
    for (const auto& text : options_.transactions) GALEN_TRY(add_transaction(text));
    GALEN_TRY(add_states());
    for (std::size_t i = 0; i < options_.documents.size(); ++i) GALEN_TRY(add_opening(i));
    GALEN_TRY(add_consistency());
    return finish(genesis);
  }

 private:
  Status add_transaction(const std::string& text) {
    GALEN_ASSIGN(auto id, parse_id("--tx", text));
    v1::GetTransactionProofRequest request;
    request.set_transaction_id(id.str());
    for (auto index : options_.operations) request.add_operations(index);
    request.set_by_history(options_.by_history);
    GALEN_ASSIGN(auto answer, client_.call(request));
    GALEN_ASSIGN(auto file, TransactionProofFile::decode(as_bytes(answer.proof())));
    bundle_.add_epochs(file.epochs);
    bundle_.transactions.push_back({{bundle_.add_block(file.block)}, std::move(file.proof)});
    return {};
  }

  /// All rows at one height where the node can: that of the first one, unless a row has changed since.
  Status add_states() {
    Height height = 0;
    for (const auto& row : rows_) {
      v1::GetStateProofRequest request;
      request.set_kind(row.kind);
      request.set_key(row.key);
      request.set_height(height);
      request.set_by_history(options_.by_history);
      auto answer = client_.call(request);
      if (!answer && answer.error().code == ErrorCode::NOT_FOUND && height != 0) {
        request.set_height(0);
        answer = client_.call(request);
      }
      if (!answer) return answer.error();
      GALEN_ASSIGN(auto file, StateProofFile::decode(as_bytes(answer->proof())));
      bundle_.add_epochs(file.epochs);
      GALEN_ASSIGN(auto header, BlockHeader::decode(file.block.header));
      height = header.height;
      bundle_.states.push_back({{bundle_.add_block(file.block)}, std::move(file.proof)});
    }
    return {};
  }

  /// The i-th document belongs to the i-th record.
  Status add_opening(std::size_t index) {
    GALEN_ASSIGN(auto content, read_text_file(options_.documents[index], limits::kDocumentBytesMax));
    v1::OpenRecordRequest request;
    request.set_pointer_id(to_string(bundle_.states[index].proof.key));
    request.set_content(std::move(content));
    GALEN_ASSIGN(auto answer, client_.call(request));
    auto key = Hash::from(std::string_view(answer.record_key()));
    if (!key) return make_error(ErrorCode::MALFORMED, "the node's answer holds no record key");
    bundle_.openings.push_back(
        {static_cast<std::uint16_t>(index), *key, to_bytes(std::string_view(answer.document()))});
    return {};
  }

  /// From the oldest block shown to the newest certified one: the chain was not rewritten in between.
  Status add_consistency() {
    std::optional<Height> oldest;
    for (const auto& block : bundle_.blocks) {
      GALEN_ASSIGN(auto header, BlockHeader::decode(block.header));
      oldest = std::min(oldest.value_or(header.height), header.height);
    }
    if (!oldest) return {};
    v1::GetConsistencyProofRequest request;
    request.set_from_height(*oldest);
    auto answer = client_.call(request);
    // Nothing newer than what is shown is certified yet: there is nothing to compare.
    if (!answer && answer.error().code == ErrorCode::INVALID_ARGUMENT) return {};
    if (!answer) return answer.error();
    GALEN_ASSIGN(auto file, ConsistencyProofFile::decode(as_bytes(answer->proof())));
    bundle_.add_epochs(file.epochs);
    bundle_.consistency.push_back(std::move(file.proof));
    return {};
  }

  /// The page inside is what a verifier says of the rest, so what is written has been verified.
  Result<EvidenceBundle> finish(const Genesis& genesis) {
    bundle_.summary = "-";
    GALEN_ASSIGN(auto decoded, EvidenceBundle::decode(bundle_.encode()));
    GALEN_ASSIGN(auto verdict, verify_bundle(bundle_.genesis, decoded));
    auto page = report_text("evidence", verdict);
    bundle_.summary = fmt::format(
        "\nEVIDENCE of chain \"{}\" ({}).\nThis page is for reading only. To check the file: galen-verify "
        "FILE genesis.json\n\n{}",
        genesis.name, genesis.short_chain_id(), page);
    if (bundle_.summary.size() > limits::kSummaryBytesMax)
      bundle_.summary.resize(bundle_.summary.rfind('\n', limits::kSummaryBytesMax - 1) + 1);
    GALEN_TRY(EvidenceBundle::decode(bundle_.encode()));
    return std::move(bundle_);
  }

  const ExportOptions& options_;
  const std::vector<StateRow> rows_;
  Client& client_;
  EvidenceBundle bundle_;
};

Result<int> make_export(Context& context, const ExportOptions& options) {
  GALEN_ASSIGN(auto rows, options.rows.rows(context));
  if (options.transactions.empty() && rows.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "name what to show: --tx, " + RowFlags::names());
  const auto records = std::count_if(rows.begin(), rows.end(), [](const StateRow& row) {
    return row.kind == static_cast<std::uint32_t>(StateKind::record);
  });
  if (options.documents.size() > static_cast<std::size_t>(records))
    return make_error(ErrorCode::INVALID_ARGUMENT, "each --document belongs to a --record, in the same order");
  GALEN_ASSIGN(auto genesis_path, context.genesis_path(options.genesis));
  GALEN_ASSIGN(auto genesis, read_text_file(genesis_path));
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto bundle, Export(options, std::move(rows), client, to_bytes(std::string_view(genesis))).run());
  auto file = bundle.encode();
  if (!bundle.openings.empty())
    context.output.note(
        "the file holds documents and the keys of their commitments: erasing the records does not "
        "take it back");
  return save_evidence(context, "evidence", options.path, file);
}

}  // namespace

void add_evidence(CLI::App& app, Context& context) {
  auto options = std::make_shared<ExportOptions>();
  auto* make = add_verb(app, "evidence", "export", "Put proofs, certificates, members and genesis into one file");
  make->add_option("--tx", options->transactions, "A transaction's id; may be repeated");
  make->add_option("--operation", options->operations, "Of each transaction show this operation only, from 0")
      ->check(CLI::NonNegativeNumber);
  options->rows.add_to(make);
  make->add_option("--document", options->documents,
                   "With the document of the i-th record and the key that opens its commitment (--as admin, at the "
                   "custodian)");
  make->add_flag("--short", options->by_history, "Through the history tree of later blocks");
  make->add_option("--genesis", options->genesis, "genesis.json (default: of --dir)");
  make->add_option("-o,--out", options->path, "File to write (default case.galen)");
  make->callback(
      [&context, options] { context.action = [&context, options] { return make_export(context, *options); }; });
  add_verify_verb(app, context, "evidence", "Verify a bundle, proof or receipt, without any node");
  app.get_subcommand("evidence")->description("Evidence: one file that verifies without a node");
}

}  // namespace galen::galenctl
