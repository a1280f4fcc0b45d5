// galen-sim wan: latency and throughput against members and distance.
#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "sim/program/commands.hpp"
#include "sim/whole/costs.hpp"

namespace galen::sim {

namespace {

struct WanArguments {
  std::vector<std::size_t> members{4, 7, 10, 16, 31, 67, 100};
  std::vector<std::uint64_t> rtt_ms{20, 50, 100};
  double load = 500;
  double seconds = 3;
  std::string directory = ".";
  std::string svg;
};

struct Point {
  std::size_t members;
  std::uint64_t rtt_ms;
  WanResult result;
};

using Value = double (*)(const WanResult&);
double median_ms(const WanResult& r) { return static_cast<double>(r.p50_us) / 1000; }
double high_ms(const WanResult& r) { return static_cast<double>(r.p99_us) / 1000; }
double answered(const WanResult& r) { return r.answered_per_s; }

/// One figure against members, a curve for each distance, and a second one of it dashed; members by order, for few are
/// far apart.
struct Panel {
  double top = 0;
  std::string title, unit;
  Value value = nullptr, dashed = nullptr;
};

constexpr double kWidth = 720, kPanelHeight = 440, kLeft = 70, kRight = 150, kTop = 50, kBottom = 50;

std::string to_svg(const WanArguments& a, const std::vector<Point>& points, const Panel& panel) {
  constexpr const char* kColors[] = {"#1f4e79", "#a23b00", "#3a7d44", "#6a3d9a", "#555555"};
  const auto floor = panel.top + kPanelHeight - kBottom;
  double most = 1;
  for (const auto& point : points)
    for (auto value : {panel.value, panel.dashed})
      if (value != nullptr) most = std::max(most, value(point.result));
  auto x = [&](std::size_t members) {
    auto at = std::find(a.members.begin(), a.members.end(), members) - a.members.begin();
    return kLeft + (kWidth - kLeft - kRight) * static_cast<double>(at) /
                       static_cast<double>(std::max<std::size_t>(1, a.members.size() - 1));
  };
  auto y = [&](double value) { return floor - (kPanelHeight - kTop - kBottom) * value / most; };
  auto out = fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"14\">{}</text>\n", kLeft, panel.top + 24, panel.title);
  for (int i = 0; i <= 4; ++i)
    out += fmt::format(
        "<line x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\" stroke=\"#dddddd\"/><text x=\"{3}\" "
        "y=\"{4:.1f}\" text-anchor=\"end\">{5:.0f} {6}</text>\n",
        kLeft, y(most * i / 4), kWidth - kRight, kLeft - 8, y(most * i / 4) + 4, most * i / 4, panel.unit);
  for (auto members : a.members)
    out +=
        fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x(members), floor + 20, members);
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">members</text>\n", (kLeft + kWidth - kRight) / 2,
                     floor + 40);
  for (std::size_t curve = 0; curve < a.rtt_ms.size(); ++curve) {
    const auto* color = kColors[curve % std::size(kColors)];
    double last = 0;
    for (auto value : {panel.dashed, panel.value}) {
      if (value == nullptr) continue;
      std::string line;
      for (const auto& point : points) {
        if (point.rtt_ms != a.rtt_ms[curve]) continue;
        last = y(value(point.result));
        line += fmt::format("{:.1f},{:.1f} ", x(point.members), last);
      }
      out += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" {}/>\n", line, color,
                         value == panel.dashed ? "stroke-dasharray=\"5 4\"" : "stroke-width=\"2\"");
    }
    out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" fill=\"{}\">{} ms round trip</text>\n", kWidth - kRight + 8,
                       last + 4, color, a.rtt_ms[curve]);
  }
  return out;
}

std::string to_svg(const WanArguments& a, const std::vector<Point>& points) {
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
             "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
             kWidth, 2 * kPanelHeight) +
         to_svg(a, points,
                {0,
                 fmt::format("From call to certified outcome at {:.0f} transactions a second: median, and dashed 99 %",
                             a.load),
                 "ms", median_ms, high_ms}) +
         to_svg(a, points,
                {kPanelHeight, fmt::format("Answered a second, of {:.0f} that are asked for", a.load), "/s", answered,
                 nullptr}) +
         "</svg>\n";
}

int wan(const WanArguments& a) {
  auto costs = measure_costs(a.directory);
  if (!costs) {
    std::fprintf(stderr, "galen-sim: %s\n", costs.error().message.c_str());
    return 2;
  }
  std::printf("costs measured here: sign %.0f us, verify %.0f us, sync %.0f us, execute %.0f us a transaction, core %.1f us an "
              "input; load %.0f transactions a second\n\n"
              "| members | round trip | answered a second | median | 99 %% | blocks a second | one core busy with signatures |\n"
              "|---|---|---|---|---|---|---|\n",
              costs->sign_us, costs->verify_us, costs->sync_us, costs->execute_us, costs->core_us, a.load);
  std::vector<Point> points;
  for (auto rtt_ms : a.rtt_ms)
    for (auto members : a.members) {
      WanOptions options;
      options.members = members;
      options.rtt_us = rtt_ms * 1000;
      options.load = a.load;
      options.costs = *costs;
      options.measure_us = static_cast<std::uint64_t>(a.seconds * 1e6);
      auto r = run_wan(options);
      points.push_back({members, rtt_ms, r});
      std::printf("| %zu | %llu ms | %.0f | %.1f ms | %.1f ms | %.1f | %.0f %% |\n", members,
                  static_cast<unsigned long long>(rtt_ms), r.answered_per_s, static_cast<double>(r.p50_us) / 1000,
                  static_cast<double>(r.p99_us) / 1000, r.blocks_per_s, r.verify_share * 100);
      std::fflush(stdout);
    }
  if (a.svg.empty()) return 0;
  std::ofstream out(a.svg);
  out << to_svg(a, points);
  out.close();
  if (out) return 0;
  std::fprintf(stderr, "galen-sim: cannot write %s\n", a.svg.c_str());
  return 2;
}

}  // namespace

void add_wan(CLI::App& app, int& code) {
  auto a = std::make_shared<WanArguments>();
  auto* command = app.add_subcommand("wan", "latency and throughput of many members far apart, in virtual time");
  command->add_option("--nodes", a->members, "numbers of members")->delimiter(',')->check(CLI::Range(4, 100));
  command->add_option("--rtt", a->rtt_ms, "round trips in ms")->delimiter(',')->check(CLI::Range(1, 1000));
  command->add_option("--load", a->load, "transactions a second in all")->check(CLI::Range(1, 50'000))->capture_default_str();
  command->add_option("--seconds", a->seconds, "of virtual time that are measured")
      ->check(CLI::Range(0.5, 3600.0))
      ->capture_default_str();
  command->add_option("--directory", a->directory, "where syncs are measured")->capture_default_str();
  command->add_option("--svg", a->svg, "the curves as a picture in this file");
  command->callback([a, &code] { code = wan(*a); });
}

}  // namespace galen::sim
