// Making a snapshot, and every way in which a manifest, a part or a past block can be wrong.
#include <algorithm>

#include "galen/ledger/state_tree.hpp"
#include "unit/ledger/snapshot_world.hpp"

namespace galen::ledger::test {

namespace {

template <class Checked>
ErrorCode code_of(const Checked& checked) {
  return checked ? ErrorCode::OK : checked.error().code;
}

}  // namespace

TEST_F(SnapshotTest, ManifestHoldsAndIsItsOnlyForm) {
  EXPECT_EQ(code_of(manifest.verify(chain.genesis())), ErrorCode::OK);
  EXPECT_EQ(manifest.encode(), *files.manifest(kSnapshot));
  EXPECT_GE(manifest.depth, 1);
  EXPECT_EQ(manifest.height(), kSnapshot);
  EXPECT_EQ(manifest.certifying()->height, kSnapshot + 1);
}

TEST_F(SnapshotTest, PartsHoldEveryRowOnce) {
  std::map<std::string, Bytes> rows;
  for (std::uint32_t index = 0; index < manifest.nodes.size(); ++index)
    for (auto& row : rows_of(index)) EXPECT_TRUE(rows.emplace(row.key, row.value).second);
  std::size_t items = 0;
  for (Height height = 1; height <= kSnapshot; ++height) items += chain.transaction_ids(height).size();
  EXPECT_EQ(rows.size(), items + 2);  // and the two of genesis
}

TEST_F(SnapshotTest, FoldingTheNodesIsTheStateTreeAtEveryDepth) {
  std::vector<StateLeaf> leaves;
  for (std::uint32_t index = 0; index < manifest.nodes.size(); ++index)
    for (const auto& row : rows_of(index))
      leaves.push_back({crypto::state_path(kSuite, static_cast<std::uint8_t>(row.key[0]), as_bytes(row.key).subspan(1)),
                        crypto::hash(kSuite, row.value)});
  // Few leaves at great depth: many empty nodes, lone leaves that are lifted.
  for (std::size_t count : {0u, 1u, 2u, 3u, 9u, 200u}) {
    std::vector<StateLeaf> some(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<LeafChange> changes;
    for (const auto& leaf : some) changes.push_back({leaf.path, leaf.value_hash});
    StateTree::Options options;
    options.suite = kSuite;
    StateTree tree(options);
    auto root = tree.update(1, changes);
    ASSERT_OK(root);
    for (unsigned depth : {0u, 1u, 4u, 9u, 16u}) {
      std::vector<std::vector<StateLeaf>> parts(std::size_t{1} << depth);
      for (const auto& leaf : some) parts[snapshot_prefix(leaf.path, depth)].push_back(leaf);
      std::vector<SnapshotNode> nodes;
      for (const auto& part : parts) nodes.push_back(snapshot_node(kSuite, part, depth));
      EXPECT_EQ(snapshot_root(kSuite, nodes), *root) << count << " leaves, depth " << depth;
    }
  }
}

TEST_F(SnapshotTest, DamagedFilesAreAsGoodAsNone) {
  const auto path = source_dir.path() + "/snapshots/13/part-0";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(code_of(files.part(kSnapshot, 0)), ErrorCode::NOT_FOUND);
  EXPECT_EQ(code_of(files.part(kSnapshot, 60'000)), ErrorCode::NOT_FOUND);
  EXPECT_EQ(files.heights(), std::vector<Height>{kSnapshot});
  EXPECT_EQ(code_of(files.remove(kSnapshot)), ErrorCode::OK);
  EXPECT_TRUE(files.heights().empty());
}

TEST_F(SnapshotTest, AMakeThatIsStoppedLeavesNothing) {
  ASSERT_TRUE(files.remove(kSnapshot).has_value());
  TempDir dir;
  TestChain other(3);
  auto store = Store::create(other.options(dir));
  ASSERT_OK(store);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(other.advance(**store, 200).has_value());
  auto frozen = (*store)->snapshot();
  ASSERT_OK(frozen);
  SnapshotFiles own(dir.path());
  SnapshotFiles::Source stopped;
  stopped.view = frozen->get();
  stopped.headers = {other.block(2)->skeleton.header};
  stopped.context = other.context();
  stopped.pace = [] { return false; };
  EXPECT_EQ(code_of(own.make(stopped)), ErrorCode::CANCELLED);
  EXPECT_TRUE(own.heights().empty());
  // Rows of another height than the certified one are not kept.
  stopped.pace = [] { return true; };
  EXPECT_EQ(code_of(own.make(stopped)), ErrorCode::BAD_PROOF);
  EXPECT_TRUE(own.heights().empty());
}

TEST_F(SnapshotTest, BadManifests) {
  auto decode = [&](const Bytes& bytes) { return code_of(SnapshotManifest::decode(kSuite, bytes)); };
  auto verify = [&](const SnapshotManifest& changed) {
    return code_of(changed.verify(chain.genesis()));
  };
  const auto good = manifest.encode();
  auto with_byte = [&](std::size_t at, std::uint8_t value) {
    auto bytes = good;
    bytes[at] = value;
    return bytes;
  };
  // 1: layout and limits
  EXPECT_EQ(decode({}), ErrorCode::MALFORMED);
  EXPECT_EQ(decode(with_byte(0, 'X')), ErrorCode::MALFORMED);
  EXPECT_EQ(decode(with_byte(9, 2)), ErrorCode::UNSUPPORTED_VERSION);
  EXPECT_EQ(decode(with_byte(10, 17)), ErrorCode::MALFORMED);  // depth
  EXPECT_EQ(decode(with_byte(14, 1)), ErrorCode::MALFORMED);   // one header
  auto longer = good;
  longer.push_back(0);
  EXPECT_EQ(decode(longer), ErrorCode::MALFORMED);
  EXPECT_EQ(decode(Bytes(good.begin(), good.end() - 1)), ErrorCode::MALFORMED);
  auto changed = manifest;
  changed.nodes[0] = {SnapshotNode::Kind::subtree, {}, {}};
  EXPECT_EQ(decode(changed.encode()), ErrorCode::MALFORMED);  // a subtree of nothing
  changed = manifest;
  changed.nodes[0] = {SnapshotNode::Kind::leaf, {}, manifest.nodes[1].hash};
  changed.nodes[0].path.data[0] = 0xff;
  EXPECT_EQ(decode(changed.encode()), ErrorCode::MALFORMED);  // a leaf of another prefix
  auto epochs = manifest.nodes.size() * 33 + 4;
  EXPECT_EQ(decode(with_byte(good.size() - epochs + 3, 1)), ErrorCode::MALFORMED);  // a link that is not there
  EXPECT_EQ(decode(with_byte(good.size() - epochs, 1)), ErrorCode::MALFORMED);      // more links than a chain has
  // 2: the chain of headers
  changed = manifest;
  changed.headers[1].chain_id.data[0] ^= 1;
  EXPECT_EQ(verify(changed), ErrorCode::WRONG_CHAIN);
  changed = manifest;
  changed.headers[1].epoch = 2;
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  changed = manifest;
  changed.headers[2].flags |= kEpochEnd;
  EXPECT_EQ(verify(changed), ErrorCode::MALFORMED);
  changed = manifest;
  changed.epochs.push_back({manifest.headers[0].encode(), chain.genesis().member_set.encode(), {}});
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);  // a link of a block that ends no epoch
  changed = manifest;
  changed.headers.erase(changed.headers.begin() + 1);
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  for (std::size_t i = 0; i + 1 < manifest.headers.size(); ++i) {
    changed = manifest;
    changed.headers[i].state_root.data[0] ^= 1;
    EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  }
  // 4: the certificate
  changed = manifest;
  changed.headers.back().time_ms += 1;
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);
  changed = manifest;
  changed.headers.pop_back();
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);
  changed = manifest;
  changed.certificate.phase = VotePhase::prepare;
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);
  changed = manifest;
  changed.certificate.signatures[1].data[5] ^= 1;
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);
  changed = manifest;
  changed.certificate.signers.signers.pop_back();
  changed.certificate.signatures.pop_back();
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);  // q-1
  // 6, 7: frontier and nodes
  changed = manifest;
  changed.frontier.append(Hash{});
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  for (std::size_t i = 0; i < manifest.nodes.size(); ++i) {
    changed = manifest;
    changed.nodes[i].hash.data[31] ^= 1;
    EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
    changed = manifest;
    changed.nodes[i] = {};
    EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  }
  changed = manifest;
  std::swap(changed.nodes[0], changed.nodes[1]);
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
}

TEST_F(SnapshotTest, AManifestWhoseHeightNoHeaderCertifies) {
  auto changed = manifest;
  changed.headers = {chain.block(kTip - 1)->skeleton.header, chain.block(kTip)->skeleton.header};
  changed.headers[1].exec_height = kTip - 2;
  changed.certificate.subject.digest = changed.headers[1].digest(kSuite);
  changed.certificate = chain.certify(changed.headers[1]);
  EXPECT_EQ(code_of(changed.verify(chain.genesis())), ErrorCode::BAD_PROOF);
}

TEST_F(SnapshotTest, BadParts) {
  const auto good = *files.part(kSnapshot, 0);
  auto check = [&](const Bytes& bytes, std::uint32_t index = 0) {
    return code_of(check_snapshot_part(kSuite, place(index), manifest.nodes[index], bytes));
  };
  auto with_byte = [&](std::size_t at, std::uint8_t flip) {
    auto bytes = good;
    bytes[at] ^= flip;
    return bytes;
  };
  EXPECT_EQ(check(good), ErrorCode::OK);
  EXPECT_EQ(check(good, 1), ErrorCode::BAD_PROOF);
  EXPECT_EQ(check({}), ErrorCode::MALFORMED);
  EXPECT_EQ(check(Bytes(kSnapshotPartBytesMax + 1)), ErrorCode::TOO_LARGE);
  EXPECT_EQ(check(with_byte(1, 2)), ErrorCode::UNSUPPORTED_VERSION);
  EXPECT_EQ(check(with_byte(9, 1)), ErrorCode::BAD_PROOF);   // height
  EXPECT_EQ(check(with_byte(10, 1)), ErrorCode::BAD_PROOF);  // depth
  EXPECT_EQ(check(with_byte(14, 1)), ErrorCode::BAD_PROOF);  // index
  EXPECT_EQ(check(with_byte(15, 0x80)), ErrorCode::MALFORMED);
  EXPECT_EQ(check(with_byte(19, 0x80)), ErrorCode::MALFORMED);            // a key too long
  EXPECT_NE(check(with_byte(18, 1)), ErrorCode::OK);                      // one row more or less
  EXPECT_EQ(check(with_byte(good.size() - 1, 1)), ErrorCode::BAD_PROOF);  // a value
  EXPECT_EQ(check(Bytes(good.begin(), good.end() - 1)), ErrorCode::MALFORMED);

  auto rows = rows_of(0);
  ASSERT_GT(rows.size(), 2u);
  auto encoded = [&] { return encode_snapshot_part(place(0), rows); };
  std::swap(rows[0], rows[1]);
  EXPECT_EQ(check(encoded()), ErrorCode::BAD_PROOF);
  rows = rows_of(0);
  rows.insert(rows.begin(), rows[0]);
  EXPECT_EQ(check(encoded()), ErrorCode::BAD_PROOF);  // twice
  rows = rows_of(0);
  rows.erase(rows.begin() + 1);
  EXPECT_EQ(check(encoded()), ErrorCode::BAD_PROOF);  // missing
  rows = rows_of(0);
  rows.push_back(rows_of(1).back());
  EXPECT_EQ(check(encoded()), ErrorCode::BAD_PROOF);  // of another part
  rows = rows_of(0);
  rows[0].key.clear();
  EXPECT_EQ(check(encoded()), ErrorCode::MALFORMED);  // not even a kind
}

TEST_F(SnapshotTest, AKeyMayBeItsKindAlone) {
  const std::vector<StateRow> rows{{std::string(1, '\3'), Bytes{1}}};
  const StateLeaf leaf{crypto::state_path(kSuite, 3, {}), crypto::hash(kSuite, rows[0].value)};
  const SnapshotPartPlace whole{kSnapshot, 0, 0};
  auto checked = check_snapshot_part(kSuite, whole, snapshot_node(kSuite, std::span(&leaf, 1), 0),
                                     encode_snapshot_part(whole, rows));
  ASSERT_OK(checked);
  EXPECT_EQ(*checked, rows);
}

TEST_F(SnapshotTest, BadPastBlocks) {
  const PastWanted wanted{kSnapshot - 2, chain.info(kSnapshot - 2).digest, chain.info(kSnapshot - 2).results_root};
  auto view = source->snapshot();
  const auto good = **encode_past_block(**view, wanted.height);
  auto check = [&](const Bytes& bytes, const PastWanted& of) {
    return code_of(check_past_block(EpochChain(chain.genesis()), of, bytes));
  };
  EXPECT_EQ(check(good, wanted), ErrorCode::OK);
  auto other = wanted;
  other.height += 1;
  EXPECT_EQ(check(good, other), ErrorCode::BAD_PROOF);
  other = wanted;
  other.digest.data[0] ^= 1;
  EXPECT_EQ(check(good, other), ErrorCode::BAD_PROOF);
  other = wanted;
  other.results_root.data[0] ^= 1;
  EXPECT_EQ(check(good, other), ErrorCode::BAD_PROOF);
  EXPECT_EQ(check(Bytes(good.begin(), good.end() - 1), wanted), ErrorCode::MALFORMED);
  auto longer = good;
  longer.push_back(0);
  EXPECT_EQ(check(longer, wanted), ErrorCode::MALFORMED);
  EXPECT_EQ(check({}, wanted), ErrorCode::MALFORMED);
  // Whatever byte of it is another one, it is refused.
  Rng rng(7);
  for (int i = 0; i < 300; ++i) {
    auto bytes = good;
    bytes[rng.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << rng.below(8));
    EXPECT_NE(check(bytes, wanted), ErrorCode::OK);
  }
  // Certificates of another block are no certificates of this one; none at all is allowed.
  const auto other_block = **encode_past_block(**view, wanted.height - 1);
  ByteReader parts(good), others(other_block);
  const auto block = parts.sized(1 << 20), outcomes = parts.sized(1 << 20), below = parts.raw(32);
  others.sized(1 << 20), others.sized(1 << 20), others.raw(32);
  const auto foreign = others.sized(1 << 20);
  ASSERT_FALSE(foreign.empty());
  auto with_commit = [&](ByteSpan commit) {
    return ByteWriter().sized(block).sized(outcomes).raw(below).sized(commit).sized({}).bytes();
  };
  EXPECT_EQ(check(with_commit({}), wanted), ErrorCode::OK);
  EXPECT_EQ(check(with_commit(foreign), wanted), ErrorCode::BAD_CERTIFICATE);
  EXPECT_FALSE(encode_past_block(**view, kTip + 1)->has_value());
  EXPECT_FALSE(encode_past_block(**view, 0)->has_value());
}

}  // namespace galen::ledger::test
