// galen-bench: closed-loop load against one node's API, with what it cost: rates, latencies, CPU seconds of replicas, front
// ends and client, memory, syncs per block, joules per operation under a stated assumption. No gates: it prints figures.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "bench/processes.hpp"
#include "bench/workload.hpp"

namespace galen::bench {
namespace {

struct Snapshot {
  Usage nodes, front_ends, client;
  v1::GetStatusResponse status;
};

double percentile_ms(std::vector<std::uint32_t>& sorted, double p) {
  if (sorted.empty()) return 0;
  auto index = static_cast<std::size_t>(p * static_cast<double>(sorted.size() - 1));
  return sorted[index] / 1000.0;
}

double difference(const Snapshot& before, const Snapshot& after, const std::string& counter) {
  auto value = [&](const Snapshot& s) {
    auto found = s.status.counters().find(counter);
    return found == s.status.counters().end() ? 0.0 : static_cast<double>(found->second);
  };
  return value(after) - value(before);
}

struct Report {
  std::string workload;
  std::size_t outstanding;
  Measured measured;
  Snapshot before, after;
};

void print_report(Report& r, double watts_per_core, bool json) {
  auto& latencies = r.measured.latency_us;
  std::sort(latencies.begin(), latencies.end());
  double ops = static_cast<double>(r.measured.operations);
  double thousands = std::max(ops, 1.0) / 1000;
  double nodes = r.after.nodes.cpu_s - r.before.nodes.cpu_s;
  double front = r.after.front_ends.cpu_s - r.before.front_ends.cpu_s;
  double client = r.after.client.cpu_s - r.before.client.cpu_s;
  double blocks = std::max(difference(r.before, r.after, "blocks"), 1.0);
  double transactions = difference(r.before, r.after, "transactions");
  double joules = (nodes + front) * watts_per_core / std::max(ops, 1.0);
  auto per_block = [&](const char* counter) { return difference(r.before, r.after, counter) / blocks; };
  const char* row = json
      ? "{{\"workload\":\"{}\",\"outstanding\":{},\"ops_per_s\":{:.0f},\"p50_ms\":{:.2f},\"p99_ms\":{:.2f},"
        "\"cpu_s_per_1000_replicas\":{:.3f},\"cpu_s_per_1000_front_ends\":{:.3f},\"cpu_s_per_1000_client\":{:.3f},"
        "\"rss_mb_replicas\":{:.0f},\"rss_mb_front_ends\":{:.0f},\"ops_per_block\":{:.1f},\"fsyncs_per_block\":{:.2f},"
        "\"joules_per_op\":{:.4f},\"failures\":{}}}\n"
      : "{:<8} {:>6}  {:>8.0f}  {:>8.2f} {:>8.2f}   {:>7.3f} {:>7.3f} {:>7.3f}   {:>6.0f} {:>6.0f}   {:>7.1f} {:>6.2f}  {:>8.4f}  {}\n";
  fmt::print(fmt::runtime(row), r.workload, r.outstanding, ops / r.measured.seconds, percentile_ms(latencies, 0.5),
             percentile_ms(latencies, 0.99), nodes / thousands, front / thousands, client / thousands,
             static_cast<double>(r.after.nodes.rss_bytes) / 1e6, static_cast<double>(r.after.front_ends.rss_bytes) / 1e6,
             ops / blocks, per_block("fsyncs"), joules, r.measured.failures);
  if (!json)
    fmt::print("         this node, per block: {:.1f} transactions, core {:.0f} us, verify {:.0f} us, sync {:.0f} us, execute {:.0f} us, intake {:.0f} us\n",
               transactions / blocks, per_block("core_us"), per_block("verify_us"), per_block("fsync_us"),
               per_block("execute_us"), per_block("intake_us"));
  if (r.measured.failures > 0) fmt::print(stderr, "  first failure: {}\n", r.measured.first_failure);
}

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace
}  // namespace galen::bench

int main(int argc, char** argv) {
  using namespace galen;
  using namespace galen::bench;
  CLI::App app{"galen-bench loads one node's API and prints rates, latencies and what they cost"};
  Target target{.endpoint = from_environment("GALEN_ENDPOINT"),
                .ca = from_environment("GALEN_CA"),
                .cert = from_environment("GALEN_CERT"),
                .key = from_environment("GALEN_KEY"),
                .genesis = ""};
  std::string dir = from_environment("GALEN_DIR");
  std::vector<std::string> workloads = {"anchor"};
  std::vector<std::size_t> outstanding = {1, 64, 1000};
  RunOptions options;
  double watts = 10;
  bool json = false;
  app.add_option("--endpoint", target.endpoint, "host:port (or GALEN_ENDPOINT)");
  app.add_option("--ca", target.ca, "CA certificate (or GALEN_CA)");
  app.add_option("--cert", target.cert, "client certificate (or GALEN_CERT)");
  app.add_option("--key", target.key, "its key (or GALEN_KEY)");
  app.add_option("--dir", dir, "development consortium, for the CPU and memory of its processes (or GALEN_DIR)");
  app.add_option("--workload", workloads, "anchor, bulk, signed, decide")
      ->check(CLI::IsMember({"anchor", "bulk", "signed", "decide"}))->delimiter(',');
  app.add_option("--outstanding", outstanding, "calls in flight, e.g. 1,64,1000")->delimiter(',')->check(CLI::Range(1, 10000));
  app.add_option("--seconds", options.measure_s, "measured time of each cell")->check(CLI::Range(0.5, 600.0));
  app.add_option("--warm-up", options.warm_up_s, "seconds before")->check(CLI::Range(0.0, 60.0));
  app.add_option("--bytes", options.document_bytes, "size of a document")->check(CLI::Range(1, 100000));
  app.add_option("--watts", watts, "assumed power of one busy core, for joules per operation");
  app.add_flag("--json", json, "one JSON object per cell");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  if (target.endpoint.empty()) {
    fmt::print(stderr, "galen-bench: no endpoint\n  Give --endpoint, --ca, --cert and --key, or run: eval $(galenctl dev env --dir D)\n");
    return 2;
  }
  if (!dir.empty()) target.genesis = dir + "/genesis.json";
  auto driver = Driver::connect(target);
  if (!driver) {
    fmt::print(stderr, "galen-bench: {}\n", driver.error().message);
    return 1;
  }
  auto consortium = find_consortium(dir);
  if (!json)
    fmt::print("energy: CPU seconds of replicas and front ends x {} W per core (assumed)\n"
               "workload outst.     ops/s   p50 ms   p99 ms   CPU s/1000: repl.  front  client   RSS MB: repl. front   ops/block syncs/block  J/op  failures\n",
               watts);
  bool failed = false;
  for (const auto& name : workloads) {
    for (auto count : outstanding) {
      options.workload = name == "anchor" ? Workload::anchor : name == "bulk" ? Workload::bulk
                         : name == "decide" ? Workload::decide : Workload::signed_grants;
      options.outstanding = count;
      Report report{.workload = name, .outstanding = count};
      auto take = [&](Snapshot& out) {
        out.nodes = usage_of(consortium.nodes);
        out.front_ends = usage_of(consortium.front_ends);
        out.client = usage_of_self();
        if (auto status = (*driver)->status()) out.status = std::move(*status);
      };
      auto measured = (*driver)->run(options, [&] { take(report.before); }, [&] { take(report.after); });
      if (!measured) {
        fmt::print(stderr, "galen-bench: {}\n", measured.error().message);
        return 1;
      }
      report.measured = std::move(*measured);
      failed |= report.measured.operations == 0;
      print_report(report, watts, json);
    }
  }
  return failed ? 1 : 0;
}
