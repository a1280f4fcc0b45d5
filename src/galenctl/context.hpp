// What every noun gets: where to connect, as whom, and where to print. Target, first hit wins: --endpoint with its
// certificate files; --dir (with --node) of a consortium that `dev up` made; GALEN_ENDPOINT …; GALEN_DIR. One thread.
#pragma once

#include <functional>
#include <string>

#include "galen/crypto/hash.hpp"
#include "galenctl/client.hpp"
#include "galenctl/dev_layout.hpp"
#include "galenctl/output.hpp"

namespace CLI {
class App;
}

namespace galen::galenctl {

struct GlobalOptions {
  std::string dir;                  ///< --dir
  std::string node;                 ///< --node: number from 1, or member name
  std::string client;               ///< --as: galenctl or admin; empty: galenctl
  std::string endpoint, ca, cert, key;
  double timeout_s = 30;
};

class Context {
 public:
  explicit Context(Output& output) : output(output) {}
  Output& output;
  GlobalOptions options;
  /// Set by the verb that was named; main runs it after parsing.
  std::function<Result<int>()> action;
  /// Of a verb that reads (read_flags.hpp); goes with each of its reading calls.
  v1::ReadOptions read_options;

  Result<Client> connect() const;
  /// To one node of a development consortium, whatever --node says.
  Result<Client> connect_to(const DevNode& node, std::string_view client) const;
  ClientOptions client_options() const;
  /// Of a verb that asks all nodes below --dir, whatever else is named: INVALID_ARGUMENT with the option that cannot
  /// apply.
  Status check_all_nodes(bool node_applies) const;
  /// The consortium below --dir or GALEN_DIR; INVALID_ARGUMENT if none is named, NOT_FOUND if there is none.
  Result<DevLayout> dev_layout() const;
  /// The directory named, empty if none.
  std::string directory() const;
  /// The genesis file: the argument, else that of the directory.
  Result<std::string> genesis_path(const std::string& argument) const;
  /// The suite of the directory's consortium; p256-sha256 if no directory is named.
  Result<crypto::Suite> suite() const;

 private:
  Result<Endpoint> endpoint() const;
};

/// Every noun adds its subcommand here; the list is the grammar.
void add_dev(CLI::App& app, Context& context);
void add_record(CLI::App& app, Context& context);
void add_patient(CLI::App& app, Context& context);
void add_consent(CLI::App& app, Context& context);
void add_access(CLI::App& app, Context& context);
void add_receipt(CLI::App& app, Context& context);
void add_tx(CLI::App& app, Context& context);
void add_node(CLI::App& app, Context& context);
void add_ledger(CLI::App& app, Context& context);
void add_events(CLI::App& app, Context& context);
void add_state(CLI::App& app, Context& context);
void add_evidence(CLI::App& app, Context& context);
void add_member(CLI::App& app, Context& context);
void add_completion(CLI::App& app, Context& context);

/// Checks an option in seconds: from `least` to a hundred days, and a number ("nan" is within every range).
std::function<std::string(const std::string&)> seconds_from(double least);
/// A verb below a noun; the noun is made on first use.
CLI::App* add_verb(CLI::App& app, const std::string& noun, const std::string& verb, const std::string& text);

}  // namespace galen::galenctl
