#include "galen/ledger/snapshot_manifest.hpp"

#include <bit>

#include "ledger/tree_node.hpp"

namespace galen::ledger {
namespace {

constexpr std::string_view kMagic = "GALENSNP";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kFrontierBytesMax = 8 + 64 * Hash::kSize;

Error malformed(const char* what) { return make_error(ErrorCode::MALFORMED, std::string("manifest: ") + what); }
Error bad_proof(const char* what) { return make_error(ErrorCode::BAD_PROOF, std::string("manifest: ") + what); }

Hash hash_of_node(crypto::Suite suite, const SnapshotNode& node) {
  if (node.kind == SnapshotNode::Kind::leaf) return crypto::state_leaf_of_hash(suite, node.path, node.hash);
  return node.hash;  // zero when empty
}

SnapshotNode join(crypto::Suite suite, const SnapshotNode& left, const SnapshotNode& right) {
  if (left.kind == SnapshotNode::Kind::empty && right.kind != SnapshotNode::Kind::subtree) return right;
  if (right.kind == SnapshotNode::Kind::empty && left.kind != SnapshotNode::Kind::subtree) return left;
  return {SnapshotNode::Kind::subtree,
          {},
          crypto::state_inner(suite, hash_of_node(suite, left), hash_of_node(suite, right))};
}

void append_node(ByteWriter& out, const SnapshotNode& node) {
  out.u8(static_cast<std::uint8_t>(node.kind));
  if (node.kind == SnapshotNode::Kind::leaf) out.raw(node.path);
  if (node.kind != SnapshotNode::Kind::empty) out.raw(node.hash);
}

SnapshotNode read_node(ByteReader& in, unsigned depth, std::uint32_t index) {
  SnapshotNode node;
  auto kind = in.u8();
  if (kind > static_cast<std::uint8_t>(SnapshotNode::Kind::subtree)) in.fail();
  node.kind = static_cast<SnapshotNode::Kind>(kind);
  if (node.kind == SnapshotNode::Kind::leaf) {
    node.path = in.fixed<Hash>();
    if (snapshot_prefix(node.path, depth) != index) in.fail();
  }
  if (node.kind != SnapshotNode::Kind::empty) node.hash = in.fixed<Hash>();
  if (node.kind == SnapshotNode::Kind::subtree && node.hash.is_zero()) in.fail();
  return node;
}

}  // namespace

std::uint32_t snapshot_prefix(const Hash& path, unsigned depth) {
  GALEN_ASSERT(depth <= kSnapshotDepthMax);
  const auto first = static_cast<std::uint32_t>(path.data[0]) << 8 | path.data[1];
  return first >> (kSnapshotDepthMax - depth);
}

SnapshotNode snapshot_node(crypto::Suite suite, std::span<const StateLeaf> leaves, unsigned depth) {
  if (leaves.empty()) return {};
  if (leaves.size() == 1) return {SnapshotNode::Kind::leaf, leaves[0].path, leaves[0].value_hash};
  std::vector<TreeLeaf> sorted;
  sorted.reserve(leaves.size());
  for (const auto& leaf : leaves) sorted.push_back({leaf.path, leaf.value_hash});
  return {SnapshotNode::Kind::subtree, {}, subtree_hash(suite, sorted, depth)};
}

Hash snapshot_root(crypto::Suite suite, std::vector<SnapshotNode> nodes) {
  GALEN_ASSERT(std::has_single_bit(nodes.size()));
  for (; nodes.size() > 1; nodes.resize(nodes.size() / 2))
    for (std::size_t i = 0; i < nodes.size() / 2; ++i) nodes[i] = join(suite, nodes[2 * i], nodes[2 * i + 1]);
  return hash_of_node(suite, nodes.front());
}

const BlockHeader* SnapshotManifest::certifying() const {
  for (std::size_t i = 1; i < headers.size(); ++i)
    if (headers[i].exec_height == height()) return &headers[i];
  return nullptr;
}

Bytes SnapshotManifest::encode() const {
  ByteWriter out(headers.size() * kHeaderBytes + nodes.size() * (1 + 2 * Hash::kSize) + 4096);
  out.raw(kMagic).u16(kVersion).u8(depth).u32(static_cast<std::uint32_t>(headers.size()));
  for (const auto& header : headers) out.raw(header.encode());
  certificate.append_to(out);
  out.sized(frontier.encode()).u32(static_cast<std::uint32_t>(epochs.size()));
  for (const auto& link : epochs) link.append_to(out);
  for (const auto& node : nodes) append_node(out, node);
  return std::move(out).take();
}

Result<SnapshotManifest> SnapshotManifest::decode(crypto::Suite suite, ByteSpan bytes) {
  ByteReader in(bytes);
  if (as_text(in.raw(kMagic.size())) != kMagic) return malformed("it is none");
  auto version = in.u16();
  if (in.ok() && version != kVersion) return make_error(ErrorCode::UNSUPPORTED_VERSION, "manifest: unknown version");
  SnapshotManifest out;
  out.depth = in.u8();
  auto count = in.u32();
  if (!in.ok() || out.depth > kSnapshotDepthMax || count < 2 || count > kSnapshotHeadersMax)
    return malformed("its depth or its count of headers");
  for (std::uint32_t i = 0; i < count; ++i) {
    auto raw = in.raw(kHeaderBytes);
    if (!in.ok()) return malformed("its headers");
    GALEN_ASSIGN(auto header, BlockHeader::decode(raw));
    out.headers.push_back(header);
  }
  if (out.headers.front().height == 0) return malformed("there is no snapshot of block 0");
  GALEN_ASSIGN(out.certificate, QuorumCertificate::read(in));
  auto frontier = crypto::MerkleFrontier::decode(suite, in.sized(kFrontierBytesMax));
  auto links = in.u32();
  if (!in.ok() || !frontier) return malformed("its frontier");
  out.frontier = std::move(*frontier);
  if (links > limits::kEpochLinksMax) return malformed("its count of links between epochs");
  for (; links > 0 && in.ok(); --links) out.epochs.push_back(EpochLink::read(in));
  if (!in.ok()) return malformed("its links between epochs");
  for (std::uint32_t i = 0; i < 1u << out.depth && in.ok(); ++i) out.nodes.push_back(read_node(in, out.depth, i));
  if (!in.done()) return malformed("its nodes");
  return out;
}

Result<EpochChain> SnapshotManifest::verify(const Genesis& genesis) const {
  const auto suite = genesis.suite;
  auto chain = EpochChain::follow(genesis, epochs);
  if (!chain) return Error{chain.error().code, "manifest: " + chain.error().message};
  for (const auto& header : headers)
    if (auto status = chain->check(header); !status)
      return Error{status.error().code, "manifest: a header: " + status.error().message};
  for (std::size_t i = 1; i < headers.size(); ++i) {
    if (headers[i].height != headers[i - 1].height + 1) return bad_proof("its heights do not ascend by one");
    if (headers[i].parent != headers[i - 1].digest(suite)) return bad_proof("its headers are no chain");
  }
  const auto& last = headers.back();
  if (certificate.phase != VotePhase::commit || certificate.subject.height != last.height ||
      certificate.subject.digest != last.digest(suite))
    return {ErrorCode::BAD_CERTIFICATE, "manifest: the certificate is no COMMIT-QC of its last header"};
  GALEN_TRY(certificate.verify(chain->context_of(last.epoch), chain->members_of(last.epoch)));
  const auto* executed = certifying();
  if (executed == nullptr) return bad_proof("no header certifies the state of its height");
  if (frontier.size() != height() || frontier.root() != headers.front().history_root)
    return bad_proof("its frontier is not that of the header");
  if (snapshot_root(suite, nodes) != executed->state_root)
    return bad_proof("its nodes do not lead to the certified state root");
  return chain;
}

}  // namespace galen::ledger
