#include "galenctl/app.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "galen/base/nearest.hpp"
#include "galenctl/context.hpp"

namespace galen::galenctl {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 fine, PERMIT; 1 an error, damage, what does not verify, a resource that import was refused;\n"
    "2 usage; 3 refused by a rule, DENY, DIVERGED, or tx get: REJECTED, EXPIRED;\n"
    "4 others must come back or act first, or tx get: UNKNOWN.\n"
    "docs/operations.md has the whole table.\n"
    "Begin with: galenctl dev up --nodes 4 --dir /tmp/galen";

void add_globals(CLI::App& app, Context& context) {
  auto& options = context.options;
  app.add_option("--dir", options.dir, "Directory of a development consortium (or GALEN_DIR)");
  app.add_option("--node", options.node, "Which of its nodes: 1, 2, … or the member's name (default the first)");
  app.add_option("--as", options.client, "Which of the member's certificates: galenctl or admin");
  app.add_option("--endpoint", options.endpoint, "host:port of any node's API (or GALEN_ENDPOINT)");
  app.add_option("--ca", options.ca, "CA certificate of the node (or GALEN_CA)");
  app.add_option("--cert", options.cert, "Client certificate (or GALEN_CERT)");
  app.add_option("--key", options.key, "Its private key (or GALEN_KEY); with consent and patient: the patient's key");
  app.add_option("--timeout", options.timeout_s, "Seconds for one call (default 30)")->check(seconds_from(0.001));
  app.add_flag("--json", context.output.json, "Results as one JSON object per line");
}

std::vector<std::string> names_below(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* word : app.get_subcommands([](const CLI::App*) { return true; })) out.push_back(word->get_name());
  std::sort(out.begin(), out.end());
  return out;
}

/// A noun or verb that is missing or that we do not have, in our own words; for anything else what CLI11 says.
std::string say(const CLI::App& app, const CLI::ParseError& problem) {
  const CLI::App* level = &app;
  std::string so_far = "galenctl";
  while (!level->get_subcommands().empty()) {
    level = level->get_subcommands().front();
    so_far += " " + level->get_name();
  }
  const auto known = names_below(*level);
  if (known.empty()) return problem.what();
  const char* kind = level == &app ? "noun" : "verb";
  const auto rest = app.remaining(true);
  const auto unknown = std::find_if(rest.begin(), rest.end(), [](const auto& word) { return !word.starts_with("-"); });
  std::string out = unknown == rest.end() ? fmt::format("{} needs a {}", so_far, kind)
                                          : fmt::format("{} has no {} \"{}\"; did you mean \"{}\"?", so_far, kind,
                                                        *unknown, nearest(*unknown, known));
  return fmt::format("{}{} It has: {}. {} --help says what they do", out, unknown == rest.end() ? "." : "",
                     fmt::join(known, ", "), so_far);
}

/// An option that a script gave from an unset variable is not left out: consent would be granted without end, or for
/// everything.
Status check_values(const CLI::App& level) {
  for (const auto* option : level.get_options()) {
    const auto& values = option->results();
    const bool may_be_empty = level.get_name() == "events" && option->check_lname("from");  // where the chain begins
    if (!may_be_empty && std::find(values.begin(), values.end(), "") != values.end())
      return make_error(ErrorCode::INVALID_ARGUMENT,
                        fmt::format("{} is given without a value: leave it out, or say which", option->get_name()));
  }
  for (const auto* below : level.get_subcommands()) GALEN_TRY(check_values(*below));
  return {};
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err, bool err_is_terminal) {
  Output output(out, err);
  Context context(output);
  CLI::App app{"galenctl: every human task of a Galen consortium", "galenctl"};
  app.require_subcommand(1);
  app.footer(kFooter);
  app.set_version_flag("--version", "galenctl 0.1.0");
  add_globals(app, context);
  for (auto* add : {add_dev, add_record, add_patient, add_consent, add_access, add_receipt, add_tx, add_node,
                    add_member, add_ledger, add_state, add_evidence, add_events, add_completion})
    add(app, context);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& problem) {
    // Help and version end with 0, everything else is a matter of usage.
    if (problem.get_exit_code() == 0) return app.exit(problem, out, err);
    output.json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    return output.fail(make_error(ErrorCode::INVALID_ARGUMENT, say(app, problem)));
  }
  output.progress = err_is_terminal && !output.json;
  if (!context.action) return kExitUsage;
  if (auto given = check_values(app); !given) return output.fail(given.error());
  auto result = context.action();
  int code = result ? *result : output.fail(result.error());
  if (code != kExitOk || !output.broken()) return code;
  return output.fail(make_error(ErrorCode::IO_ERROR, "it was done, but standard output cannot be written"));
}

}  // namespace galen::galenctl
