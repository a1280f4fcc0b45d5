// A development consortium on disk, below one directory D: dev.json (names and ports, kept for restarts), genesis.json,
// pki/A (the member's CA, which no node sees), clients/A (certificates of people and systems of A), node-1 …
// (node.toml, keys/, data/, log/, galend.pid), patients/ (pseudonyms by name). Only for machines of developers: all
// keys lie together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "galen/base/result.hpp"
#include "galenctl/client.hpp"

namespace galen::galenctl {

struct DevNode {
  std::size_t number = 0;  ///< from 1
  std::string name;        ///< member name: A, B, …
  std::uint16_t peer_port = 0, api_port = 0;
};

class DevLayout {
 public:
  explicit DevLayout(std::string dir);  ///< made absolute
  /// NOT_FOUND if there is no consortium, CORRUPT if dev.json is not ours.
  static Result<DevLayout> load(const std::string& dir);
  /// Writes dev.json, the last step of making a consortium: without it the directory counts as unfinished.
  Status save() const;

  std::vector<DevNode> nodes;

  /// By number or member name; the first node for an empty text. NOT_FOUND names those there are.
  Result<DevNode> find(const std::string& node) const;
  /// `client` = "galenctl" (a registered service, and what an empty one means) or "admin".
  Endpoint client_endpoint(const DevNode& node, std::string_view client) const;

  const std::string& dir() const { return dir_; }
  std::string genesis_path() const { return dir_ + "/genesis.json"; }
  std::string pki_dir(const DevNode& node) const { return dir_ + "/pki/" + node.name; }
  std::string clients_dir(const DevNode& node) const { return dir_ + "/clients/" + node.name; }
  /// An administrator's own key, for what he signs himself; his certificate's key is another.
  std::string admin_key_path(const DevNode& node) const { return clients_dir(node) + "/admin-author.pem"; }
  std::string node_dir(const DevNode& node) const { return dir_ + "/node-" + std::to_string(node.number); }
  std::string config_path(const DevNode& node) const { return node_dir(node) + "/node.toml"; }
  std::string data_dir(const DevNode& node) const { return node_dir(node) + "/data"; }
  std::string log_path(const DevNode& node) const { return node_dir(node) + "/log/galend.log"; }
  std::string pid_path(const DevNode& node) const { return node_dir(node) + "/galend.pid"; }
  std::string patient_path(const std::string& name) const { return dir_ + "/patients/" + name + ".json"; }

 private:
  std::string dir_;
};

}  // namespace galen::galenctl
