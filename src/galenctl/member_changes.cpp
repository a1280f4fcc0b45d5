// What an administrator signs about the members, and the papers that consensus keys sign for it.
#include <fmt/format.h>

#include "galen/crypto/random.hpp"
#include "galen/crypto/x509.hpp"
#include "galen/types/membership.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/authored.hpp"
#include "galenctl/files.hpp"
#include "galenctl/member_papers.hpp"
#include "galenctl/noun_member.hpp"
#include "galenctl/outcome.hpp"

namespace galen::galenctl {

namespace {

Error usage(std::string text) { return make_error(ErrorCode::INVALID_ARGUMENT, std::move(text)); }

Result<std::string> key_path(const Context& context, const std::string& given) {
  if (!given.empty()) return given;
  if (context.directory().empty()) return usage("the administrator signs with his own key: name it with --admin-key FILE");
  GALEN_ASSIGN(auto layout, context.dev_layout());
  GALEN_ASSIGN(auto node, layout.find(context.options.node));
  return layout.admin_key_path(node);
}

/// The administrator of the node's own member, unless another is named.
Result<PrincipalId> find_author(Context& context, const std::string& given) {
  if (!given.empty()) {
    GALEN_ASSIGN(auto id, parse_id("--author", given));
    return *PrincipalId::from(id.span());
  }
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto self, client.call(v1::WhoAmIRequest{}));
  GALEN_ASSIGN(auto members, client.call(v1::ListMembersRequest{}));
  for (const auto& member : members.members()) {
    if (member.id() != self.member_id()) continue;
    if (auto id = PrincipalId::from(member.admin())) return *id;
  }
  return make_error(ErrorCode::MEMBER_NOT_FOUND,
                    fmt::format("the node's member {} is none now; name the administrator with --author", self.member()));
}

/// By name or id, of those there are now; a member that is gone is known by its id alone.
Result<PrincipalId> find_member(Context& context, const char* option, const std::string& text) {
  if (text.empty()) return usage(fmt::format("{} is missing: the member's name or id", option));
  if (auto id = PrincipalId::parse_hex(text)) return *id;
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto members, client.call(v1::ListMembersRequest{}));
  std::string names;
  for (const auto& member : members.members()) {
    auto id = PrincipalId::from(member.id());
    if (id && member.name() == text) return *id;
    names += (names.empty() ? "" : ", ") + printable(member.name());
  }
  return make_error(ErrorCode::MEMBER_NOT_FOUND, fmt::format("nobody is called {} here: {}", text, names));
}

Result<Hash> read_ca(const std::string& path) {
  if (path.empty()) return usage("--tls-ca is missing: the CA certificate (PEM) of the member's nodes and clients");
  GALEN_ASSIGN(auto pem, read_text_file(path, 64 * 1024));
  return crypto::certificate_fingerprint(pem);
}

/// Signed with the administrator's key, unless it only asks. Tells the outcome after `said`.
Result<int> sign(Context& context, const AdminOptions& options, ledger::v1::Operation operation, const std::string& said,
                 JsonWriter writer) {
  GALEN_ASSIGN(auto genesis, load_genesis(context, options.genesis));
  GALEN_ASSIGN(auto path, key_path(context, options.key));
  GALEN_ASSIGN(auto key, crypto::PrivateKey::load(genesis.suite, path));
  GALEN_ASSIGN(auto author, find_author(context, options.author));
  GALEN_ASSIGN(auto outcome, submit(context, genesis, {author, &key, std::move(operation), options.dry_run}));
  writer.field("dry_run", options.dry_run);
  if (outcome) {
    context.output.say(fmt::format("{}, at height {}\ntransaction {}", said, format_count(outcome->height()),
                                   to_hex(as_bytes(outcome->transaction_id()))));
    write_outcome(writer, *outcome);
  } else {
    context.output.say(fmt::format("it would be accepted now: {}", said));
  }
  context.output.result(writer.end_object());
  return kExitOk;
}

struct Given {
  const char* option;
  const std::string& value;
  std::string_view goes_with;  ///< words with commas
};
/// What would be left aside may be what was meant: nothing is signed on a guess.
Status check_given(const std::string& word, std::initializer_list<Given> all) {
  for (const auto& [option, value, goes_with] : all)
    if (!value.empty() && fmt::format(", {},", goes_with).find(fmt::format(" {},", word)) == std::string::npos)
      return usage(fmt::format("{} goes with {}, not with {}", option, goes_with, word));
  return {};
}

Result<ledger::v1::MembersChange> build_change(Context& context, const ProposeOptions& options) {
  GALEN_TRY(check_given(options.change, {{"--paper", options.paper, "add, rotate-key"},
                                         {"--member", options.member, "promote, remove, pin-ca"},
                                         {"--tls-ca", options.tls_ca, "pin-ca"}}));
  ledger::v1::MembersChange change;
  const bool has_paper = options.change == "add" || options.change == "rotate-key";
  if (has_paper) {
    if (options.paper.empty())
      return usage(fmt::format("{} needs --paper FILE, made where the consensus key lies: galenctl member proof {}",
                               options.change, options.change == "add" ? "admission" : "rotation"));
    GALEN_ASSIGN(auto genesis, load_genesis(context, options.genesis));
    if (options.change == "add") {
      GALEN_ASSIGN(*change.mutable_add_learner(), load_admission(genesis, options.paper));
    } else {
      GALEN_ASSIGN(*change.mutable_rotate_key(), load_rotation(genesis, options.paper));
    }
    return change;
  }
  GALEN_ASSIGN(auto member, find_member(context, "--member", options.member));
  if (options.change == "promote") {
    change.mutable_promote()->set_member(member.str());
  } else if (options.change == "remove") {
    change.mutable_remove()->set_member(member.str());
  } else {
    GALEN_ASSIGN(auto tls_ca, read_ca(options.tls_ca));
    change.mutable_pin_ca()->set_member(member.str());
    change.mutable_pin_ca()->set_tls_ca(tls_ca.str());
  }
  return change;
}

Result<std::string> admission(const Genesis& genesis, const ProofOptions& options, const crypto::PrivateKey& key) {
  MemberAdmission admission;
  if (!is_member_name(options.name)) return usage("--name: the hospital's name, 1 to 128 bytes of printable UTF-8");
  if (options.admin_key.empty()) return usage("--admin-key is missing: make one with galenctl member keygen");
  GALEN_ASSIGN(auto admin_key, crypto::PrivateKey::load(genesis.suite, options.admin_key));
  GALEN_ASSIGN(admission.tls_ca, read_ca(options.tls_ca));
  auto id_of = [](const char* option, const std::string& text) -> Result<PrincipalId> {
    if (text.empty()) return crypto::random_fixed<PrincipalId>();
    GALEN_ASSIGN(auto id, parse_id(option, text));
    return *PrincipalId::from(id.span());
  };
  GALEN_ASSIGN(admission.member, id_of("--id", options.id));
  GALEN_ASSIGN(admission.admin, id_of("--admin", options.admin));
  admission.consensus_key = key.public_key();
  admission.admin_key = admin_key.public_key();
  admission.name = options.name;
  return admission_paper(genesis, admission, key);
}

/// The newest root that the chain keeps, as the node asked (the learner's own) came to it.
Result<std::string> readiness(Context& context, const Genesis& genesis, const ProofOptions& options,
                              const crypto::PrivateKey& key) {
  GALEN_ASSIGN(auto member, find_member(context, "--member", options.member));
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto status, client.call(v1::GetStatusRequest{}));
  if (status.mode() == v1::NODE_MODE_DIVERGED)
    return make_error(ErrorCode::DIVERGED, "this node's state differs from the certified one; it shows nothing");
  GALEN_ASSIGN(auto members, client.call(v1::ListMembersRequest{}));
  if (members.certified_roots().empty())
    return make_error(ErrorCode::LEARNER_STATE_UNKNOWN, "the chain keeps no root yet; wait for a few blocks");
  const auto& newest = members.certified_roots(members.certified_roots_size() - 1);
  auto root = Hash::from(newest.state_root());
  if (!root) return make_error(ErrorCode::INTERNAL, "the node answered with a root of another length");
  return readiness_paper(genesis, member, newest.height(), *root, key);
}

}  // namespace

Result<int> propose_members(Context& context, const ProposeOptions& options) {
  ledger::v1::Operation operation;
  auto& body = *operation.mutable_propose_members();
  GALEN_ASSIGN(*body.mutable_change(), build_change(context, options));
  const auto id = crypto::random_fixed<Hash>();
  body.set_proposal_id(id.str());
  JsonWriter writer;
  writer.begin_object().field("proposal_id", id.hex()).field("change", options.change);
  return sign(context, options, std::move(operation), fmt::format("proposed: {}\nproposal {}", options.change, id.hex()),
              std::move(writer));
}

Result<int> vote_members(Context& context, const VoteOptions& options) {
  GALEN_ASSIGN(auto id, parse_id("PROPOSAL", options.proposal));
  if (options.approve == options.reject) return usage("say --approve or --reject");
  ledger::v1::Operation operation;
  operation.mutable_vote_members()->set_proposal_id(id.str());
  operation.mutable_vote_members()->set_vote(options.approve ? ledger::v1::MEMBERS_VOTE_APPROVE
                                                             : ledger::v1::MEMBERS_VOTE_REJECT);
  JsonWriter writer;
  writer.begin_object().field("proposal_id", id.hex()).field("vote", options.approve ? "approve" : "reject");
  return sign(context, options, std::move(operation), options.approve ? "approved" : "rejected", std::move(writer));
}

Result<int> submit_readiness(Context& context, const ReadyOptions& options) {
  GALEN_ASSIGN(auto genesis, load_genesis(context, options.genesis));
  ledger::v1::Operation operation;
  GALEN_ASSIGN(*operation.mutable_learner_ready(), load_readiness(genesis, options.paper));
  const auto height = operation.learner_ready().height();
  JsonWriter writer;
  writer.begin_object().field("member", to_hex(as_bytes(operation.learner_ready().member()))).field("height", height);
  return sign(context, options, std::move(operation),
              fmt::format("the learner is ready as of height {}", format_count(height)), std::move(writer));
}

Result<int> set_admin_key(Context& context, const AdminKeyOptions& options) {
  GALEN_ASSIGN(auto genesis, load_genesis(context, options.genesis));
  GALEN_ASSIGN(auto path, key_path(context, options.key));
  GALEN_ASSIGN(auto next, crypto::PrivateKey::load(genesis.suite, path));
  std::optional<crypto::PrivateKey> present;
  if (!options.present_key.empty()) {
    GALEN_ASSIGN(present, crypto::PrivateKey::load(genesis.suite, options.present_key));
  } else if (context.options.endpoint.empty() && !context.directory().empty()) {
    context.options.client = "admin";  // nobody else may submit what he does not sign
  }
  GALEN_ASSIGN(auto author, find_author(context, options.author));
  Authored authored{author, present ? &*present : nullptr, {}, options.dry_run};
  auto& body = *authored.operation.mutable_set_admin_key();
  body.set_key(next.public_key().str());
  body.set_proof(next.sign(admin_key_sign_bytes(genesis.chain_id, author, next.public_key())).str());
  GALEN_ASSIGN(auto outcome, submit(context, genesis, std::move(authored)));
  JsonWriter writer;
  writer.begin_object().field("admin", author.hex()).field("public_key", next.public_key().hex());
  writer.field("dry_run", options.dry_run);
  if (outcome) write_outcome(writer, *outcome);
  context.output.say(outcome ? fmt::format("the key in {} speaks for administrator {} now", path, author.hex())
                             : "it would be accepted now");
  context.output.result(writer.end_object());
  return kExitOk;
}

Result<int> make_proof(Context& context, const ProofOptions& options) {
  if (file_exists(options.out) && !is_written_through(options.out))
    return make_error(ErrorCode::ALREADY_EXISTS, fmt::format("{} exists", options.out));
  GALEN_TRY(check_given(options.kind, {{"--name", options.name, "admission"},
                                       {"--id", options.id, "admission"},
                                       {"--admin", options.admin, "admission"},
                                       {"--admin-key", options.admin_key, "admission"},
                                       {"--tls-ca", options.tls_ca, "admission"},
                                       {"--member", options.member, "rotation, readiness"}}));
  GALEN_ASSIGN(auto genesis, load_genesis(context, options.genesis));
  GALEN_ASSIGN(auto key, crypto::PrivateKey::load(genesis.suite, options.consensus_key));
  std::string paper;
  if (options.kind == "admission") {
    GALEN_ASSIGN(paper, admission(genesis, options, key));
  } else if (options.kind == "rotation") {
    GALEN_ASSIGN(auto member, find_member(context, "--member", options.member));
    paper = rotation_paper(genesis, member, key);
  } else {
    GALEN_ASSIGN(paper, readiness(context, genesis, options, key));
  }
  GALEN_TRY(write_file(options.out, paper));
  context.output.say(fmt::format("{} in {}; nothing in it is secret", options.kind, options.out));
  JsonWriter writer;
  context.output.result(writer.begin_object().field("file", options.out).field("kind", options.kind).end_object());
  return kExitOk;
}

}  // namespace galen::galenctl
