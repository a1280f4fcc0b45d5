// galenctl member list|epochs|evidence|proposals|show|keygen|proof|admin-key|propose|vote|ready: who belongs to the
// consortium, and how that changes (docs/operations.md). register-service: which systems may call the member's own
// node.
#include "galenctl/noun_member.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "galen/crypto/random.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/dev_make.hpp"
#include "galenctl/key_file.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/write_call.hpp"

namespace galen::galenctl {
namespace {

std::string hex(const std::string& bytes) { return to_hex(as_bytes(bytes)); }

std::string status_name(ledger::v1::MemberStatus status) {
  switch (status) {
    case ledger::v1::MEMBER_STATUS_LEARNER:
      return "learner";
    case ledger::v1::MEMBER_STATUS_VOTER:
      return "voter";
    case ledger::v1::MEMBER_STATUS_REMOVED:
      return "removed";
    default:
      return "unknown";
  }
}

std::string change_text(const ledger::v1::MembersChange& change) {
  switch (change.kind_case()) {
    case ledger::v1::MembersChange::kAddLearner:
      return fmt::format("add learner {} ({})", printable(change.add_learner().name()),
                         hex(change.add_learner().member()));
    case ledger::v1::MembersChange::kPromote:
      return "promote " + hex(change.promote().member());
    case ledger::v1::MembersChange::kRemove:
      return "remove " + hex(change.remove().member());
    case ledger::v1::MembersChange::kRotateKey:
      return "rotate the consensus key of " + hex(change.rotate_key().member());
    case ledger::v1::MembersChange::kPinCa:
      return fmt::format("pin the CA {} of {}", hex(change.pin_ca().tls_ca()), hex(change.pin_ca().member()));
    default:
      return "an unknown change";
  }
}

void write_member(JsonWriter& writer, const v1::MemberInfo& member) {
  writer.begin_object().field("id", hex(member.id())).field("name", as_utf8(member.name()));
  writer.field("status", status_name(member.status())).field("index", std::uint64_t{member.index()});
  writer.field("consensus_key", hex(member.consensus_key())).field("tls_ca", hex(member.tls_ca()));
  writer.field("admin", hex(member.admin())).field("admin_has_key", member.admin_has_key());
  writer.field("ready_height", member.ready_height()).field("ready_time_ms", member.ready_time_ms());
  writer.field("ready", member.ready());
}

std::string remark(const v1::MemberInfo& member, const std::set<std::uint64_t>& proven) {
  if (!proven.empty())
    return fmt::format("SIGNED TWO VALUES in epoch {}: galenctl member evidence", fmt::join(proven, ", "));
  if (member.status() != ledger::v1::MEMBER_STATUS_LEARNER)
    return member.admin_has_key() ? "" : "its administrator has no key yet";
  if (member.ready()) return fmt::format("ready, shown at height {}", format_count(member.ready_height()));
  return member.ready_height() == 0 ? "has not shown that it follows" : "showed long ago that it follows";
}

Result<int> list(Context& context) {
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(v1::ListMembersRequest{}));
  GALEN_ASSIGN(auto proven, proven_epochs(client));
  std::vector<std::vector<std::string>> table = {{"#", "NAME", "STATUS", "REMARK", "ID"}};
  JsonWriter writer;
  writer.begin_object().field("epoch", answer.epoch()).field("first_height", answer.first_height());
  writer.field("members_hash", hex(answer.members_hash())).field("quorum", std::uint64_t{answer.quorum()});
  writer.field("faults_tolerated", std::uint64_t{answer.faults_tolerated()}).key("members").begin_array();
  for (const auto& member : answer.members()) {
    const bool votes = member.status() == ledger::v1::MEMBER_STATUS_VOTER;
    table.push_back({votes ? std::to_string(member.index()) : "-", printable(member.name()),
                     status_name(member.status()), remark(member, proven[member.id()]), hex(member.id())});
    write_member(writer, member);
    writer.key("equivocated_in").begin_array();
    for (auto epoch : proven[member.id()]) writer.value(epoch);
    writer.end_array().end_object();
  }
  writer.end_array().field("pending", answer.has_pending());
  context.output.say(fmt::format("epoch {} since height {}: {} voters, {} decide, {} may fail", answer.epoch(),
                                 format_count(answer.first_height()),
                                 std::count_if(answer.members().begin(), answer.members().end(),
                                               [](const auto& member) {
                                                 return member.status() == ledger::v1::MEMBER_STATUS_VOTER;
                                               }),
                                 answer.quorum(), answer.faults_tolerated()));
  context.output.say(format_table(table));
  if (answer.has_pending()) {
    const auto& pending = answer.pending();
    writer.field("pending_proposal", hex(pending.proposal_id())).field("pending_since", pending.since_height());
    context.output.say(fmt::format("approved at height {} and waiting for the end of the epoch: proposal {}",
                                   format_count(pending.since_height()), hex(pending.proposal_id())));
  }
  context.output.result(writer.end_object());
  return kExitOk;
}

Result<int> epochs(Context& context) {
  GALEN_ASSIGN(auto client, context.connect());
  std::vector<std::vector<std::string>> table = {{"EPOCH", "FROM HEIGHT", "VOTERS", "PROPOSAL"}};
  JsonWriter writer;
  writer.begin_object().key("epochs").begin_array();
  v1::ListEpochsRequest request;
  do {
    GALEN_ASSIGN(auto answer, client.call(request));
    for (const auto& epoch : answer.epochs()) {
      std::vector<std::string> names;
      writer.begin_object().field("epoch", epoch.epoch()).field("first_height", epoch.first_height());
      writer.field("members_hash", hex(epoch.members_hash())).field("proposal", hex(epoch.proposal_id()));
      writer.key("members").begin_array();
      for (const auto& member : epoch.members()) {
        names.push_back(printable(member.name()));
        write_member(writer, member);
        writer.end_object();
      }
      writer.end_array().end_object();
      table.push_back({std::to_string(epoch.epoch()), format_count(epoch.first_height()),
                       fmt::format("{}", fmt::join(names, ", ")),
                       epoch.proposal_id().empty() ? "genesis" : hex(epoch.proposal_id())});
    }
    request.set_from_epoch(answer.next_epoch());
  } while (request.from_epoch() != 0);
  context.output.say(format_table(table));
  context.output.result(writer.end_array().end_object());
  return kExitOk;
}

void write_ids(JsonWriter& writer, const char* name, const google::protobuf::RepeatedPtrField<std::string>& ids) {
  writer.key(name).begin_array();
  for (const auto& id : ids) writer.value(hex(id));
  writer.end_array();
}

void write_proposal(JsonWriter& writer, const v1::Proposal& proposal) {
  const auto& state = proposal.state();
  writer.begin_object().field("proposal_id", hex(proposal.proposal_id())).field("status", proposal.status());
  writer.field("change", as_utf8(change_text(state.change()))).field("proposer", hex(state.proposer()));
  writer.field("approvals", std::uint64_t{proposal.approvals()});
  writer.field("rejections", std::uint64_t{proposal.rejections()}).field("quorum", std::uint64_t{proposal.quorum()});
  writer.field("proposed_height", state.proposed_height()).field("expires_ms", state.expires_ms());
  writer.field("decided_height", state.decided_height());
  write_ids(writer, "approved_by", state.approvals());
  write_ids(writer, "rejected_by", state.rejections());
  write_ids(writer, "missing", proposal.missing());
  writer.end_object();
}

Result<int> proposals(Context& context, bool open_only) {
  GALEN_ASSIGN(auto client, context.connect());
  std::vector<std::vector<std::string>> table = {{"STATUS", "APPROVED", "UNTIL", "CHANGE", "PROPOSAL"}};
  JsonWriter writer;
  writer.begin_object().key("proposals").begin_array();
  v1::ListProposalsRequest request;
  request.set_open_only(open_only);
  do {
    GALEN_ASSIGN(auto answer, client.call(request));
    for (const auto& proposal : answer.proposals()) {
      table.push_back({proposal.status(), fmt::format("{} of {}", proposal.approvals(), proposal.quorum()),
                       format_time(proposal.state().expires_ms()), change_text(proposal.state().change()),
                       hex(proposal.proposal_id())});
      write_proposal(writer, proposal);
    }
    request.set_page_token(answer.next_page_token());
  } while (!request.page_token().empty());
  context.output.say(table.size() > 1 ? format_table(table)
                                      : open_only ? "nothing is proposed now" : "nothing was ever proposed");
  context.output.result(writer.end_array().end_object());
  return kExitOk;
}

Result<int> show(Context& context, const std::string& text) {
  GALEN_ASSIGN(auto id, parse_id("PROPOSAL", text));
  GALEN_ASSIGN(auto client, context.connect());
  v1::GetProposalRequest request;
  request.set_proposal_id(id.str());
  GALEN_ASSIGN(auto answer, client.call(request));
  GALEN_ASSIGN(auto members, client.call(v1::ListMembersRequest{}));
  const auto& proposal = answer.proposal();
  std::vector<std::string> missing;
  for (const auto& one : proposal.missing()) {
    std::string name = hex(one);
    for (const auto& member : members.members())
      if (member.id() == one) name = printable(member.name());
    missing.push_back(name);
  }
  context.output.say(fmt::format("{}: {}", proposal.status(), change_text(proposal.state().change())));
  context.output.say(fmt::format("{} of {} approvals needed, {} against; votes count until {}", proposal.approvals(),
                                 proposal.quorum(), proposal.rejections(), format_time(proposal.state().expires_ms())));
  if (!missing.empty()) context.output.say(fmt::format("has not voted: {}", fmt::join(missing, ", ")));
  JsonWriter writer;
  write_proposal(writer, proposal);
  context.output.result(writer);
  return kExitOk;
}

struct ServiceOptions {
  std::string id, cert;
  bool validate_only = false;
};

/// A system of this hospital becomes a principal: from then on its certificate is good at its own node.
Result<int> register_service(Context& context, const ServiceOptions& options) {
  if (options.id.empty() == options.cert.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "name the service by its ID or by --client-cert FILE");
  PrincipalId id;
  if (options.cert.empty()) {
    GALEN_ASSIGN(auto given, parse_id("ID", options.id));
    id.data = given.data;
  } else {
    GALEN_ASSIGN(id, principal_of_certificate(options.cert));
  }
  if (context.options.endpoint.empty() && context.options.client.empty() && !context.directory().empty())
    context.options.client = "admin";  // nobody else may
  v1::RegisterServiceRequest request;
  request.set_request_id(crypto::random_request_id().str());
  request.set_id(id.str());
  request.set_validate_only(options.validate_only);
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, call_write(context, client, request));
  JsonWriter writer;
  writer.begin_object().field("id", id.hex()).field("validate_only", options.validate_only);
  if (options.validate_only) {
    context.output.say("it would be registered; nothing was");
  } else {
    GALEN_TRY(check_outcome(answer.outcome()));
    context.output.say(fmt::format("registered service {} at height {}\ntransaction {}", id.hex(),
                                   format_count(answer.outcome().height()), hex(answer.outcome().transaction_id())));
    write_outcome(writer, answer.outcome());
  }
  context.output.result(writer.end_object());
  return kExitOk;
}

void add_admin_options(CLI::App* verb, AdminOptions& options) {
  verb->add_option("--admin-key", options.key, "The administrator's own key (default: the one made by dev up)");
  verb->add_option("--author", options.author, "His principal id (default: of the node's member)");
  verb->add_option("--genesis", options.genesis, "genesis.json (default: of --dir)");
  verb->add_flag("--dry-run", options.dry_run, "Only ask whether it would be accepted");
}

void add_readers(CLI::App& app, Context& context) {
  add_verb(app, "member", "list", "Voters in their order, then learners; what is pending")->callback([&context] {
    context.action = [&context] { return list(context); };
  });
  add_verb(app, "member", "epochs", "Who voted when, from the beginning")->callback([&context] {
    context.action = [&context] { return epochs(context); };
  });
  add_verb(app, "member", "evidence", "Who is proven to have signed two values for one place")->callback([&context] {
    context.action = [&context] { return list_evidence(context); };
  });
  auto open_only = std::make_shared<bool>(false);
  auto* all = add_verb(app, "member", "proposals", "What was proposed, oldest first");
  all->add_flag("--open", *open_only, "Only what can still be voted on");
  all->callback([&context, open_only] { context.action = [&context, open_only] { return proposals(context, *open_only); }; });
  auto id = std::make_shared<std::string>();
  auto* one = add_verb(app, "member", "show", "One proposal, and who has not voted");
  one->add_option("PROPOSAL", *id, "Its id, 64 hexadecimal digits")->required();
  one->callback([&context, id] { context.action = [&context, id] { return show(context, *id); }; });
}

void add_makers(CLI::App& app, Context& context) {
  add_keygen(app, context, "member", "Make a consensus key, or an administrator's key", "");
  auto options = std::make_shared<ProofOptions>();
  auto* proof = add_verb(app, "member", "proof", "Sign, with a consensus key, what others are to propose or submit");
  proof->add_option("KIND", options->kind, "admission, rotation or readiness")
      ->required()
      ->check(CLI::IsMember({"admission", "rotation", "readiness"}));
  proof->add_option("--consensus-key", options->consensus_key, "The key that signs; of a rotation: the new one")
      ->required();
  proof->add_option("--out,-o", options->out, "File for the result")->required();
  proof->add_option("--name", options->name, "admission: the hospital's name");
  proof->add_option("--admin-key", options->admin_key, "admission: the key of its first administrator");
  proof->add_option("--tls-ca", options->tls_ca, "admission: CA certificate (PEM) of its nodes and clients");
  proof->add_option("--id", options->id, "admission: its id (default: a random one)");
  proof->add_option("--admin", options->admin, "admission: its administrator's id (default: a random one)");
  proof->add_option("--member", options->member, "rotation, readiness: the member's name or id");
  proof->add_option("--genesis", options->genesis, "genesis.json (default: of --dir)");
  proof->callback([&context, options] { context.action = [&context, options] { return make_proof(context, *options); }; });
}

void add_service(CLI::App& app, Context& context) {
  auto service = std::make_shared<ServiceOptions>();
  auto* enrol =
      add_verb(app, "member", "register-service", "Let a system of this hospital call its node (as its administrator)");
  enrol->add_option("ID", service->id, "Principal id of its certificate, 64 hexadecimal digits");
  enrol->add_option("--client-cert", service->cert, "Or its certificate (PEM), which names the id");
  enrol->add_flag("--validate-only", service->validate_only, "Check everything, register nothing");
  enrol->callback(
      [&context, service] { context.action = [&context, service] { return register_service(context, *service); }; });
}

void add_writers(CLI::App& app, Context& context) {
  auto keys = std::make_shared<AdminKeyOptions>();
  auto* set = add_verb(app, "member", "admin-key", "Set the administrator's own key, which proposes and votes");
  add_admin_options(set, *keys);
  set->add_option("--present-key", keys->present_key, "The key it replaces; none the first time");
  set->callback([&context, keys] { context.action = [&context, keys] { return set_admin_key(context, *keys); }; });

  auto proposal = std::make_shared<ProposeOptions>();
  auto* propose = add_verb(app, "member", "propose", "Propose a change of the members; counts as our approval");
  propose->add_option("CHANGE", proposal->change, "add, promote, remove, rotate-key or pin-ca")
      ->required()
      ->check(CLI::IsMember({"add", "promote", "remove", "rotate-key", "pin-ca"}));
  propose->add_option("--paper", proposal->paper, "add, rotate-key: what member proof made");
  propose->add_option("--member", proposal->member, "promote, remove, pin-ca: the member's name or id");
  propose->add_option("--tls-ca", proposal->tls_ca, "pin-ca: the new CA certificate (PEM)");
  add_admin_options(propose, *proposal);
  propose->callback(
      [&context, proposal] { context.action = [&context, proposal] { return propose_members(context, *proposal); }; });

  auto ballot = std::make_shared<VoteOptions>();
  auto* vote = add_verb(app, "member", "vote", "Vote on a proposal; once, for our member");
  vote->add_option("PROPOSAL", ballot->proposal, "Its id, 64 hexadecimal digits")->required();
  auto* approve = vote->add_flag("--approve", ballot->approve, "We are for it");
  vote->add_flag("--reject", ballot->reject, "We are against it")->excludes(approve);
  add_admin_options(vote, *ballot);
  vote->callback([&context, ballot] { context.action = [&context, ballot] { return vote_members(context, *ballot); }; });

  auto paper = std::make_shared<ReadyOptions>();
  auto* ready = add_verb(app, "member", "ready", "Submit that a learner follows the chain");
  ready->add_option("--paper", paper->paper, "What member proof readiness made")->required();
  add_admin_options(ready, *paper);
  ready->callback([&context, paper] { context.action = [&context, paper] { return submit_readiness(context, *paper); }; });
}

}  // namespace

void add_member(CLI::App& app, Context& context) {
  add_readers(app, context);
  add_makers(app, context);
  add_writers(app, context);
  add_service(app, context);
  app.get_subcommand("member")->description("The consortium's members: who they are, and changing that");
}

}  // namespace galen::galenctl
