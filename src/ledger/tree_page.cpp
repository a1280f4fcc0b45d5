// Pages of the state tree: what stands between two cuts, as one row. A page proves itself: decoding computes its hash
// again, and that must be the one its parent holds.
#include "ledger/tree_node.hpp"

namespace galen::ledger {
namespace {

constexpr std::uint8_t kPageFormat = 1;
constexpr std::uint8_t kTagNone = 0;
constexpr std::uint8_t kTagInner = 5;
constexpr std::uint8_t kTagStub = 6;

Hash with_bit(Hash path, unsigned depth) {
  path.data[depth / 8] = static_cast<std::uint8_t>(path.data[depth / 8] | (0x80u >> (depth % 8)));
  return path;
}

Hash prefix_of(const Hash& path, unsigned depth) {
  Hash prefix;
  for (unsigned bit = 0; bit < depth; ++bit)
    if (crypto::path_bit(path, bit)) prefix = with_bit(prefix, bit);
  return prefix;
}

bool begins_child_page(const TreeNodePtr& node, unsigned depth, unsigned page_depth) {
  return node && node->kind != NodeKind::bucket && depth > page_depth && is_page_boundary(depth);
}

void append_node(ByteWriter& out, const TreeNodePtr& node, unsigned depth, unsigned page_depth) {
  if (!node) {
    out.u8(kTagNone);
  } else if (begins_child_page(node, depth, page_depth)) {
    out.u8(kTagStub).raw(node->hash);
  } else if (node->kind == NodeKind::bucket) {
    out.u8(node->leaf_count);
    for (const auto& leaf : node->leaves()) out.raw(leaf.path).raw(leaf.value_hash);
  } else {
    out.u8(kTagInner);
    append_node(out, node->left(), depth + 1, page_depth);
    append_node(out, node->right(), depth + 1, page_depth);
  }
}

bool shares_bits(const Hash& a, const Hash& b, unsigned count) {
  for (unsigned bit = 0; bit < count; ++bit)
    if (crypto::path_bit(a, bit) != crypto::path_bit(b, bit)) return false;
  return true;
}

TreeNodePtr read_bucket(ByteReader& in, std::size_t count, unsigned depth, const Hash& path, const NodeMaker& make) {
  TreeLeaf leaves[kBucketLeavesMax];
  for (std::size_t i = 0; i < count; ++i) {
    leaves[i].path = in.fixed<Hash>();
    leaves[i].value_hash = in.fixed<Hash>();
    // Hashing relies on leaves that ascend and stand where they belong; a damaged page must not get that far.
    if (!shares_bits(leaves[i].path, path, depth) || (i > 0 && !(leaves[i - 1].path < leaves[i].path))) in.fail();
  }
  if (!in.ok()) return {};
  return make.bucket({leaves, count}, depth);
}

TreeNodePtr read_node(ByteReader& in, unsigned depth, unsigned page_depth, const Hash& path, const NodeMaker& make) {
  auto tag = in.u8();
  bool below_cut = depth > page_depth && is_page_boundary(depth);
  if (tag == kTagNone) return {};
  if (tag <= kBucketLeavesMax) return read_bucket(in, tag, depth, path, make);
  if (tag == kTagStub && below_cut) {
    auto hash = in.fixed<Hash>();
    if (hash == Hash{}) in.fail();  // nothing stands there: no node, and no page
    return in.ok() ? make.stub(hash) : TreeNodePtr{};
  }
  if (tag == kTagInner && !below_cut && depth < kPathBits) {
    auto left = read_node(in, depth + 1, page_depth, path, make);
    auto right = read_node(in, depth + 1, page_depth, with_bit(path, depth), make);
    auto node = in.ok() ? make.join(std::move(left), std::move(right), depth) : TreeNodePtr{};
    if (node && node->kind == NodeKind::inner) return node;  // of fewer leaves it would be a bucket, or nothing
  }
  in.fail();
  return {};
}

Status visit_children(const TreeNodePtr& node, unsigned depth, unsigned page_depth, const Hash& path,
                      const ChildPageVisitor& visit) {
  if (begins_child_page(node, depth, page_depth)) return visit(node, depth, path);
  if (!node || node->kind != NodeKind::inner) return {};
  GALEN_TRY(visit_children(node->left(), depth + 1, page_depth, path, visit));
  return visit_children(node->right(), depth + 1, page_depth, with_bit(path, depth), visit);
}

}  // namespace

std::string page_key(unsigned depth, const Hash& path) {
  std::string key{kPageKeyFirst, static_cast<char>(depth)};
  for (unsigned bit = 0; bit < depth; bit += 8) {
    auto byte = path.data[bit / 8];
    if (depth - bit < 8) byte = static_cast<std::uint8_t>(byte & (0xff00u >> (depth - bit)));
    key.push_back(static_cast<char>(byte));
  }
  return key;
}

Bytes encode_page(const TreeNodePtr& node, unsigned depth) {
  ByteWriter out(1024);
  out.u8(kPageFormat);
  append_node(out, node, depth, depth);
  return std::move(out).take();
}

Result<TreeNodePtr> decode_page(crypto::Suite suite, ByteSpan page, unsigned depth, const Hash& path,
                                const Hash& hash) {
  ByteReader in(page);
  if (in.u8() != kPageFormat) in.fail();
  auto node = in.ok() ? read_node(in, depth, depth, prefix_of(path, depth), NodeMaker(suite, 0)) : TreeNodePtr{};
  if (!in.done() || hash_of(node) != hash)
    return make_error(ErrorCode::CORRUPT, "A page of the state tree at depth " + std::to_string(depth) +
                                              " does not hash to its parent's entry.");
  return node;
}

Result<TreeNodePtr> load_page(crypto::Suite suite, const PageSource& source, unsigned depth, const Hash& path,
                              const Hash& hash) {
  GALEN_ASSIGN(auto page, source.load(page_key(depth, path)));
  return decode_page(suite, page, depth, path, hash);
}

Status for_each_child_page(const TreeNodePtr& page, unsigned depth, const Hash& path, const ChildPageVisitor& visit) {
  return visit_children(page, depth, depth, path, visit);
}

}  // namespace galen::ledger
