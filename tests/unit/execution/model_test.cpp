// Random histories over few ids, so that everything meets everything: every outcome against the slow model, every block
// executed in two stores, and at the end the whole state compared.
#include <set>

#include "sim/whole/slow_model.hpp"
#include "unit/execution/chain_fixture.hpp"
#include "unit/test_seed.hpp"

namespace galen::execution::test {

using sim::SlowModel;

namespace {

class History {
 public:
  explicit History(TestChain& test_chain) : chain(test_chain), rng(test_chain.rng.next()) {
    for (MemberIndex i = 0; i < 4; ++i) {
      model.state.principals[chain.member(i).str()] = {SlowModel::Kind::member, chain.member(i).str(), ""};
      model.state.principals[chain.admin(i).str()] = {SlowModel::Kind::admin, chain.member(i).str(), ""};
      ids.push_back(chain.admin(i));
    }
    for (int i = 0; i < 10; ++i) ids.push_back(random_id<PrincipalId>(rng));
    for (int i = 0; i < 200; ++i) pointers.push_back(random_id<PointerId>(rng));
    for (int i = 0; i < 120; ++i) consents.push_back(random_id<ConsentId>(rng));
    for (int i = 0; i < 3; ++i) keys.push_back(crypto::PrivateKey::generate(kSuite));
  }

  BatchItem next_item() {
    if (!old.empty() && rng.chance(1, 12)) return old[rng.below(old.size())];
    std::vector<pb::Operation> operations;
    for (auto n = rng.chance(1, 4) ? 1 + rng.below(6) : 1; n > 0; --n) operations.push_back(operation());
    const auto& author = author_for(operations[0]);
    auto draft = chain.draft(author, std::move(operations));
    if (rng.chance(1, 10)) draft.valid_until_ms = chain.time_ms + rng.below(300);
    if (rng.chance(1, 40)) draft.valid_until_ms = chain.time_ms + chain.genesis.parameters.ttl_max_ms + rng.below(300);
    if (!old.empty() && rng.chance(1, 30)) {
      const auto& before = old[rng.below(old.size())].transaction;
      draft.author = before.author();
      draft.request_id = before.request_id();
    }
    const auto* key =
        rng.chance(1, 2) || draft.operations[0].has_grant_consent() || draft.operations[0].has_revoke_consent()
            ? key_of(draft.author)
            : nullptr;
    auto item = chain.item(draft, key);
    old.push_back(item);
    return item;
  }
  MemberIndex origin_for(const BatchItem& item) {
    auto known = model.state.principals.find(item.transaction.author().str());
    if (known != model.state.principals.end() && rng.chance(9, 10))
      for (MemberIndex i = 0; i < 4; ++i)
        if (chain.member(i).str() == known->second.home) return i;
    return static_cast<MemberIndex>(rng.below(4));
  }

  TestChain& chain;
  Rng rng;
  SlowModel model;
  std::vector<PrincipalId> ids;
  std::vector<PointerId> pointers;
  std::vector<ConsentId> consents;
  std::vector<crypto::PrivateKey> keys;
  std::vector<BatchItem> old;

 private:
  template <class Id>
  const Id& any(const std::vector<Id>& from) {
    return from[rng.below(from.size())];
  }
  /// Mostly somebody who is registered as a patient.
  std::string any_patient() {
    std::vector<std::string> patients;
    for (const auto& [id, principal] : model.state.principals)
      if (principal.kind == SlowModel::Kind::patient) patients.push_back(id);
    return patients.empty() || rng.chance(1, 10) ? any(ids).str() : any(patients);
  }
  std::string any_member() { return chain.member(static_cast<MemberIndex>(rng.below(4))).str(); }
  std::string home_of_any() {
    return model.state.principals.at(chain.admin(static_cast<MemberIndex>(rng.below(2))).str()).home;
  }

  const PrincipalId& author_for(const pb::Operation& operation) {
    if (operation.has_grant_consent() && rng.chance(9, 10)) return id_of(operation.grant_consent().patient());
    if (operation.has_revoke_consent() && rng.chance(9, 10)) {
      auto consent = model.state.consents.find(operation.revoke_consent().consent_id());
      if (consent != model.state.consents.end()) return id_of(consent->second.patient);
    }
    if (operation.has_register_principal() && rng.chance(9, 10)) return ids[rng.below(4)];
    if (operation.has_set_record_status() && rng.chance(9, 10)) {
      auto record = model.state.records.find(operation.set_record_status().pointer_id());
      if (record != model.state.records.end()) return staff_of(record->second.custodian);
    }
    if (operation.has_decide() && rng.chance(9, 10)) return staff_of(operation.decide().requester());
    if (operation.has_anchor_record() && rng.chance(9, 10)) return staff_of(operation.anchor_record().custodian());
    return any(ids);
  }
  const PrincipalId& id_of(const std::string& text) {
    for (const auto& id : ids)
      if (id.str() == text) return id;
    return ids[0];
  }
  const PrincipalId& staff_of(const std::string& member) {
    for (MemberIndex i = 0; i < 4; ++i)
      if (chain.member(i).str() == member) return ids[i];
    return ids[0];
  }
  const crypto::PrivateKey* key_of(const PrincipalId& id) {
    auto known = model.state.principals.find(id.str());
    if (known == model.state.principals.end() || rng.chance(1, 10)) return &any(keys);
    for (const auto& key : keys)
      if (key.public_key().str() == known->second.key) return &key;
    return rng.chance(9, 10) ? nullptr : &any(keys);
  }

  pb::Operation operation() {
    pb::Operation out;
    switch (rng.below(10)) {
      case 0: {
        auto* body = out.mutable_register_principal();
        body->set_id(any(ids).str());
        body->set_kind(rng.chance(1, 4) ? pb::PRINCIPAL_KIND_SERVICE : pb::PRINCIPAL_KIND_PATIENT);
        if (rng.chance(3, 4)) body->set_key(any(keys).public_key().str());
        break;
      }
      case 1:
      case 2:
      case 3: {
        auto* body = out.mutable_anchor_record();
        body->set_pointer_id(any(pointers).str());
        body->set_custodian(any_member());
        if (rng.chance(4, 5)) body->set_subject(any_patient());
        body->set_commitment(random_id<Hash>(rng).str());
        body->set_canon(pb::CANON_METHOD_RAW);
        if (rng.chance(1, 2)) body->set_supersedes(any(pointers).str());
        body->set_status(pb::RECORD_STATUS_CURRENT);
        body->set_class_(pb::RECORD_CLASS_R);
        body->set_retention(pb::RETENTION_CLASS_NONE);
        break;
      }
      case 4: {
        auto* body = out.mutable_set_record_status();
        body->set_pointer_id(any(pointers).str());
        const bool is_superseded = rng.chance(1, 2);
        body->set_status(is_superseded ? pb::RECORD_STATUS_SUPERSEDED : pb::RECORD_STATUS_ENTERED_IN_ERROR);
        if (is_superseded) body->set_superseded_by(any(pointers).str());
        break;
      }
      case 5:
      case 6: {
        auto* body = out.mutable_grant_consent();
        body->set_consent_id(any(consents).str());
        body->set_patient(any_patient());
        body->set_grantee(rng.chance(9, 10) ? home_of_any() : any(ids).str());
        body->set_purposes(1 + rng.below(7));
        if (rng.chance(1, 4)) body->set_not_before_ms(chain.time_ms + rng.below(1500));
        if (rng.chance(1, 3)) body->set_not_after_ms(chain.time_ms + rng.below(1500));
        break;
      }
      case 7:
        out.mutable_revoke_consent()->set_consent_id(any(consents).str());
        break;
      default: {
        auto* body = out.mutable_decide();
        body->set_patient(any_patient());
        body->set_requester(home_of_any());
        body->set_purpose(static_cast<std::uint32_t>(1 + rng.below(3)));
        if (rng.chance(1, 3)) body->set_pointer_id(any(pointers).str());
      }
    }
    return out;
  }
};

void compare_states(const TestNode& node, const SlowModel::State& model, const History& history) {
  for (const auto& pointer : history.pointers) {
    auto row = node.state<pb::RecordState>(StateKind::record, pointer);
    auto expected = model.records.find(pointer.str());
    ASSERT_EQ(row.has_value(), expected != model.records.end());
    if (!row) continue;
    EXPECT_EQ(row->custodian(), expected->second.custodian);
    EXPECT_EQ(row->subject(), expected->second.subject);
    EXPECT_EQ(row->supersedes(), expected->second.supersedes);
    EXPECT_EQ(row->superseded_by(), expected->second.superseded_by);
    EXPECT_EQ(static_cast<int>(row->status()), static_cast<int>(expected->second.status) + 1);
  }
  for (const auto& id : history.consents) {
    auto row = node.state<pb::ConsentState>(StateKind::consent, id);
    auto expected = model.consents.find(id.str());
    ASSERT_EQ(row.has_value(), expected != model.consents.end());
    if (!row) continue;
    EXPECT_EQ(row->revoked(), expected->second.revoked);
  }
  for (const auto& id : history.ids) {
    auto entries = node.list(contracts::ListKind::patient_accesses, contracts::access_head_key(id));
    auto expected = model.accesses.find(id.str());
    ASSERT_EQ(entries.size(), expected == model.accesses.end() ? 0 : expected->second.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      pb::AccessEntry entry;
      ASSERT_TRUE(entry.ParseFromArray(entries[i].value.data(), static_cast<int>(entries[i].value.size())));
      EXPECT_EQ(entries[i].sequence, i + 1);
      EXPECT_EQ((SlowModel::Access{entry.requester(), entry.permit(), entry.reason(), entry.consent_id()}),
                expected->second[i]);
    }
    std::string anchored;
    for (const auto& row : node.list(contracts::ListKind::patient_records, id)) anchored += to_string(row.value);
    std::string wanted;
    if (auto found = model.patient_records.find(id.str()); found != model.patient_records.end())
      for (const auto& pointer : found->second) wanted += pointer;
    EXPECT_EQ(anchored, wanted);
  }
}

TEST(ModelTest, RandomHistoriesAgreeWithTheSlowModelAndWithEachOther) {
  const auto seed = galen::test::test_seed();
  SCOPED_TRACE("GALEN_TEST_SEED=" + std::to_string(seed));
  TestChain chain(seed);
  TestNode node(chain), other(chain);
  History history(chain);
  std::map<ErrorCode, int> reached;
  for (int round = 0; round < 150; ++round) {
    std::map<MemberIndex, std::vector<BatchItem>> by_origin;
    for (auto n = history.rng.below(16); n > 0; --n) {
      auto item = history.next_item();
      by_origin[history.origin_for(item)].push_back(std::move(item));
    }
    std::vector<BatchPtr> batches;
    for (auto& [origin, items] : by_origin) batches.push_back(chain.batch(origin, std::move(items)));
    const auto block = chain.block(std::move(batches));
    const auto done = node.apply(block);
    ASSERT_EQ(other.apply(block).subject(), done.subject());
    for (const auto& item : done.items) {
      const auto& batch = *block->batches[item.batch];
      const auto expected = history.model.apply(batch.items()[item.item], chain.member(batch.header().origin).str(),
                                                done.time_ms, chain.genesis.parameters.ttl_max_ms);
      ASSERT_EQ(to_reason(item.code), to_reason(expected))
          << "height " << done.height << " batch " << item.batch << " item " << item.item;
      ++reached[item.code];
    }
  }
  compare_states(node, history.model.state, history);
  if (std::getenv("GALEN_TEST_SEED") != nullptr)
    for (const auto& [code, count] : reached) std::printf("%5d %s\n", count, std::string(to_reason(code)).c_str());
  EXPECT_GT(reached[ErrorCode::OK], 100);
  EXPECT_GT(reached.size(), 12u) << "the histories are too tame to say anything";
  EXPECT_FALSE(history.model.state.accesses.empty());
}

}  // namespace
}  // namespace galen::execution::test
