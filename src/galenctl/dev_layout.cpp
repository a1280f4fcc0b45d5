#include "galenctl/dev_layout.hpp"

#include <fmt/format.h>

#include "galen/types/json.hpp"
#include "galenctl/files.hpp"
#include "galenctl/output.hpp"

namespace galen::galenctl {

DevLayout::DevLayout(std::string dir) : dir_(absolute_path(dir)) {
  while (dir_.size() > 1 && dir_.back() == '/') dir_.pop_back();
}

Result<DevLayout> DevLayout::load(const std::string& dir) {
  DevLayout layout(dir);
  std::string path = layout.dir_ + "/dev.json";
  if (!file_exists(path))
    return make_error(
        ErrorCode::NOT_FOUND,
        fmt::format("there is no consortium in {} (galenctl dev up --dir {} makes one)", layout.dir_, layout.dir_));
  GALEN_ASSIGN(auto text, read_text_file(path));
  auto document = JsonDocument::parse(std::move(text));
  auto broken = [&](std::string_view what) {
    return make_error(ErrorCode::CORRUPT, fmt::format("{}: {}", path, what));
  };
  if (!document) return broken(document.error().message);
  auto format = document->root().find("format");
  if (!format || format->unsigned_number() != 1) return broken("format must be 1");
  auto nodes = document->root().find("nodes");
  if (!nodes) return broken("nodes is missing");
  for (auto entry : nodes->children()) {
    DevNode node;
    node.number = layout.nodes.size() + 1;
    node.name = entry.find_text("name").value_or("");
    auto port = [&](std::string_view key) -> std::uint16_t {
      auto value = entry.find(key);
      return static_cast<std::uint16_t>(value ? value->unsigned_number().value_or(0) : 0);
    };
    node.peer_port = port("peer_port");
    node.api_port = port("api_port");
    if (node.name.empty() || node.peer_port == 0 || node.api_port == 0) return broken("a node lacks its name or ports");
    layout.nodes.push_back(std::move(node));
  }
  if (layout.nodes.empty()) return broken("nodes is empty");
  return layout;
}

Status DevLayout::save() const {
  JsonWriter writer;
  writer.begin_object().field("format", std::uint64_t{1}).key("nodes").begin_array();
  for (const auto& node : nodes) {
    writer.begin_object().field("name", node.name).field("peer_port", std::uint64_t{node.peer_port});
    writer.field("api_port", std::uint64_t{node.api_port});
    writer.end_object();
  }
  writer.end_array().end_object();
  return write_file(dir_ + "/dev.json", writer.text() + "\n");
}

Result<DevNode> DevLayout::find(const std::string& wanted) const {
  if (wanted.empty()) return nodes.front();
  std::string names;
  for (const auto& node : nodes) {
    if (node.name == wanted || std::to_string(node.number) == wanted) return node;
    names += (names.empty() ? "" : " ") + node.name;
  }
  return make_error(ErrorCode::NOT_FOUND,
                    fmt::format("there is no node {} here: 1 to {}, or {}", wanted, nodes.size(), names));
}

Endpoint DevLayout::client_endpoint(const DevNode& node, std::string_view client) const {
  auto base = fmt::format("{}/{}", clients_dir(node), client.empty() ? "galenctl" : client);
  return {fmt::format("127.0.0.1:{}", node.api_port), pki_dir(node) + "/ca.pem", base + ".pem", base + ".key"};
}

}  // namespace galen::galenctl
