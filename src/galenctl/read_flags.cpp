#include "galenctl/read_flags.hpp"

#include <CLI/CLI.hpp>

#include "galenctl/arguments.hpp"

namespace galen::galenctl {

void add_read_flags(CLI::App* verb, Context& context) {
  auto* options = &context.read_options;
  auto* linearizable = verb->add_flag_function(
      "--linearizable", [options](std::int64_t) { options->set_linearizable(true); },
      "See everything acknowledged anywhere before this call: the node asks a quorum");
  auto* height = verb->add_option_function<std::uint64_t>(
                         "--min-height", [options](const std::uint64_t& value) { options->set_min_height(value); },
                         "Wait until the node has executed this height")
                     ->check(CLI::NonNegativeNumber);
  auto* staleness = verb->add_option_function<std::string>(
      "--max-staleness",
      [options](const std::string& text) {
        auto span = parse_span("--max-staleness", text);
        if (!span) throw CLI::ValidationError(span.error().message);
        if (*span == 0)
          throw CLI::ValidationError("--max-staleness: 0 would be no limit; --linearizable is the newest there is");
        options->set_max_staleness_ms(*span);
      },
      "Refuse when the newest certified block is older than this, e.g. 30s");
  linearizable->excludes(height)->excludes(staleness);
  height->excludes(staleness);
}

}  // namespace galen::galenctl
