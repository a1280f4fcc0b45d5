// Every way in which a link between epochs can be wrong, and what the chain answers when all are right.
#include "galen/types/epoch_chain.hpp"

#include <gtest/gtest.h>

#include "unit/epoch_parts.hpp"
#include "unit/suite.hpp"

namespace galen {
namespace {

using test::commit_by;
using test::KeyedMembers;
using test::make_link;
const auto kSuite = galen::test::suite();

class EpochChainTest : public testing::Test {
 protected:
  EpochChainTest() {
    genesis.suite = kSuite;
    genesis.chain_id = test::random_id<Hash>(rng);
    sets.push_back(test::make_members(kSuite, 4, rng));
    genesis.member_set = sets[0].set();
    step(10, sets.back().add(rng));
    step(25, sets.back().rotate(1));
    step(26, sets.back().remove(3));
  }

  /// Ends the newest epoch at this height.
  void step(Height height, KeyedMembers next) {
    auto header = end(sets.size(), height, next);
    links.push_back(make_link(header, next, commit_by(sets.back(), genesis.chain_id, sets.size(), header)));
    sets.push_back(std::move(next));
  }
  BlockHeader end(Epoch epoch, Height height, const KeyedMembers& next) const {
    BlockHeader out;
    out.flags = kEpochEnd;
    out.chain_id = genesis.chain_id;
    out.epoch = epoch;
    out.view = 2;
    out.height = height;
    out.next_members_hash = next.hash();
    return out;
  }
  BlockHeader header(Epoch epoch, Height height) const {
    BlockHeader out;
    out.chain_id = genesis.chain_id;
    out.epoch = epoch;
    out.height = height;
    return out;
  }

  /// A first link whose header is changed, signed by a quorum of epoch 1.
  void header_fails(ErrorCode code, const std::function<void(BlockHeader&)>& change) const {
    auto changed = end(1, 10, sets[1]);
    change(changed);
    fails(code, "header", make_link(changed, sets[1], commit_by(sets[0], genesis.chain_id, 1, changed)));
  }
  /// A first link to other members, signed by a quorum of epoch 1.
  void members_fail(ErrorCode code, const Bytes& next) const {
    auto changed = end(1, 10, sets[1]);
    changed.next_members_hash = crypto::hash_tagged(kSuite, "galen/1 members", {next});
    fails(code, "next_members",
          {changed.encode(), next, commit_by(sets[0], genesis.chain_id, 1, changed).encode()});
  }
  void members_fail(ErrorCode code, const KeyedMembers& next) const { members_fail(code, next.set().encode()); }
  void commit_fails(ErrorCode code, const QuorumCertificate& certificate) const {
    fails(code, "commit_certificate", make_link(end(1, 10, sets[1]), sets[1], certificate));
  }
  void fails(ErrorCode code, const std::string& field, const EpochLink& link) const {
    EpochChain chain(genesis);
    auto status = chain.add(link);
    ASSERT_FALSE(status) << field;
    EXPECT_EQ(to_reason(status.error().code), to_reason(code)) << status.error().message;
    EXPECT_EQ(status.error().message.substr(0, field.size() + 2), field + ": ");
    EXPECT_EQ(chain.last(), 1u) << "what fails changes nothing";
  }
  static std::string message(const Result<EpochChain>& chain) { return chain ? "valid" : chain.error().message; }

  Rng rng{7};
  Genesis genesis;
  std::vector<KeyedMembers> sets;  ///< [0]: of epoch 1
  std::vector<EpochLink> links;
};

TEST_F(EpochChainTest, AnswersForEveryEpoch) {
  auto chain = EpochChain::follow(genesis, links);
  ASSERT_TRUE(chain) << chain.error().message;
  ASSERT_EQ(chain->last(), 4u);
  EXPECT_FALSE(chain->has(0));
  EXPECT_FALSE(chain->has(5));
  for (Epoch epoch = 1; epoch <= 4; ++epoch) {
    const auto& set = sets[epoch - 1];
    EXPECT_EQ(chain->members_of(epoch).all(), set.members);
    const auto& context = chain->context_of(epoch);
    EXPECT_EQ(context.epoch, epoch);
    EXPECT_EQ(context.members_hash, set.hash());
    EXPECT_EQ(context.chain_id, genesis.chain_id);
  }
  EXPECT_EQ(chain->first_height(1), 0u);
  EXPECT_EQ(chain->first_height(2), 11u);
  EXPECT_EQ(chain->end_height(3), Height{26});
  EXPECT_FALSE(chain->end_height(4));
  const std::pair<Height, Epoch> heights[] = {{0, 1}, {10, 1}, {11, 2}, {25, 2}, {26, 3}, {27, 4}, {1'000'000, 4}};
  for (auto [height, epoch] : heights) EXPECT_EQ(chain->epoch_at(height), epoch) << height;
  EXPECT_EQ(chain->signers(3, {5, {0, 1, 4}}),
            (Signers{3, 5, {sets[2].members[0].id, sets[2].members[1].id, sets[2].members[4].id}}));
}

TEST_F(EpochChainTest, OrderAndNumber) {
  auto follow = [&](std::vector<EpochLink> some) { return EpochChain::follow(genesis, some); };
  auto part = [&](std::vector<EpochLink> some) {
    auto text = message(follow(std::move(some)));
    return text.substr(0, text.find(": "));
  };
  EXPECT_EQ(follow({links[0], links[1]})->last(), 3u);
  EXPECT_EQ(part({links[1], links[2]}), "epochs[0].header");
  EXPECT_EQ(part({links[0], links[2]}), "epochs[1].header");
  EXPECT_EQ(part({links[1], links[0]}), "epochs[0].header");
  EXPECT_EQ(part({links[0], links[0]}), "epochs[1].header");
  auto many = follow(std::vector<EpochLink>(limits::kEpochLinksMax + 1));
  EXPECT_EQ(many.error().code, ErrorCode::TOO_LARGE);
  EXPECT_EQ(message(many).substr(0, 8), "epochs: ");
}

TEST_F(EpochChainTest, HeadersThatEndNothing) {
  header_fails(ErrorCode::WRONG_CHAIN, [](auto& h) { h.chain_id.data[0] ^= 1; });
  header_fails(ErrorCode::MALFORMED, [](auto& h) { h.height = 0; });
  header_fails(ErrorCode::MALFORMED, [](auto& h) { h.flags = kTenureEnd | kEpochEnd; });
  header_fails(ErrorCode::MALFORMED, [](auto& h) { h.next_members_hash = {}; });
  header_fails(ErrorCode::BAD_PROOF, [](auto& h) { h.flags = 0; });
  header_fails(ErrorCode::BAD_PROOF, [](auto& h) { h.flags = kTenureEnd; });
  header_fails(ErrorCode::BAD_PROOF, [](auto& h) { h.epoch = 2; });
  header_fails(ErrorCode::BAD_PROOF, [](auto& h) { h.epoch = 0; });
  // Above the greatest height no epoch begins; the one below it is as good as any.
  header_fails(ErrorCode::BAD_PROOF, [](auto& h) { h.height = UINT64_MAX; });
  auto almost = end(1, UINT64_MAX - 1, sets[1]);
  EpochChain before_last(genesis);
  ASSERT_TRUE(before_last.add(make_link(almost, sets[1], commit_by(sets[0], genesis.chain_id, 1, almost))));
  EXPECT_EQ(before_last.first_height(2), UINT64_MAX);
  EXPECT_EQ(before_last.end_height(1), Height{UINT64_MAX - 1});
  EXPECT_TRUE(before_last.check(header(2, UINT64_MAX)));
  EXPECT_FALSE(before_last.check(header(2, 1)));
  auto cut = links[0];
  cut.header.pop_back();
  fails(ErrorCode::MALFORMED, "header", cut);
  cut.header = links[0].header;
  cut.header[1] = 2;
  fails(ErrorCode::UNSUPPORTED_VERSION, "header", cut);
  // The second end must be above the first.
  auto again = end(2, 10, sets[2]);
  links[1] = make_link(again, sets[2], commit_by(sets[1], genesis.chain_id, 2, again));
  auto chain = EpochChain::follow(genesis, links);
  EXPECT_EQ(message(chain).substr(0, 18), "epochs[1].header: ");
  EXPECT_EQ(chain.error().code, ErrorCode::BAD_PROOF);
}

TEST_F(EpochChainTest, MembersThatMayNotFollow) {
  const auto& old = sets[0];
  const auto good = sets[1].set().encode();
  auto link = links[0];
  link.next_members[40] ^= 1;
  fails(ErrorCode::BAD_PROOF, "next_members", link);
  auto changed = good;
  changed[1] = 2;
  members_fail(ErrorCode::UNSUPPORTED_VERSION, changed);
  members_fail(ErrorCode::MALFORMED, Bytes{});
  changed = good;
  changed.pop_back();
  members_fail(ErrorCode::MALFORMED, changed);
  members_fail(ErrorCode::MALFORMED, old.remove(3));
  auto zero = sets[1];
  zero.members[4].id = {};
  members_fail(ErrorCode::MALFORMED, zero);
  auto no_point = sets[1];
  no_point.members[4].consensus_key.data[64] ^= 1;
  members_fail(ErrorCode::MALFORMED, no_point);
}

TEST_F(EpochChainTest, AtMostFIdentitiesChange) {
  const auto& old = sets[0];
  auto takes = [&](const KeyedMembers& before, const KeyedMembers& next) {
    Genesis other = genesis;
    other.member_set = before.set();
    EpochChain chain(other);
    auto header = end(1, 10, next);
    auto status = chain.add(make_link(header, next, commit_by(before, genesis.chain_id, 1, header)));
    EXPECT_TRUE(status || status.error().code == ErrorCode::BAD_PROOF) << status.error().message;
    EXPECT_TRUE(status || status.error().message.starts_with("next_members: ")) << status.error().message;
    return status.has_value();
  };
  EXPECT_TRUE(takes(old, old)) << "an epoch may end without a change";
  EXPECT_TRUE(takes(old, old.add(rng)));
  EXPECT_TRUE(takes(old, old.rotate(2)));
  auto pinned = old;
  pinned.members[0].tls_ca = test::random_id<Hash>(rng);
  std::swap(pinned.members[1], pinned.members[2]);
  std::swap(pinned.keys[1], pinned.keys[2]);
  EXPECT_TRUE(takes(old, pinned)) << "neither a CA nor a place in the list is an identity";
  EXPECT_FALSE(takes(old, old.add(rng).add(rng)));
  EXPECT_FALSE(takes(old, old.add(rng).remove(0))) << "one in another's place is two";
  EXPECT_FALSE(takes(old, old.rotate(0).rotate(1)));
  EXPECT_FALSE(takes(old, old.add(rng).rotate(0)));
  auto swapped = old;
  std::swap(swapped.members[0].consensus_key, swapped.members[1].consensus_key);
  EXPECT_FALSE(takes(old, swapped));
  // f of the old set counts, of the new one nothing.
  const auto seven = test::make_members(kSuite, 7, rng);
  EXPECT_TRUE(takes(seven, seven.add(rng).remove(0)));
  EXPECT_TRUE(takes(seven, seven.remove(0).remove(0)));
  EXPECT_FALSE(takes(seven, seven.remove(0).remove(0).rotate(0)));
  const auto six = test::make_members(kSuite, 6, rng);
  EXPECT_FALSE(takes(six, six.add(rng).add(rng)));
}

TEST_F(EpochChainTest, CertificatesThatDoNotEndTheEpoch) {
  const auto header = end(1, 10, sets[1]);
  const auto good = commit_by(sets[0], genesis.chain_id, 1, header);
  auto link = links[0];
  link.commit_certificate.clear();
  fails(ErrorCode::MALFORMED, "commit_certificate", link);
  link.commit_certificate = good.encode();
  link.commit_certificate[1] = 9;
  fails(ErrorCode::UNSUPPORTED_VERSION, "commit_certificate", link);
  auto changed = good;
  changed.phase = VotePhase::prepare;
  commit_fails(ErrorCode::BAD_CERTIFICATE, changed);
  changed = good;
  changed.subject.height = 11;
  commit_fails(ErrorCode::BAD_PROOF, changed);
  changed = good;
  changed.subject.digest.data[0] ^= 1;
  commit_fails(ErrorCode::BAD_PROOF, changed);
  changed = good;
  changed.subject.view = 1;
  commit_fails(ErrorCode::BAD_PROOF, changed);
  changed = good;
  changed.signers.signers.pop_back();
  changed.signatures.pop_back();
  commit_fails(ErrorCode::BAD_CERTIFICATE, changed);
  changed = good;
  changed.signatures[1].data[5] ^= 1;
  commit_fails(ErrorCode::BAD_CERTIFICATE, changed);
  commit_fails(ErrorCode::BAD_CERTIFICATE, commit_by(sets[1], genesis.chain_id, 2, header));
  commit_fails(ErrorCode::BAD_CERTIFICATE, commit_by(sets[0], genesis.chain_id, 2, header));
  commit_fails(ErrorCode::BAD_CERTIFICATE, commit_by(sets[0].rotate(0), genesis.chain_id, 1, header));
}

TEST_F(EpochChainTest, OwnLinksMayLackTheirCertificate) {
  links[2].commit_certificate.clear();
  EXPECT_FALSE(EpochChain::follow(genesis, links));
  auto own = EpochChain::follow_own(genesis, links);
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_EQ(own->members_of(4).all(), sets[3].members);
  links[1].next_members.back() ^= 1;
  EXPECT_EQ(EpochChain::follow_own(genesis, links).error().code, ErrorCode::BAD_PROOF) << "all else is looked at";
}

TEST_F(EpochChainTest, HeadersOfAProof) {
  auto chain = EpochChain::follow(genesis, std::vector<EpochLink>{links[0], links[1]});
  ASSERT_TRUE(chain);
  auto code = [&](const BlockHeader& header) {
    auto status = chain->check(header);
    return status ? ErrorCode::OK : status.error().code;
  };
  const std::pair<Epoch, Height> good[] = {{1, 1}, {1, 10}, {2, 11}, {2, 25}, {3, 26}, {3, 1'000'000}};
  for (auto [epoch, height] : good) EXPECT_EQ(code(header(epoch, height)), ErrorCode::OK) << epoch << " " << height;
  EXPECT_EQ(code(end(1, 10, sets[1])), ErrorCode::OK);
  // Old keys do not speak above their end, new ones not below it; of epoch 4 nothing is known.
  const std::pair<Epoch, Height> bad[] = {{0, 1}, {1, 11}, {2, 10}, {2, 26}, {3, 25}, {4, 27}};
  for (auto [epoch, height] : bad) EXPECT_EQ(code(header(epoch, height)), ErrorCode::BAD_PROOF) << epoch << " " << height;
  EXPECT_EQ(code(header(1, 0)), ErrorCode::MALFORMED);
  auto both = end(1, 10, sets[1]);
  both.flags |= kTenureEnd;
  EXPECT_EQ(code(both), ErrorCode::MALFORMED);
  auto nobody = end(1, 10, sets[1]);
  nobody.next_members_hash = {};
  EXPECT_EQ(code(nobody), ErrorCode::MALFORMED);
  auto foreign = header(1, 1);
  foreign.chain_id.data[1] ^= 1;
  EXPECT_EQ(code(foreign), ErrorCode::WRONG_CHAIN);
}

TEST_F(EpochChainTest, LayoutOfALink) {
  ByteWriter out;
  links[0].append_to(out);
  const auto bytes = std::move(out).take();
  ByteReader in(bytes);
  EXPECT_EQ(EpochLink::read(in), links[0]);
  EXPECT_TRUE(in.done());
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    ByteReader cut(ByteSpan(bytes).first(size));
    (void)EpochLink::read(cut);
    EXPECT_FALSE(cut.ok()) << size;
  }
}

}  // namespace
}  // namespace galen
