// Every message survives its encoding, no cut or altered encoding passes, and a signature covers every field.
#include <gtest/gtest.h>

#include "galen/consensus/effects.hpp"
#include "sim/keyring.hpp"
#include "unit/suite.hpp"

namespace galen::consensus::test {
namespace {

const auto kSuite = galen::test::suite();

Hash hash_of(std::uint8_t value) {
  Hash out;
  out.data.fill(value);
  return out;
}

struct Fixture {
  sim::TagKeyring keys;
  ChainContext context{kSuite, hash_of(1), 1, hash_of(2)};
  MemberSet members = [] {
    std::vector<Member> list(4);
    for (std::size_t i = 0; i < 4; ++i)
      list[i].id.data[0] = list[i].consensus_key.data[0] = static_cast<std::uint8_t>(i + 1);
    return MemberSet(list);
  }();

  QuorumCertificate certificate(VotePhase phase, VoteSubject subject,
                                std::vector<MemberIndex> signers = {0, 1, 3}) const {
    QuorumCertificate out;
    out.phase = phase;
    out.subject = subject;
    out.signers = {4, signers};
    for (auto signer : signers)
      out.signatures.push_back(keys.sign(signer, vote_sign_bytes(context, phase, signer, subject)));
    return out;
  }
  template <class Vote>
  Vote vote(MemberIndex sender, VoteSubject subject) const {
    Vote out{{sender, subject, {}}};
    out.signature = keys.sign(sender, sign_bytes(context, out));
    return out;
  }
  ViewChangeHeader header(MemberIndex sender, View target, VoteSubject high) const {
    ViewChangeHeader out{sender, target, high, 4, {}};
    out.signature = keys.sign(sender, view_change_sign_bytes(context, out));
    return out;
  }
  BlockSkeleton block(View view, Height height) const {
    BlockSkeleton out;
    out.batch_digests = {hash_of(31), hash_of(32)};
    out.header.chain_id = context.chain_id;
    out.header.view = view;
    out.header.height = out.header.history_size = height;
    out.header.parent = hash_of(9);
    out.header.batch_count = 2;
    out.header.body_root = body_root(kSuite, out.batch_digests);
    out.header.proposer = static_cast<MemberIndex>(view % members.size());
    return out;
  }
  PrePrepare pre_prepare(View view, Justification justification) const {
    PrePrepare out{static_cast<MemberIndex>(view % members.size()), view, block(view, 6), std::move(justification), {}, {}};
    out.digest = out.block.header.digest(kSuite);
    out.signature = keys.sign(out.sender, pre_prepare_sign_bytes(context, out));
    return out;
  }
  Justification new_view(View view) const {
    Justification out{Justification::Kind::new_view, {}, certificate(VotePhase::prepare, {3, 5, hash_of(9)})};
    out.view_changes = {header(0, view, {3, 5, hash_of(9)}), header(2, view, {2, 5, hash_of(8)}), header(3, view, {})};
    return out;
  }
  StatusAnswer status() const {
    StatusAnswer out;
    out.sender = 2;
    out.asker = 1;
    out.nonce = 77;
    out.mode = Mode::voting;
    out.view = 6;
    out.max_view_change = 5;
    out.high = {3, 5, hash_of(9)};
    out.tip = {3, 4, hash_of(7)};
    out.executed_height = 4;
    out.wall_ms = 123456;
    out.high_qc = certificate(VotePhase::prepare, out.high);
    out.tip_qc = certificate(VotePhase::commit, out.tip);
    out.seen_prepare = vote<Prepare>(1, {3, 6, hash_of(6)});
    out.seen_commit = vote<Commit>(1, {3, 5, hash_of(9)});
    out.seen_view_change = header(1, 2, {});
    sign(out);
    return out;
  }
  void sign(StatusAnswer& answer) const {
    answer.signature = keys.sign(answer.sender, status_sign_bytes(context, answer));
  }
  Executed executed() const {
    Executed out{1, {6, hash_of(1), hash_of(2), hash_of(3)}, {}};
    out.signature = keys.sign(1, sign_bytes(context, out));
    return out;
  }
  ViewChange view_change() const {
    return {header(2, 4, {3, 5, hash_of(9)}), certificate(VotePhase::prepare, {3, 5, hash_of(9)})};
  }
  /// One of every message, and who sends it.
  std::vector<std::pair<MemberIndex, Message>> all() const {
    return {
        {0, pre_prepare(4, new_view(4))},
        {0, pre_prepare(4, {Justification::Kind::tenure_end, {}, certificate(VotePhase::prepare, {3, 5, hash_of(9)})})},
        {0, pre_prepare(4, {})},
        {1, vote<Prepare>(1, {3, 6, hash_of(5)})},
        {1, vote<Commit>(1, {3, 6, hash_of(5)})},
        {2, view_change()},
        {2, ViewChange{header(2, 4, {}), {}}},
        {1, StatusRequest{5, 6, 7}},
        {2, status()},
        {1, executed()},
        {1, FetchSkeleton{hash_of(4)}},
        {1, Skeleton{block(3, 6)}},
        {1, FetchCertificate{9}},
        {1, Certificate{certificate(VotePhase::commit, {3, 5, hash_of(9)})}}};
  }
  bool accepts(MemberIndex from, const Message& message) const {
    return verify_message(context, members, keys, from, message).has_value();
  }
};

TEST(Messages, SurviveTheirEncodingAndVerify) {
  Fixture f;
  for (const auto& [from, message] : f.all()) {
    auto bytes = encode(message);
    auto copy = decode(kSuite, bytes);
    ASSERT_TRUE(copy.has_value()) << to_name(message) << ": " << copy.error().message;
    EXPECT_TRUE(*copy == message) << to_name(message);
    EXPECT_EQ(encode(*copy), bytes);
    EXPECT_TRUE(f.accepts(from, message)) << to_name(message);
  }
}

TEST(Messages, NoOtherLengthDecodes) {
  Fixture f;
  for (const auto& [from, message] : f.all()) {
    auto bytes = encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode(kSuite, ByteSpan(bytes).first(size)).has_value()) << to_name(message) << " cut to " << size;
    bytes.push_back(0);
    EXPECT_FALSE(decode(kSuite, bytes).has_value()) << to_name(message) << " with a byte more";
  }
}

// Every single byte matters: altered, a signed message no longer decodes, or no longer verifies. Repair messages
// without a signature of their own are content-addressed or bind nobody.
TEST(Messages, EveryByteIsCovered) {
  Fixture f;
  for (const auto& [from, message] : f.all()) {
    if (std::holds_alternative<StatusRequest>(message) || std::holds_alternative<FetchSkeleton>(message) ||
        std::holds_alternative<Skeleton>(message) || std::holds_alternative<FetchCertificate>(message))
      continue;
    auto bytes = encode(message);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      auto altered = bytes;
      altered[i] ^= 0x04;
      auto copy = decode(kSuite, altered);
      if (copy && f.accepts(from, *copy)) ADD_FAILURE() << to_name(message) << ": byte " << i << " is not covered";
    }
  }
}

TEST(Messages, AreBoundToChainEpochAndMembers) {
  Fixture f;
  for (auto change : {0, 1, 2}) {
    auto other = f;
    if (change == 0) other.context.chain_id = hash_of(99);
    if (change == 1) other.context.epoch = 2;
    if (change == 2) other.context.members_hash = hash_of(98);
    for (const auto& [from, message] : f.all()) {
      if (message.index() == 4 || message.index() >= 7) continue;  // requests and content-addressed answers
      EXPECT_FALSE(other.accepts(from, message)) << to_name(message);
    }
    EXPECT_FALSE(other.accepts(1, Certificate{f.certificate(VotePhase::commit, {3, 5, hash_of(9)})}));
  }
}

TEST(Messages, AVoteIsTakenOnlyFromItsSender) {
  Fixture f;
  EXPECT_FALSE(f.accepts(2, f.vote<Prepare>(1, {3, 6, hash_of(5)})));
  EXPECT_FALSE(f.accepts(3, f.view_change()));
  EXPECT_FALSE(f.accepts(3, f.status()));
  EXPECT_FALSE(f.accepts(9, f.vote<Prepare>(1, {3, 6, hash_of(5)})));
  EXPECT_TRUE(f.accepts(3, f.pre_prepare(4, {}))) << "a proposal may be passed on";
}

TEST(Messages, OnlyTheLeaderProposes) {
  Fixture f;
  auto m = f.pre_prepare(4, {});
  m.sender = 1;
  m.signature = f.keys.sign(1, pre_prepare_sign_bytes(f.context, m));
  EXPECT_FALSE(f.accepts(1, m));
}

TEST(Messages, V4ANewViewIsQuorumAndMaximum) {
  Fixture f;
  auto check = [&](auto&& change) {
    auto justification = f.new_view(4);
    change(justification);
    return f.accepts(0, f.pre_prepare(4, justification));
  };
  EXPECT_TRUE(check([](Justification&) {}));
  EXPECT_FALSE(check([](Justification& j) { j.view_changes.pop_back(); })) << "fewer than q";
  EXPECT_FALSE(check([&](Justification& j) { j.view_changes[1] = f.header(2, 3, {}); })) << "mixed targets";
  EXPECT_FALSE(check([&](Justification& j) { j.view_changes[2] = j.view_changes[1]; })) << "one member twice";
  EXPECT_FALSE(check([&](Justification& j) { std::swap(j.view_changes[0], j.view_changes[1]); })) << "not ascending";
  EXPECT_FALSE(check([&](Justification& j) {
    j.certificate = f.certificate(VotePhase::prepare, {2, 5, hash_of(8)});
  })) << "not the maximum";
  EXPECT_FALSE(check([&](Justification& j) { j.certificate.reset(); })) << "no certificate";
  EXPECT_FALSE(check([&](Justification& j) { j.certificate->signatures[1].data[3] ^= 1; })) << "a forged certificate";
  EXPECT_FALSE(check([&](Justification& j) { j.view_changes[1].high = {9, 9, hash_of(3)}; })) << "a stitched header";
}

TEST(Messages, V3ATenureEndIsOfTheViewBefore) {
  Fixture f;
  Justification justification{
      Justification::Kind::tenure_end, {}, f.certificate(VotePhase::prepare, {2, 5, hash_of(9)})};
  EXPECT_FALSE(f.accepts(0, f.pre_prepare(4, justification)));
  justification.certificate.reset();
  EXPECT_FALSE(f.accepts(0, f.pre_prepare(4, justification)));
  justification.kind = Justification::Kind::epoch_end;
  EXPECT_FALSE(f.accepts(0, f.pre_prepare(4, justification)));
}

TEST(Messages, ACertificateNeedsQDistinctMembers) {
  Fixture f;
  VoteSubject subject{3, 5, hash_of(9)};
  EXPECT_FALSE(f.accepts(1, Certificate{f.certificate(VotePhase::prepare, subject, {0, 1})}));
  EXPECT_FALSE(f.accepts(1, Certificate{f.certificate(VotePhase::prepare, subject, {0, 1, 1})}));
  EXPECT_FALSE(f.accepts(1, Certificate{f.certificate(VotePhase::prepare, subject, {0, 1, 7})}));
  auto other = f.certificate(VotePhase::prepare, subject);
  other.phase = VotePhase::commit;
  EXPECT_FALSE(f.accepts(1, Certificate{other})) << "PREPAREs are no COMMITs";
  other = f.certificate(VotePhase::prepare, subject);
  other.signers.member_count = 5;
  EXPECT_FALSE(f.accepts(1, Certificate{other}));
}

TEST(Messages, NobodyIsSilencedByWordsAlone) {
  Fixture f;
  auto lie = f.status();
  lie.seen_prepare->subject.view = 99;  // the answerer signs, but the asker never did
  f.sign(lie);
  EXPECT_FALSE(f.accepts(2, lie));
  auto foreign = f.status();
  foreign.seen_commit = f.vote<Commit>(3, {3, 5, hash_of(9)});
  f.sign(foreign);
  EXPECT_FALSE(f.accepts(2, foreign));
  auto boast = f.status();
  boast.tip.height = 50;
  f.sign(boast);
  EXPECT_FALSE(f.accepts(2, boast)) << "a height without its certificate";
}

// The promise of the types: what must be durable first cannot be sent at once, and a token cannot be made up.
template <class T>
concept CanSendNow = requires(Effects e, T t) {
  e.send_now(Target(), t);
};
template <class T>
concept CanSendAfter = requires(Effects e, PersistToken p, T t) {
  e.send_after(p, Target(), t);
};
static_assert(!CanSendNow<Prepare> && !CanSendNow<Commit> && !CanSendNow<ViewChange>);
static_assert(CanSendAfter<Prepare> && CanSendAfter<Commit> && CanSendAfter<ViewChange>);
static_assert(CanSendNow<PrePrepare> && CanSendNow<StatusAnswer> && CanSendNow<Executed> && !CanSendAfter<PrePrepare>);
static_assert(!std::is_constructible_v<PersistToken, std::uint64_t> && !std::is_default_constructible_v<PersistToken>);

TEST(Messages, AMessageOfALaterEpochSaysSo) {
  Fixture f;
  Message message = f.vote<Commit>(1, {3, 5, hash_of(9)});
  EXPECT_EQ(encode_in(1, message), encode(message)) << "the first epoch is what says nothing";
  auto bytes = encode_in(7, message);
  auto decoded = decode_of_epoch(kSuite, bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->epoch, 7u);
  EXPECT_EQ(decoded->message, message);
  EXPECT_EQ(decode_of_epoch(kSuite, encode(message))->epoch, 1u);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode_of_epoch(kSuite, ByteSpan(bytes).first(length)).has_value()) << length;
  EXPECT_FALSE(decode(kSuite, bytes).has_value()) << "who knows of one epoch only does not take it for one of that";
  auto changed = bytes;
  changed[1] = 2;
  EXPECT_EQ(decode_of_epoch(kSuite, changed).error().code, ErrorCode::UNSUPPORTED_VERSION);
  for (std::uint8_t epoch : {0, 1}) {
    changed = bytes;
    changed[9] = epoch;
    EXPECT_FALSE(decode_of_epoch(kSuite, changed).has_value()) << "one value, one encoding";
  }
  auto twice = encode_in(7, message);
  twice.insert(twice.begin(), bytes.begin(), bytes.begin() + 10);
  EXPECT_FALSE(decode_of_epoch(kSuite, twice).has_value());
}

}  // namespace
}  // namespace galen::consensus::test
