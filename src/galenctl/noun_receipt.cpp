// galenctl receipt get|verify: what became of a transaction, as a file that verifies without a node; whole, or in the
// short form that may show some of its operations only (docs/spec/evidence.md).
#include <CLI/CLI.hpp>

#include "galen/types/receipt.hpp"
#include "galenctl/evidence_file.hpp"
#include "galenctl/noun_tx.hpp"
#include "galenctl/read_flags.hpp"

namespace galen::galenctl {
namespace {

struct ReceiptOptions {
  TxOptions tx;
  std::string path = "receipt.galen";
  bool by_history = false;
  std::uint64_t at_height = 0;
  std::vector<std::uint32_t> operations;
};

template <class Request>
Result<Request> request_for(const Context& context, const TxOptions& options) {
  Request request;
  GALEN_TRY(choose_transaction(options, request));
  if (!options.author.empty()) {
    GALEN_ASSIGN(auto author, parse_patient(context, options.author));
    request.set_author(author.str());
  }
  return request;
}

Result<int> get(Context& context, const ReceiptOptions& options) {
  if (options.by_history || options.at_height != 0 || !options.operations.empty()) {
    GALEN_ASSIGN(auto request, request_for<v1::GetTransactionProofRequest>(context, options.tx));
    for (auto index : options.operations) request.add_operations(index);
    request.set_by_history(options.by_history);
    request.set_at_height(options.at_height);
    GALEN_ASSIGN(auto client, context.connect());
    GALEN_ASSIGN(auto answer, client.call(request));
    return save_evidence(context, "transaction proof", options.path, as_bytes(answer.proof()));
  }
  GALEN_ASSIGN(auto request, request_for<v1::GetReceiptRequest>(context, options.tx));
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(request));
  return save_evidence(context, "receipt", options.path, encode_receipt_file(answer.receipt()));
}

}  // namespace

void add_receipt(CLI::App& app, Context& context) {
  auto options = std::make_shared<ReceiptOptions>();
  auto tx = std::shared_ptr<TxOptions>(options, &options->tx);
  auto* fetch = add_verb(app, "receipt", "get", "Fetch the proof of what a transaction did");
  add_tx_options(fetch, tx);
  add_read_flags(fetch, context);
  fetch->add_option("-o,--out", options->path, "File to write (default receipt.galen)");
  fetch
      ->add_option("--operation", options->operations,
                   "Show this operation of it only, counted from 0; may be repeated. The others stay hashes")
      ->check(CLI::NonNegativeNumber);
  fetch->add_flag("--short", options->by_history, "Through the history tree of a later block: one certificate");
  fetch->add_option("--at", options->at_height, "The height of that block (default: the nearest)")
      ->check(CLI::NonNegativeNumber);
  fetch->callback([&context, options] { context.action = [&context, options] { return get(context, *options); }; });
  add_verify_verb(app, context, "receipt", "Verify a receipt with genesis.json alone, without any node");
  app.get_subcommand("receipt")->description("Receipts: proofs that verify without a node");
}

}  // namespace galen::galenctl
