// Events as a function of blocks: what there is, at which positions, who sees what, and that pages, nodes and starting
// points make no difference.
#include "node/events.hpp"

#include <gtest/gtest.h>

#include "unit/equivocation_parts.hpp"
#include "unit/execution/chain_fixture.hpp"
#include "unit/test_seed.hpp"

namespace galen::node {
namespace {

namespace pb = ledger::v1;
using execution::ExecutedBlock;
using execution::test::random_id;
using execution::test::take;
using execution::test::TestNode;
using galen::v1::Event;

class EventsTest : public execution::test::ExecutionTest {
 protected:
  EventsTest() { certify(node); }

  void certify(TestNode& at) {
    ExecutedBlock block;
    const auto& head = at.view().head();
    block.height = head.header.height;
    block.digest = head.digest;
    block.state_root = head.state_root;
    block.results_root = head.results_root;
    EXPECT_TRUE(at.store().put_certificate(chain.executed_certificate(block)));
  }
  void run_certified(MemberIndex origin, std::vector<BatchItem> items) {
    run(origin, std::move(items));
    certify(node);
  }

  EventReader reader(MemberIndex member, EventReader::LoadBlock load = {}) {
    return reader(node, member, std::move(load));
  }
  EventReader reader(TestNode& at, MemberIndex member, EventReader::LoadBlock load = {}) {
    return take(EventReader::make(at.view(), chain.genesis, chain.genesis.members[member].id, std::move(load)));
  }
  /// All events behind `from`, in pages of the given limits.
  std::vector<Event> all(EventReader reads, EventCursor from, const EventReader::PageLimits& limits = {},
                         const EventFilter& filter = {}) {
    std::vector<Event> out;
    for (int page = 0; from.height <= reads.certified(); ++page) {
      galen::v1::StreamEventsResponse message;
      auto before = from;
      auto status = reads.read(filter, limits, from, message);
      EXPECT_TRUE(status) << status.error().message;
      EXPECT_TRUE(before.is_before(from)) << before.encode();
      EXPECT_LE(static_cast<std::size_t>(message.events_size()), std::max<std::size_t>(limits.events, 1));
      for (auto& event : *message.mutable_events()) out.push_back(std::move(event));
      if (!status || page > 10'000) break;
    }
    return out;
  }
  std::vector<Event> all(MemberIndex member, const EventFilter& filter = {}) {
    return all(reader(member), begin(), {}, filter);
  }
  EventCursor begin() const { return EventCursor::at_block(chain.genesis.chain_id, 0); }
  static std::vector<std::string> cursors(const std::vector<Event>& events) {
    std::vector<std::string> out;
    for (const auto& event : events) out.push_back(event.cursor());
    return out;
  }
  static std::vector<int> types(const std::vector<Event>& events) {
    std::vector<int> out;
    for (const auto& event : events) out.push_back(event.type());
    return out;
  }
  EventFilter filter(std::vector<galen::v1::EventType> types, std::string subject = {}, std::string member = {}) {
    galen::v1::StreamEventsRequest request;
    for (auto type : types) request.add_types(type);
    request.set_subject(std::move(subject));
    request.set_member(std::move(member));
    return take(EventFilter::parse(request));
  }

  /// One of every kind: block 2 has three batches, block 3 a revocation, block 4 nothing.
  void run_everything() {
    pointer = random_id<PointerId>(chain.rng);
    consent = random_id<ConsentId>(chain.rng);
    run({chain.batch(0, {chain.item(service_a, {anchor(pointer), anchor()}),
                         chain.item(patient, {grant(consent)}, &patient_key)}),
         chain.batch(
             1, {chain.item(service_b, {ask()}), chain.item(service_b, {anchor(random_id<PointerId>(chain.rng))})}),
         chain.batch(0, {chain.item(service_a, {set_error(pointer)})})});
    certify(node);
    run_certified(2, {chain.item(patient, {revoke(consent)}, &patient_key)});
    run({});
    certify(node);
  }
  static pb::Operation set_error(const PointerId& id) {
    pb::Operation operation;
    operation.mutable_set_record_status()->set_pointer_id(id.str());
    operation.mutable_set_record_status()->set_status(pb::RECORD_STATUS_ENTERED_IN_ERROR);
    return operation;
  }

  PointerId pointer;
  ConsentId consent;
};

TEST_F(EventsTest, EveryOperationIsOneEventInTheOrderOfTheBlocks) {
  run_everything();
  const auto events = all(0);
  EXPECT_EQ(types(events),
            (std::vector<int>{galen::v1::EVENT_TYPE_PRINCIPAL_REGISTERED, galen::v1::EVENT_TYPE_PRINCIPAL_REGISTERED,
                              galen::v1::EVENT_TYPE_PRINCIPAL_REGISTERED, galen::v1::EVENT_TYPE_RECORD_ANCHORED,
                              galen::v1::EVENT_TYPE_RECORD_ANCHORED, galen::v1::EVENT_TYPE_CONSENT_GRANTED,
                              galen::v1::EVENT_TYPE_ACCESS_DECIDED, galen::v1::EVENT_TYPE_TRANSACTION_REFUSED,
                              galen::v1::EVENT_TYPE_RECORD_STATUS_SET, galen::v1::EVENT_TYPE_CONSENT_REVOKED}));
  const auto chain_text = chain.genesis.chain_id.hex();
  EXPECT_EQ(cursors(events),
            (std::vector<std::string>{chain_text + ":1:0:1", chain_text + ":1:0:2", chain_text + ":1:1:1",
                                      chain_text + ":2:0:1", chain_text + ":2:0:2", chain_text + ":2:1:1",
                                      chain_text + ":2:2:1", chain_text + ":2:3:1", chain_text + ":2:4:1",
                                      chain_text + ":3:0:1"}));
  EXPECT_EQ(events[3].detail().record_anchored().pointer_id(), pointer.str());
  EXPECT_EQ(events[3].detail().subject(), patient.str());
  EXPECT_EQ(events[5].detail().consent_granted().grantee(), chain.member(1).str());
  EXPECT_EQ(events[6].detail().access_decided().requester(), chain.member(1).str());
  EXPECT_EQ(events[6].detail().access_decided().permit(), true);
  EXPECT_EQ(events[8].detail().subject(), patient.str());
  EXPECT_EQ(events[9].detail().subject(), patient.str());
  EXPECT_EQ(events[9].member(), chain.member(2).str());
  EXPECT_EQ(events[9].height(), 3u);
}

TEST_F(EventsTest, OnlyWhatAQuorumCertifiedIsTold) {
  const auto before = all(0).size();
  const auto executed = run(0, {chain.item(service_a, {anchor()})});
  EXPECT_EQ(reader(0).certified(), 1u);
  EXPECT_EQ(all(0).size(), before);
  certify(node);
  EXPECT_EQ(reader(0).certified(), 2u);
  EXPECT_EQ(all(0).size(), before + 1);

  // Without an EXECUTED certificate a later header confirms it.
  const auto third = run(0, {chain.item(service_a, {anchor()})});
  EXPECT_EQ(reader(0).certified(), 2u);
  node.apply(chain.block({}, &third));
  EXPECT_EQ(reader(0).certified(), 3u);
  EXPECT_EQ(all(0).size(), before + 2);
  EXPECT_EQ(executed.height, 2u);
}

TEST_F(EventsTest, PagesAndStartingPointsMakeNoDifference) {
  run_everything();
  const auto whole = all(1);
  for (std::size_t events = 1; events <= 4; ++events)
    for (std::size_t transactions = 1; transactions <= 3; ++transactions)
      EXPECT_EQ(cursors(all(reader(1), begin(), {.events = events, .transactions = transactions})), cursors(whole));
  EXPECT_EQ(cursors(all(reader(1), begin(), {.bytes = 1})), cursors(whole));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto rest = all(reader(1), take(EventCursor::decode(whole[i].cursor())), {.events = 2});
    ASSERT_EQ(rest.size(), whole.size() - i - 1) << "behind " << whole[i].cursor();
    for (std::size_t j = 0; j < rest.size(); ++j)
      EXPECT_EQ(rest[j].SerializeAsString(), whole[i + 1 + j].SerializeAsString());
  }
}

TEST_F(EventsTest, AnotherNodeGivesTheSameEventsAtTheSameCursors) {
  run_everything();
  TestNode other(chain);
  for (const auto& block : chain.blocks) {
    other.apply(block);
    certify(other);
  }
  const auto here = all(reader(0), begin()), there = all(reader(other, 0), begin(), {.events = 3});
  ASSERT_EQ(here.size(), there.size());
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_EQ(here[i].SerializeAsString(), there[i].SerializeAsString());
}

TEST_F(EventsTest, TheDetailIsForItsPartiesOnly) {
  run_everything();
  const auto home = all(0), asker = all(1), carrier = all(2), stranger = all(3);
  EXPECT_EQ(cursors(stranger), cursors(home));
  EXPECT_EQ(types(stranger), types(home));
  for (const auto& event : stranger) EXPECT_FALSE(event.has_detail()) << event.cursor();
  // The patient's home sees everything about her, whoever did it; not the other member's own registration and attempt.
  for (std::size_t i = 0; i < home.size(); ++i) EXPECT_EQ(home[i].has_detail(), i != 2 && i != 7) << i;
  // The other member: its service, the consent given to it (and taken back), its question, its own attempt.
  for (std::size_t i = 0; i < asker.size(); ++i)
    EXPECT_EQ(asker[i].has_detail(), i == 2 || i == 5 || i == 6 || i == 7 || i == 9) << i;
  // Who only carried the revocation knows that.
  for (std::size_t i = 0; i < carrier.size(); ++i) EXPECT_EQ(carrier[i].has_detail(), i == 9) << i;
}

TEST_F(EventsTest, FiltersSeeWhatTheCallerMaySee) {
  run_everything();
  const auto whole = cursors(all(0));
  const auto pick = [&](std::vector<std::size_t> which) {
    std::vector<std::string> out;
    for (auto i : which) out.push_back(whole[i]);
    return out;
  };
  EXPECT_EQ(cursors(all(0, filter({galen::v1::EVENT_TYPE_RECORD_ANCHORED}))), pick({3, 4}));
  EXPECT_EQ(cursors(all(0, filter({galen::v1::EVENT_TYPE_CONSENT_GRANTED, galen::v1::EVENT_TYPE_CONSENT_REVOKED}))),
            pick({5, 9}));
  EXPECT_EQ(cursors(all(0, filter({}, patient.str()))), pick({1, 3, 4, 5, 6, 8, 9}));
  EXPECT_EQ(cursors(all(1, filter({}, patient.str()))), pick({5, 6, 9}));
  EXPECT_TRUE(all(3, filter({}, patient.str())).empty()) << "a filter must not tell whose patient she is";
  EXPECT_TRUE(all(0, filter({}, service_b.str())).empty());
  EXPECT_EQ(cursors(all(3, filter({}, {}, chain.member(1).str()))), pick({2, 6, 7})) << "carried, seen by a stranger";
  EXPECT_EQ(cursors(all(0, filter({}, {}, chain.member(1).str()))), pick({2, 5, 6, 7, 9})) << "carried, or a party";
  EXPECT_EQ(cursors(all(0, filter({galen::v1::EVENT_TYPE_ACCESS_DECIDED}, patient.str(), chain.member(1).str()))),
            pick({6}));
  EXPECT_TRUE(all(0, filter({}, {}, random_id<Hash>(chain.rng).str())).empty());
}

TEST_F(EventsTest, AProvenEquivocationIsEverybodysAndNamesTheMember) {
  run_certified(0, {chain.item(chain.member(0), {galen::test::make_report({.context = chain.genesis.context(), .member = 3},
                                                                          chain.keys[3])})});
  EventFilter filter;
  filter.types = 1u << galen::v1::EVENT_TYPE_EQUIVOCATION_PROVEN;
  for (MemberIndex member : {0, 1, 3}) {
    const auto events = all(member, filter);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].member(), chain.member(0).str()) << "who showed it";
    ASSERT_TRUE(events[0].detail().has_equivocation_proven());
    const auto& proven = events[0].detail().equivocation_proven();
    EXPECT_EQ(proven.member(), chain.member(3).str());
    EXPECT_EQ(proven.epoch(), 1u);
    EXPECT_EQ(proven.kind(), pb::SIGNED_KIND_PREPARE);
    EXPECT_EQ(proven.view(), 4u);
    EXPECT_EQ(proven.height(), 9u);
  }
  filter.member = chain.member(3);
  EXPECT_EQ(all(1, filter).size(), 1u);
  filter.types = 1u << galen::v1::EVENT_TYPE_ADMIN_KEY_SET;
  EXPECT_TRUE(all(1, filter).empty());
}

TEST_F(EventsTest, AFilterThatCannotBeIsRefused) {
  galen::v1::StreamEventsRequest request;
  request.add_types(static_cast<galen::v1::EventType>(galen::v1::EventType_MAX + 1));
  EXPECT_EQ(EventFilter::parse(request).error().code, ErrorCode::INVALID_ARGUMENT);
  request.clear_types();
  request.add_types(galen::v1::EVENT_TYPE_UNSPECIFIED);
  EXPECT_EQ(EventFilter::parse(request).error().code, ErrorCode::INVALID_ARGUMENT);
  request.clear_types();
  request.set_subject("short");
  EXPECT_EQ(EventFilter::parse(request).error().code, ErrorCode::INVALID_ARGUMENT);
  request.clear_subject();
  request.set_member(std::string(33, 'x'));
  EXPECT_EQ(EventFilter::parse(request).error().code, ErrorCode::INVALID_ARGUMENT);
}

TEST_F(EventsTest, DuplicatesAreNoEventsAndRefusalsAre) {
  const auto before = all(0).size();
  const auto item = chain.item(service_a, {anchor()});
  run_certified(0, {item, item});
  run_certified(0, {item});
  EXPECT_EQ(all(0).size(), before + 1);
  run_certified(0, {chain.item(service_a, {anchor(random_id<PointerId>(chain.rng), 1)})});
  const auto events = all(0);
  ASSERT_EQ(events.size(), before + 2);
  EXPECT_EQ(events.back().type(), galen::v1::EVENT_TYPE_TRANSACTION_REFUSED);
  EXPECT_EQ(events.back().detail().reason(), "NOT_CUSTODIAN");
  EXPECT_EQ(events.back().detail().what_case(), galen::v1::EventDetail::WHAT_NOT_SET);
}

TEST_F(EventsTest, AnExpiredCursorNamesTheEarliest) {
  for (int i = 0; i < 20; ++i) run_certified(0, {chain.item(service_a, {anchor()})});
  for (Height floor : {2, 3, 14, 21, 22}) {
    const auto load = [&](Height height) -> Result<std::optional<EventBlock>> {
      if (height < floor) return std::optional<EventBlock>{};
      return load_event_block(node.view(), height);
    };
    auto reads = reader(0, load);
    auto cursor = begin();
    galen::v1::StreamEventsResponse message;
    auto status = reads.read({}, {}, cursor, message);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::CURSOR_EXPIRED);
    const auto earliest = EventCursor::at_block(chain.genesis.chain_id, floor);
    EXPECT_NE(status.error().message.find(earliest.encode()), std::string::npos) << status.error().message;
    EXPECT_EQ(take(reads.earliest()), earliest);
    EXPECT_EQ(all(reads, earliest).size(), 21 - floor + 1);
  }
}

TEST_F(EventsTest, ACursorAheadOfThisNodeWaits) {
  auto reads = reader(0);
  auto ahead = EventCursor::at_block(chain.genesis.chain_id, 100);
  galen::v1::StreamEventsResponse message;
  ASSERT_TRUE(reads.read({}, {}, ahead, message));
  EXPECT_EQ(ahead, EventCursor::at_block(chain.genesis.chain_id, 100));
  EXPECT_EQ(message.events_size(), 0);
  EXPECT_EQ(take(reads.behind(ahead, 5)).blocks(), 0u);
}

TEST_F(EventsTest, WhoStoodStillIsToldExactlyWhatHappened) {
  run_everything();
  auto cursor = take(EventCursor::decode(chain.genesis.chain_id.hex() + ":2:2:0"));
  auto behind = take(reader(0).behind(cursor, 61'000));
  EXPECT_EQ(behind.from(), cursor.encode());
  EXPECT_EQ(behind.to(), reader(0).head().encode());
  EXPECT_EQ(behind.blocks(), 3u);
  EXPECT_EQ(behind.transactions(), 5u - 2u + 1u);
  EXPECT_EQ(behind.stalled_ms(), 61'000u);
  // Who is far behind hears of how many blocks, and of the transactions in the first of them.
  behind = take(reader(0).behind(cursor, 61'000, 1));
  EXPECT_EQ(behind.blocks(), 3u);
  EXPECT_EQ(behind.transactions(), 5u - 2u);
  EXPECT_LE(EventReader::kCountedBlocksMax, 1'000u) << "while one reader's blocks are counted the others wait";
}

TEST_F(EventsTest, RandomChainsPagesAndStartsAgree) {
  const auto seed = test::test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  for (int block = 0; block < 12; ++block) {
    std::vector<BatchItem> items;
    for (std::uint64_t i = rng.below(5); i > 0; --i) {
      std::vector<pb::Operation> operations;
      for (auto j = rng.below(6) + 1; j > 0; --j)
        operations.push_back(anchor(random_id<PointerId>(chain.rng), static_cast<MemberIndex>(rng.below(8) == 0)));
      items.push_back(chain.item(service_a, std::move(operations)));
    }
    run(items.empty() ? std::vector<BatchPtr>{} : std::vector{chain.batch(0, std::move(items))});
    certify(node);
  }
  const auto whole = all(0);
  for (int i = 0; i < 50; ++i) {
    const auto start = rng.below(whole.size() + 1);
    const auto from = start == 0 ? begin() : take(EventCursor::decode(whole[start - 1].cursor()));
    const auto rest = all(
        reader(0), from, {.events = rng.below(7) + 1, .bytes = rng.below(2'000) + 1, .transactions = rng.below(9) + 1});
    ASSERT_EQ(rest.size(), whole.size() - start);
    for (std::size_t j = 0; j < rest.size(); ++j)
      ASSERT_EQ(rest[j].SerializeAsString(), whole[start + j].SerializeAsString());
  }
}

}  // namespace
}  // namespace galen::node
