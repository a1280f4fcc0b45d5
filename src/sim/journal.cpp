#include "sim/journal.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace galen::sim {

namespace {

// Text: characters. Picture: pixels.
constexpr std::size_t kTimeWidth = 10;
constexpr std::size_t kColumnWidth = 26;
constexpr std::size_t kTop = 70, kLeft = 110, kColumn = 190, kLine = 18;

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

}  // namespace

void Journal::keep(Moment moment) {
  if (moment.at_ms < from_ms_ || moment.at_ms > to_ms_) return;
  moments_.push_back(std::move(moment));
  if (moments_.size() > moments_max_) moments_.pop_front();
}

std::string Journal::to_text(const std::vector<std::string>& names) const {
  auto column = [](std::size_t place) { return kTimeWidth + 2 + place * kColumnWidth; };
  std::string head = fmt::format("{:>{}}  ", "ms", kTimeWidth);
  for (const auto& name : names) head += fmt::format("{:<{}}", name, kColumnWidth);
  while (head.back() == ' ') head.pop_back();
  auto out = head + "\n";
  std::string lifelines(column(names.size() - 1) + 1, ' ');
  for (std::size_t place = 0; place < names.size(); ++place) lifelines[column(place)] = '|';
  for (const auto& moment : moments_) {
    auto line = lifelines;
    auto put = [&](std::size_t at, const std::string& text) {
      if (line.size() < at + text.size()) line.resize(at + text.size(), ' ');
      line.replace(at, text.size(), text);
    };
    put(0, fmt::format("{:>{}}", moment.at_ms, kTimeWidth));
    if (moment.from == moment.to) {
      put(column(moment.from), "* " + moment.text);
    } else {
      auto first = column(std::min(moment.from, moment.to)), last = column(std::max(moment.from, moment.to));
      put(first + 1, std::string(last - first - 1, '-'));
      // Beside its sender, so that it can be read however far it goes.
      auto text = " " + moment.text.substr(0, kColumnWidth - 6) + " ";
      put(moment.from < moment.to ? first + 2 : last - 1 - text.size(), text);
      put(moment.from < moment.to ? last - 1 : first + 1, moment.from < moment.to ? ">" : "<");
    }
    out += line + "\n";
  }
  return out;
}

std::string Journal::to_svg(const std::vector<std::string>& names, const std::string& title) const {
  auto x = [](std::size_t place) { return kLeft + place * kColumn; };
  auto width = x(names.size()) + kColumn / 2, height = kTop + (moments_.size() + 2) * kLine;
  auto out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"monospace\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<defs><marker id=\"head\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\">"
      "<path d=\"M0,1 L7,4 L0,7 z\" fill=\"#1f4e79\"/></marker></defs>\n<text x=\"10\" y=\"22\" "
      "font-size=\"14\">{2}</text>\n",
      width, height, escaped(title));
  for (std::size_t place = 0; place < names.size(); ++place)
    out += fmt::format(
        "<text x=\"{0}\" y=\"{1}\" text-anchor=\"middle\" font-weight=\"bold\">{2}</text>\n"
        "<line x1=\"{0}\" y1=\"{3}\" x2=\"{0}\" y2=\"{4}\" stroke=\"#999999\"/>\n",
        x(place), kTop - 20, escaped(names[place]), kTop - 10, height - kLine);
  auto y = kTop;
  for (const auto& moment : moments_) {
    out += fmt::format("<text x=\"10\" y=\"{}\" fill=\"#666666\">{}</text>\n", y + 4, moment.at_ms);
    if (moment.from == moment.to) {
      out += fmt::format(
          "<circle cx=\"{0}\" cy=\"{1}\" r=\"3\" fill=\"#a23b00\"/><text x=\"{2}\" y=\"{3}\" "
          "fill=\"#a23b00\">{4}</text>\n",
          x(moment.from), y, x(moment.from) + 7, y + 4, escaped(moment.text));
    } else {
      bool right = moment.from < moment.to;
      out += fmt::format(
          "<line x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\" stroke=\"#1f4e79\" marker-end=\"url(#head)\"/>"
          "<text x=\"{3}\" y=\"{4}\" text-anchor=\"{5}\" fill=\"#1f4e79\">{6}</text>\n",
          x(moment.from), y, x(moment.to), right ? x(moment.from) + 8 : x(moment.from) - 8, y - 3,
          right ? "start" : "end", escaped(moment.text));
    }
    y += kLine;
  }
  return out + "</svg>\n";
}

}  // namespace galen::sim
