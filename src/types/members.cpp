#include "galen/types/members.hpp"

#include <algorithm>
#include <set>

#include "galen/types/limits.hpp"

namespace galen {

namespace {

constexpr std::uint16_t kMembersVersion = 1;
constexpr std::size_t kMemberBytes = PrincipalId::kSize + PublicKey::kSize + Hash::kSize;

bool are_distinct(const std::vector<Member>& members) {
  std::set<PrincipalId> ids;
  std::set<PublicKey> keys;
  for (const auto& member : members) ids.insert(member.id), keys.insert(member.consensus_key);
  return ids.size() == members.size() && keys.size() == members.size();
}

}  // namespace

MemberSet::MemberSet(std::vector<Member> members) : members_(std::move(members)) {
  GALEN_ASSERT(members_.size() <= limits::kMembersMax);
  GALEN_ASSERT(are_distinct(members_));
}

std::optional<MemberIndex> MemberSet::index_of(const PrincipalId& id) const {
  auto found = std::find_if(members_.begin(), members_.end(), [&](const Member& member) { return member.id == id; });
  if (found == members_.end()) return std::nullopt;
  return static_cast<MemberIndex>(found - members_.begin());
}

Bytes MemberSet::encode() const {
  ByteWriter out(4 + members_.size() * kMemberBytes);
  out.u16(kMembersVersion).u16(static_cast<std::uint16_t>(members_.size()));
  for (const auto& member : members_) out.raw(member.id).raw(member.consensus_key).raw(member.tls_ca);
  return std::move(out).take();
}

Result<MemberSet> MemberSet::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  auto version = in.u16();
  std::size_t count = in.u16();
  if (!in.ok()) return {ErrorCode::MALFORMED, "members: too short"};
  if (version != kMembersVersion) return {ErrorCode::UNSUPPORTED_VERSION, "members: unknown version"};
  if (count == 0 || count > limits::kMembersMax) return {ErrorCode::MALFORMED, "members: count out of range"};
  if (in.remaining() != count * kMemberBytes) return {ErrorCode::MALFORMED, "members: wrong length"};
  std::vector<Member> members(count);
  for (auto& member : members) {
    member.id = in.fixed<PrincipalId>();
    member.consensus_key = in.fixed<PublicKey>();
    member.tls_ca = in.fixed<Hash>();
  }
  if (!are_distinct(members)) return {ErrorCode::MALFORMED, "members: an id or a key stands twice"};
  return MemberSet(std::move(members));
}

Hash MemberSet::hash(crypto::Suite suite) const { return crypto::hash_tagged(suite, "galen/1 members", {encode()}); }

std::size_t changed_identities(const MemberSet& from, const MemberSet& to) {
  std::size_t kept = 0, rotated = 0;
  for (const auto& member : from.all()) {
    const auto index = to.index_of(member.id);
    if (!index) continue;
    ++kept;
    if (to[*index].consensus_key != member.consensus_key) ++rotated;
  }
  return (from.size() - kept) + (to.size() - kept) + rotated;
}

Bytes sign_prefix(const ChainContext& context, MessageType type) {
  ByteWriter out(kSignPrefixBytes + 2 * Hash::kSize + 64);
  out.raw("GALEN/1").u8(0).u8(static_cast<std::uint8_t>(type)).u8(1);
  out.raw(context.chain_id).u64(context.epoch).raw(context.members_hash);
  return std::move(out).take();
}

}  // namespace galen
