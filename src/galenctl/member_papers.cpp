#include "galenctl/member_papers.hpp"

#include <fmt/format.h>

#include <charconv>

#include "galen/types/json.hpp"
#include "galenctl/files.hpp"
#include "galenctl/output.hpp"

namespace galen::galenctl {

namespace {

constexpr std::string_view kAdmission = "member admission", kRotation = "member key rotation",
                           kReadiness = "learner readiness";

JsonWriter begin(std::string_view paper, const Genesis& genesis, const PrincipalId& member) {
  JsonWriter writer;
  writer.begin_object().field("galen", paper).field("chain_id", genesis.chain_id.hex()).field("member", member.hex());
  return writer;
}
std::string finish(JsonWriter& writer, const char* name, const Signature& signature) {
  return writer.field(name, signature.hex()).end_object().text() + "\n";
}

/// A paper that was read: its fields by name.
class Paper {
 public:
  static Result<Paper> load(const Genesis& genesis, const std::string& path, std::string_view kind) {
    GALEN_ASSIGN(auto text, read_text_file(path, 64 * 1024));
    GALEN_ASSIGN(auto document, JsonDocument::parse(std::move(text)));
    Paper paper(std::move(document), path);
    if (paper.document_.root().find_text("galen") != kind)
      return make_error(ErrorCode::INVALID_ARGUMENT,
                        fmt::format("{} is no {}: make one with galenctl member proof", path, kind));
    if (paper.document_.root().find_text("chain_id") != genesis.chain_id.hex())
      return make_error(ErrorCode::WRONG_CHAIN, fmt::format("{} was made for another chain", path));
    return paper;
  }
  template <class Fixed>
  Result<Fixed> fixed(const char* name) const {
    auto value = Fixed::parse_hex(document_.root().find_text(name).value_or(""));
    if (value) return *value;
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      fmt::format("{}: {} must be {} hexadecimal digits", path_, name, 2 * Fixed::kSize));
  }
  Result<std::string> text(const char* name) const {
    if (auto value = document_.root().find_text(name)) return *value;
    return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("{}: {} is missing", path_, name));
  }

 private:
  Paper(JsonDocument document, const std::string& path) : document_(std::move(document)), path_(path) {}
  JsonDocument document_;
  std::string path_;
};

Status check_proof(const Genesis& genesis, const PublicKey& key, ByteSpan sign_bytes, const Signature& proof,
                   const std::string& path) {
  if (crypto::verify(genesis.suite, key, sign_bytes, proof)) return {};
  return make_error(ErrorCode::BAD_POSSESSION_PROOF,
                    fmt::format("{}: the proof is not the consensus key's over what stands there", path));
}

}  // namespace

std::string admission_paper(const Genesis& genesis, const MemberAdmission& admission, const crypto::PrivateKey& key) {
  auto writer = begin(kAdmission, genesis, admission.member);
  writer.field("name", admission.name).field("consensus_key", admission.consensus_key.hex());
  writer.field("tls_ca", admission.tls_ca.hex()).field("admin", admission.admin.hex());
  writer.field("admin_key", admission.admin_key.hex());
  return finish(writer, "proof", key.sign(admission.sign_bytes(genesis.chain_id)));
}

std::string rotation_paper(const Genesis& genesis, const PrincipalId& member, const crypto::PrivateKey& key) {
  auto writer = begin(kRotation, genesis, member);
  writer.field("consensus_key", key.public_key().hex());
  return finish(writer, "proof", key.sign(member_key_sign_bytes(genesis.chain_id, member, key.public_key())));
}

std::string readiness_paper(const Genesis& genesis, const PrincipalId& member, Height height, const Hash& state_root,
                            const crypto::PrivateKey& key) {
  auto writer = begin(kReadiness, genesis, member);
  writer.field("height", std::to_string(height)).field("state_root", state_root.hex());
  return finish(writer, "signature",
                key.sign(learner_ready_sign_bytes(genesis.chain_id, member, height, state_root)));
}

Result<ledger::v1::AddLearner> load_admission(const Genesis& genesis, const std::string& path) {
  GALEN_ASSIGN(auto paper, Paper::load(genesis, path, kAdmission));
  MemberAdmission admission;
  GALEN_ASSIGN(admission.member, paper.fixed<PrincipalId>("member"));
  GALEN_ASSIGN(admission.consensus_key, paper.fixed<PublicKey>("consensus_key"));
  GALEN_ASSIGN(admission.tls_ca, paper.fixed<Hash>("tls_ca"));
  GALEN_ASSIGN(admission.admin, paper.fixed<PrincipalId>("admin"));
  GALEN_ASSIGN(admission.admin_key, paper.fixed<PublicKey>("admin_key"));
  GALEN_ASSIGN(admission.name, paper.text("name"));
  GALEN_ASSIGN(auto proof, paper.fixed<Signature>("proof"));
  if (!is_member_name(admission.name))
    return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("{}: name does not do as a member's", path));
  GALEN_TRY(check_proof(genesis, admission.consensus_key, admission.sign_bytes(genesis.chain_id), proof, path));
  return admission.with_proof(proof);
}

Result<ledger::v1::RotateMemberKey> load_rotation(const Genesis& genesis, const std::string& path) {
  GALEN_ASSIGN(auto paper, Paper::load(genesis, path, kRotation));
  GALEN_ASSIGN(auto member, paper.fixed<PrincipalId>("member"));
  GALEN_ASSIGN(auto key, paper.fixed<PublicKey>("consensus_key"));
  GALEN_ASSIGN(auto proof, paper.fixed<Signature>("proof"));
  GALEN_TRY(check_proof(genesis, key, member_key_sign_bytes(genesis.chain_id, member, key), proof, path));
  ledger::v1::RotateMemberKey out;
  out.set_member(member.str());
  out.set_consensus_key(key.str());
  out.set_proof(proof.str());
  return out;
}

Result<ledger::v1::LearnerReady> load_readiness(const Genesis& genesis, const std::string& path) {
  GALEN_ASSIGN(auto paper, Paper::load(genesis, path, kReadiness));
  GALEN_ASSIGN(auto member, paper.fixed<PrincipalId>("member"));
  GALEN_ASSIGN(auto text, paper.text("height"));
  GALEN_ASSIGN(auto root, paper.fixed<Hash>("state_root"));
  GALEN_ASSIGN(auto signature, paper.fixed<Signature>("signature"));
  std::uint64_t height = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), height);
  if (failure != std::errc() || end != text.data() + text.size() || height == 0)
    return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("{}: height must be a number above 0", path));
  ledger::v1::LearnerReady out;
  out.set_member(member.str());
  out.set_height(height);
  out.set_state_root(root.str());
  out.set_signature(signature.str());
  return out;
}

}  // namespace galen::galenctl
