// galenctl tx get: what became of a transaction, on any node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galenctl/arguments.hpp"
#include "galenctl/noun_tx.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/read_flags.hpp"

namespace galen::galenctl {
namespace {

Result<int> get(Context& context, const TxOptions& options) {
  v1::GetTransactionRequest request;
  GALEN_TRY(choose_transaction(options, request));
  if (!options.author.empty()) {
    GALEN_ASSIGN(auto author, parse_patient(context, options.author));
    request.set_author(author.str());
  }
  if (!options.valid_until.empty()) {
    // Never a span, and never too early a moment: the node would call EXPIRED what may still be ordered.
    GALEN_ASSIGN(auto until, parse_moment("--valid-until", options.valid_until));
    request.set_valid_until_ms(until);
  }
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(request));
  const auto& outcome = answer.outcome();
  JsonWriter writer;
  writer.begin_object();
  write_outcome(writer, outcome);
  context.output.result(writer.end_object());
  switch (outcome.state()) {
    case v1::TRANSACTION_STATE_COMMITTED:
      context.output.say(
          fmt::format("COMMITTED at height {}, {}", format_count(outcome.height()), format_time(outcome.time_ms())));
      return kExitOk;
    case v1::TRANSACTION_STATE_REJECTED:
      context.output.say(fmt::format("REJECTED at height {}: {}", format_count(outcome.height()), outcome.reason()));
      return kExitRefused;
    case v1::TRANSACTION_STATE_EXPIRED:
      context.output.say("EXPIRED: it was not ordered before its valid_until and never will be");
      return kExitRefused;
    default:
      context.output.say("UNKNOWN on this node so far");
      return kExitWaiting;
  }
}

}  // namespace

void add_tx_options(CLI::App* verb, const std::shared_ptr<TxOptions>& options) {
  verb->add_option("--tx", options->transaction, "Transaction id, 64 hexadecimal digits");
  verb->add_option("--request-id", options->request_id, "Or the request_id it was sent with");
  verb->add_option("--author", options->author,
                   "Author of --request-id: principal id, patient's name (default: ourselves)");
}

void add_tx(CLI::App& app, Context& context) {
  auto options = std::make_shared<TxOptions>();
  auto* show = add_verb(app, "tx", "get", "What became of a transaction");
  add_tx_options(show, options);
  add_read_flags(show, context);
  show->add_option("--valid-until", options->valid_until,
                   "Its valid_until (2027-01-31T12:00:00.250Z, or milliseconds since 1970), or a later moment: then an "
                   "unknown one may be told EXPIRED");
  show->callback([&context, options] { context.action = [&context, options] { return get(context, *options); }; });
  app.get_subcommand("tx")->description("Transactions");
}

}  // namespace galen::galenctl
