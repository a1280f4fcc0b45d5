#include "galen/types/membership.hpp"

#include "galen/types/limits.hpp"
#include "types/utf8.hpp"

namespace galen {

namespace {

/// What a proof of possession is for; never renumbered.
enum class Purpose : std::uint8_t { admission = 1, member_key = 2, admin_key = 3 };

/// The signer is no member of the set, or may not be one when it counts: the prefix names no epoch.
ByteWriter start(const Hash& chain_id, MessageType type) {
  ChainContext context;
  context.chain_id = chain_id;
  context.epoch = 0;
  ByteWriter out(512);
  out.raw(sign_prefix(context, type));
  return out;
}

ByteWriter start_possession(const Hash& chain_id, Purpose purpose, const PrincipalId& owner, const PublicKey& key) {
  auto out = start(chain_id, MessageType::possession);
  out.u8(static_cast<std::uint8_t>(purpose)).raw(owner).raw(key);
  return out;
}

}  // namespace

bool is_member_name(std::string_view name) {
  if (name.empty() || name.size() > limits::kMemberNameBytesMax) return false;
  for (std::size_t i = 0; i < name.size();) {
    const auto length = utf8_length(name.substr(i));
    const auto byte = static_cast<unsigned char>(name[i]);
    if (length == 0 || byte < 0x20 || byte == 0x7f) return false;
    if (byte == 0xc2 && static_cast<unsigned char>(name[i + 1]) < 0xa0) return false;  // C1
    i += length;
  }
  return true;
}

Bytes MemberAdmission::sign_bytes(const Hash& chain_id) const {
  GALEN_ASSERT(is_member_name(name));
  auto out = start_possession(chain_id, Purpose::admission, member, consensus_key);
  out.raw(tls_ca).raw(admin).raw(admin_key).u8(static_cast<std::uint8_t>(name.size())).raw(name);
  return std::move(out).take();
}

ledger::v1::AddLearner MemberAdmission::with_proof(const Signature& proof) const {
  ledger::v1::AddLearner out;
  out.set_member(member.str());
  out.set_consensus_key(consensus_key.str());
  out.set_tls_ca(tls_ca.str());
  out.set_admin(admin.str());
  out.set_admin_key(admin_key.str());
  out.set_name(name);
  out.set_proof(proof.str());
  return out;
}

Bytes member_key_sign_bytes(const Hash& chain_id, const PrincipalId& member, const PublicKey& key) {
  return start_possession(chain_id, Purpose::member_key, member, key).take();
}

Bytes admin_key_sign_bytes(const Hash& chain_id, const PrincipalId& admin, const PublicKey& key) {
  return start_possession(chain_id, Purpose::admin_key, admin, key).take();
}

Bytes learner_ready_sign_bytes(const Hash& chain_id, const PrincipalId& member, Height height, const Hash& state_root) {
  return std::move(start(chain_id, MessageType::learner_ready).raw(member).u64(height).raw(state_root)).take();
}

}  // namespace galen
