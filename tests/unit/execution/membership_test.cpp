// A consortium that changes: a hospital comes, learns, votes and goes, and a key is replaced. Each block is executed by a
// second node as well, from nothing; and what a node that joined derives from past blocks is what executing them wrote.
#include "galen/execution/admission.hpp"
#include "galen/execution/past_rows.hpp"
#include "galen/execution/proofs.hpp"
#include "galen/types/membership.hpp"
#include "galen/types/state_key.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {

class MembershipTest : public ExecutionTest {
 protected:
  MembershipTest() : context(chain.genesis.context()) {
    for (int i = 0; i < 4; ++i) admin_keys.push_back(crypto::PrivateKey::generate(kSuite));
    std::vector<BatchPtr> batches;
    for (MemberIndex i = 0; i < 4; ++i) batches.push_back(batch(i, {item(chain.admin(i), {set_key(i)})}));
    EXPECT_EQ(codes(execute(std::move(batches))), std::vector(4, ErrorCode::OK));
  }

  BatchItem item(const PrincipalId& author, std::vector<pb::Operation> operations,
                 const crypto::PrivateKey* key = nullptr) {
    return chain.item(author, std::move(operations), key);
  }
  BatchPtr batch(MemberIndex origin, std::vector<BatchItem> items) const {
    return std::make_shared<const Batch>(Batch::make(context, {origin, std::move(items)}, chain.keys[origin]));
  }
  /// In the epoch of now; its header certifies the state of the block before.
  ExecutedBlock execute(std::vector<BatchPtr> batches) {
    auto block = make(std::move(batches));
    return last = node.apply(block);
  }
  ExecutedBlock execute(MemberIndex origin, std::vector<BatchItem> items) {
    return execute({batch(origin, std::move(items))});
  }
  BlockPtr make(std::vector<BatchPtr> batches, const Hash& next_members = Hash{}) {
    auto plain = chain.block(std::move(batches), last.height > 0 ? &last : nullptr);
    auto block = std::make_shared<Block>(*plain);
    auto& header = block->skeleton.header;
    header.epoch = context.epoch;
    if (!next_members.is_zero()) {
      header.flags = kEpochEnd;
      header.next_members_hash = next_members;
    }
    chain.replace_last(block);
    return block;
  }
  /// The block that a header must be now: an epoch end with what is pending, and the first height of the next epoch.
  void end_epoch() {
    ASSERT_TRUE(last.next_members.has_value());
    const auto next = *last.next_members;
    auto block = make({batch(0, {item(service_a, {anchor()})})}, next.hash(kSuite));
    last = node.apply(block);
    EXPECT_EQ(codes(last), std::vector{ErrorCode::OK}) << "its items are the old members'";
    EXPECT_FALSE(last.next_members);
    ++context.epoch;
    context.members_hash = next.hash(kSuite);
    const auto now = take(node.executor().membership());
    EXPECT_EQ(now.epoch, context.epoch);
    EXPECT_EQ(now.first_height, last.height + 1);
    EXPECT_EQ(now.members.encode(), next.encode());
    EXPECT_FALSE(now.next);
  }

  pb::Operation set_key(MemberIndex i) { return set_key(chain.admin(i), admin_keys[i]); }
  pb::Operation set_key(const PrincipalId& admin, const crypto::PrivateKey& key) {
    pb::Operation operation;
    auto* body = operation.mutable_set_admin_key();
    body->set_key(key.public_key().str());
    body->set_proof(key.sign(admin_key_sign_bytes(chain.genesis.chain_id, admin, key.public_key())).str());
    return operation;
  }
  pb::Operation proposal(const Hash& id, const pb::MembersChange& change) {
    pb::Operation operation;
    operation.mutable_propose_members()->set_proposal_id(id.str());
    *operation.mutable_propose_members()->mutable_change() = change;
    return operation;
  }
  static pb::Operation ballot(const Hash& id) {
    pb::Operation operation;
    operation.mutable_vote_members()->set_proposal_id(id.str());
    operation.mutable_vote_members()->set_vote(pb::MEMBERS_VOTE_APPROVE);
    return operation;
  }
  /// Proposed by member 0, approved by the others in one block each until it is decided.
  Hash approve(const pb::MembersChange& change, std::vector<MemberIndex> voters = {1, 2}) {
    const auto id = random_id<Hash>(chain.rng);
    EXPECT_EQ(codes(execute(0, {item(chain.admin(0), {proposal(id, change)}, &admin_keys[0])})),
              std::vector{ErrorCode::OK});
    for (auto voter : voters) {
      EXPECT_FALSE(last.next_members) << "not decided yet";
      EXPECT_EQ(codes(execute(voter, {item(chain.admin(voter), {ballot(id)}, &admin_keys[voter])})),
                std::vector{ErrorCode::OK});
    }
    return id;
  }
  pb::MembersChange newcomer() {
    const MemberAdmission admission{guest, guest_key.public_key(), random_id<Hash>(chain.rng), guest_admin,
                                    guest_admin_key.public_key(), "Newcomer"};
    pb::MembersChange change;
    *change.mutable_add_learner() = admission.with_proof(guest_key.sign(admission.sign_bytes(chain.genesis.chain_id)));
    return change;
  }
  pb::Operation readiness(const ExecutedBlock& at) {
    pb::Operation operation;
    auto* body = operation.mutable_learner_ready();
    body->set_member(guest.str());
    body->set_height(at.height);
    body->set_state_root(at.state_root.str());
    body->set_signature(
        guest_key.sign(learner_ready_sign_bytes(chain.genesis.chain_id, guest, at.height, at.state_root)).str());
    return operation;
  }
  pb::MembersChange promotion() {
    pb::MembersChange change;
    change.mutable_promote()->set_member(guest.str());
    return change;
  }
  /// The newcomer learns, shows it, and has a vote.
  void let_in() {
    approve(newcomer());
    const auto shown = last;
    execute(std::vector<BatchPtr>{});  // its header certifies the root of `shown`
    EXPECT_EQ(codes(execute(3, {item(guest_admin, {readiness(shown)}, &guest_admin_key)})), std::vector{ErrorCode::OK});
    approve(promotion());
    ASSERT_TRUE(last.next_members.has_value());
    EXPECT_EQ(last.next_members->size(), 5u);
    end_epoch();
    chain.keys.push_back(guest_key);
  }

  /// Everything once more on a node that begins with nothing.
  void replay() {
    TestNode other(chain);
    for (const auto& block : chain.blocks) {
      const auto here = take(node.view().info(block->skeleton.header.height));
      const auto there = other.apply(block);
      ASSERT_EQ(there.state_root, here->state_root) << block->skeleton.header.height;
      ASSERT_EQ(there.results_root, here->results_root);
    }
    const auto now = take(other.executor().membership());
    EXPECT_EQ(now.members.encode(), take(node.executor().membership()).members.encode());
  }
  /// What a node that joined by snapshot derives is what executing wrote.
  void derive_past() {
    for (const auto& block : chain.blocks) {
      const auto height = block->skeleton.header.height;
      ledger::PastBlock past{block, *take(node.view().outcomes(height)), {}, {}, {}, {}};
      const auto rows = take(past_rows(chain.genesis, past, [&](std::uint8_t kind, ByteSpan key) {
        return node.view().state(kind, key);
      }));
      std::size_t item = 0;
      for (const auto& one : block->batches)
        for (const auto& each : one->items()) {
          const auto& id = each.transaction.id();
          const auto stored = take(node.view().transaction(id));
          const bool here = stored && (stored->first.height == height || stored->latest.height == height);
          EXPECT_EQ(rows.answers.contains(id), here) << "height " << height << " item " << item;
          ++item;
        }
      for (const auto& entry : node.list(contracts::ListKind::proposals, {})) {
        if (entry.sequence != height) continue;
        const auto key = ledger::list_row_key(static_cast<std::uint8_t>(contracts::ListKind::proposals), {}, height);
        ASSERT_TRUE(rows.lists.contains(key));
        EXPECT_EQ(rows.lists.at(key), entry.value);
      }
    }
  }

  ChainContext context;
  ExecutedBlock last;
  std::vector<crypto::PrivateKey> admin_keys;
  PrincipalId guest = random_id<PrincipalId>(chain.rng), guest_admin = random_id<PrincipalId>(chain.rng);
  crypto::PrivateKey guest_key = crypto::PrivateKey::generate(kSuite),
                     guest_admin_key = crypto::PrivateKey::generate(kSuite);
};

TEST_F(MembershipTest, ItsRowsAreProved) {
  const auto proposal_id = approve(newcomer());
  auto proved = [&](StateKind kind, ByteSpan key) {
    const auto file = take(
        build_state_proof(chain.genesis.context(), node.view(), static_cast<std::uint8_t>(kind), key, 0, {}));
    const auto verdict = take(verify_state_file(chain.genesis, take(StateProofFile::decode(file.encode()))));
    EXPECT_EQ(verdict.state.height, last.height);
    return verdict.state.value.has_value();
  };
  execute(std::vector<BatchPtr>{});  // its header certifies a root for the learner
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(last)));
  EXPECT_TRUE(proved(StateKind::membership, {}));
  EXPECT_TRUE(proved(StateKind::member, guest));
  EXPECT_FALSE(proved(StateKind::member, service_a));
  EXPECT_TRUE(proved(StateKind::member_claim, member_key_claim(kSuite, guest_key.public_key())));
  EXPECT_TRUE(proved(StateKind::member_claim, member_name_claim(kSuite, as_bytes(std::string_view("Newcomer")))));
  EXPECT_FALSE(proved(StateKind::member_claim, member_name_claim(kSuite, as_bytes(std::string_view("Nobody")))));
  EXPECT_TRUE(proved(StateKind::proposal, proposal_id));
  EXPECT_TRUE(proved(StateKind::certified_roots, {}));
  EXPECT_FALSE(proved(StateKind::epoch, epoch_key(2)));
}

TEST_F(MembershipTest, TheMembersOfAnEpochAreProved) {
  let_in();
  chain.keys.pop_back();  // the block that ended the epoch is certified by the members of genesis
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(last)));
  const auto file = take(build_state_proof(chain.genesis.context(), node.view(),
                                           static_cast<std::uint8_t>(StateKind::epoch), epoch_key(2), 0, {}));
  const auto verdict = take(verify_state_file(chain.genesis, take(StateProofFile::decode(file.encode()))));
  pb::EpochState epoch;
  ASSERT_TRUE(verdict.state.value &&
              epoch.ParseFromArray(verdict.state.value->data(), static_cast<int>(verdict.state.value->size())));
  EXPECT_EQ(epoch.members(), to_string(take(node.executor().membership()).members.encode()));
}

TEST_F(MembershipTest, AHospitalComesVotesAndGoes) {
  let_in();
  ASSERT_FALSE(HasFatalFailure());
  // The fifth member makes batches, and its own people act.
  const auto guest_service = random_id<PrincipalId>(chain.rng);
  EXPECT_EQ(codes(execute(4, {item(guest_admin, {registration(guest_service, pb::PRINCIPAL_KIND_SERVICE)})})),
            std::vector{ErrorCode::OK});

  // It goes: four of five approve.
  pb::MembersChange removal;
  removal.mutable_remove()->set_member(guest.str());
  approve(removal, {1, 2, 3});
  EXPECT_EQ(codes(execute(4, {item(guest_service, {registration(random_id<PrincipalId>(chain.rng),
                                                                pb::PRINCIPAL_KIND_PATIENT)})})),
            std::vector{ErrorCode::OK})
      << "until the epoch ends it is a member";
  end_epoch();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(codes(execute(0, {item(guest_service, {anchor()}), item(guest_admin, {set_key(guest_admin, guest_key)}),
                              item(guest_admin, {ballot(random_id<Hash>(chain.rng))}, &guest_admin_key)})),
            std::vector(3, ErrorCode::MEMBER_NOT_ACTIVE));
  EXPECT_FALSE(last.items[0].answers);

  // A key of member 3 is replaced, and everything once more elsewhere.
  const auto next_key = crypto::PrivateKey::generate(kSuite);
  pb::MembersChange rotation;
  auto* body = rotation.mutable_rotate_key();
  body->set_member(chain.member(3).str());
  body->set_consensus_key(next_key.public_key().str());
  body->set_proof(
      next_key.sign(member_key_sign_bytes(chain.genesis.chain_id, chain.member(3), next_key.public_key())).str());
  approve(rotation);
  end_epoch();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(context.epoch, 4u);
  EXPECT_EQ(take(node.executor().membership()).members[3].consensus_key, next_key.public_key());
  for (Epoch epoch = 1; epoch <= 4; ++epoch)
    EXPECT_EQ(take(load_epoch(chain.genesis, node.view(), epoch))->members.size(), epoch == 2 ? 5u : 4u);
  EXPECT_FALSE(take(load_epoch(chain.genesis, node.view(), 5)));
  replay();
  derive_past();
}

TEST_F(MembershipTest, RefusalsBesideEpochEndsAreDerivedAsTheyWere) {
  const auto stranger = random_id<PrincipalId>(chain.rng);
  // Before it is let in; while it learns; when it votes; and each time through somebody who may not vouch.
  auto probe = [&] {
    auto foreign = ask();
    foreign.mutable_decide()->set_requester(chain.member(2).str());
    execute({batch(0, {item(guest_admin, {registration(random_id<PrincipalId>(chain.rng), pb::PRINCIPAL_KIND_PATIENT)}),
                       item(guest, {anchor()}), item(stranger, {anchor()}), item(service_b, {ask()})}),
             batch(1, {item(service_b, {foreign}), item(service_b, {ask()}),
                       item(chain.admin(0), {proposal(random_id<Hash>(chain.rng), promotion())}, &admin_keys[0])})});
    return codes(last);
  };
  using enum ErrorCode;
  EXPECT_EQ(probe(), (std::vector{UNKNOWN_PRINCIPAL, UNKNOWN_PRINCIPAL, UNKNOWN_PRINCIPAL, NOT_YOUR_MEMBER,
                                  NOT_YOUR_MEMBER, OK, MEMBER_NOT_FOUND}));
  approve(newcomer());
  EXPECT_EQ(probe(), (std::vector{MEMBER_NOT_ACTIVE, MEMBER_NOT_ACTIVE, UNKNOWN_PRINCIPAL, NOT_YOUR_MEMBER,
                                  NOT_YOUR_MEMBER, OK, LEARNER_NOT_READY}));
  // An administrator's new key: what was signed with the old one, refused by an operation then, was answered.
  const auto old_key = admin_keys[2];
  admin_keys[2] = crypto::PrivateKey::generate(kSuite);
  execute(2, {item(chain.admin(2), {anchor()}, &old_key),  // NOT_CUSTODIAN: an answer
              item(chain.admin(2), {set_key(2)}, &old_key),
              item(chain.admin(2), {ballot(random_id<Hash>(chain.rng))}, &old_key),
              item(chain.admin(2), {ballot(random_id<Hash>(chain.rng))}, &admin_keys[2])});
  EXPECT_EQ(codes(last), (std::vector{NOT_CUSTODIAN, OK, WRONG_KEY, PROPOSAL_NOT_FOUND}));
  auto foreign = ask();
  foreign.mutable_decide()->set_requester(chain.member(1).str());
  const auto older_key = admin_keys[2];
  admin_keys[2] = crypto::PrivateKey::generate(kSuite);
  execute(2, {item(chain.admin(2), {foreign}, &older_key), item(chain.admin(2), {set_key(2)}, &older_key)});
  EXPECT_EQ(codes(last), (std::vector{NOT_YOUR_MEMBER, OK}));
  EXPECT_TRUE(last.items[0].answers);

  const auto shown = last;
  chain.time_ms += limits::kCertifiedRootIntervalMs;  // the next block keeps a root again
  execute(std::vector<BatchPtr>{});
  execute(3, {item(guest_admin, {readiness(shown)}),  // nobody vouches for a learner's administrator
              item(guest_admin, {readiness(shown), set_key(guest_admin, guest_key)}, &guest_admin_key),
              item(guest_admin, {readiness(shown)}, &guest_admin_key),
              item(guest_admin, {readiness(shown)}, &guest_admin_key)});
  EXPECT_EQ(codes(last), (std::vector{MEMBER_NOT_ACTIVE, MEMBER_NOT_ACTIVE, OK, LEARNER_STATE_UNKNOWN}));
  approve(promotion());
  end_epoch();
  ASSERT_FALSE(HasFatalFailure());
  chain.keys.push_back(guest_key);
  EXPECT_EQ(probe(), (std::vector{NOT_YOUR_MEMBER, NOT_YOUR_MEMBER, UNKNOWN_PRINCIPAL, NOT_YOUR_MEMBER,
                                  NOT_YOUR_MEMBER, OK, MEMBER_EXISTS}));
  derive_past();

  // Its principal is revoked with the vote: what was said of it while it had one still holds.
  pb::MembersChange removal;
  removal.mutable_remove()->set_member(guest.str());
  approve(removal, {1, 2, 3});
  end_epoch();
  ASSERT_FALSE(HasFatalFailure());
  chain.keys.pop_back();
  EXPECT_EQ(node.state<pb::PrincipalState>(StateKind::principal, guest)->status(), pb::PRINCIPAL_STATUS_REVOKED);
  EXPECT_EQ(probe(), (std::vector{MEMBER_NOT_ACTIVE, MEMBER_NOT_ACTIVE, UNKNOWN_PRINCIPAL, NOT_YOUR_MEMBER,
                                  NOT_YOUR_MEMBER, OK, MEMBER_NOT_FOUND}));
  replay();
  derive_past();
  ASSERT_LE(chain.blocks.size(), 64u) << "a start looks at all of them";
  take(node.store().checkpoint());
  node.reopen();
}

TEST_F(MembershipTest, TellsWhatIsPendingAlsoAfterARestart) {
  approve(newcomer());
  EXPECT_FALSE(last.next_members) << "a learner is not on the list";
  pb::MembersChange pin;
  pin.mutable_pin_ca()->set_member(chain.member(1).str());
  pin.mutable_pin_ca()->set_tls_ca(random_id<Hash>(chain.rng).str());
  approve(pin);
  const auto approved = last;
  ASSERT_TRUE(approved.next_members.has_value());
  const auto block = execute(std::vector<BatchPtr>{});
  ASSERT_TRUE(block.next_members.has_value()) << "still pending";
  take(node.store().checkpoint());
  node.reopen();
  const auto now = take(node.executor().membership());
  ASSERT_TRUE(now.next.has_value());
  EXPECT_EQ(now.next->since, approved.height);
  EXPECT_EQ(now.next_at(approved.height - 1), nullptr);
  ASSERT_NE(now.next_at(approved.height), nullptr);
  EXPECT_EQ(now.next_at(approved.height)->encode(), approved.next_members->encode());
  // A block applied before tells the same.
  auto again = [&](Height height) { return node.apply(chain.blocks[height - 1]); };
  EXPECT_FALSE(again(approved.height - 1).next_members);
  ASSERT_TRUE(again(approved.height).next_members.has_value());
  EXPECT_EQ(again(approved.height).next_members->encode(), approved.next_members->encode());
  end_epoch();
  EXPECT_FALSE(again(approved.height).next_members) << "that epoch is over";
}

TEST_F(MembershipTest, ABlockOfAnotherEpochOrWithAnotherListIsNone) {
  pb::MembersChange pin;
  pin.mutable_pin_ca()->set_member(chain.member(1).str());
  pin.mutable_pin_ca()->set_tls_ca(random_id<Hash>(chain.rng).str());
  auto refused = [&](const BlockPtr& block) {
    auto run = node.executor().runner().run(node.view(), block);
    return run ? ErrorCode::OK : run.error().code;
  };
  auto with = [&](auto alter) {
    auto block = std::make_shared<Block>();
    block->skeleton.header = chain.genesis.block_zero();
    block->skeleton.header.height = last.height + 1;
    block->skeleton.header.time_ms = chain.time_ms + 1;
    alter(block->skeleton.header);
    return BlockPtr(block);
  };
  EXPECT_EQ(refused(with([](auto&) {})), ErrorCode::OK);
  EXPECT_EQ(refused(with([](auto& header) { header.epoch = 2; })), ErrorCode::CORRUPT);
  auto ends = [&](auto& header) {
    header.flags = kEpochEnd;
    header.next_members_hash = chain.genesis.member_set.hash(kSuite);
  };
  EXPECT_EQ(refused(with(ends)), ErrorCode::CORRUPT) << "nothing is pending";
  approve(pin);
  EXPECT_EQ(refused(with(ends)), ErrorCode::CORRUPT) << "another list";
  end_epoch();
  EXPECT_EQ(refused(with([](auto& header) { header.epoch = 1; })), ErrorCode::CORRUPT);
  EXPECT_EQ(refused(with([](auto& header) { header.epoch = 2; })), ErrorCode::OK);
}

TEST_F(MembershipTest, AdmissionKnowsWhoHasAVote) {
  let_in();
  ASSERT_FALSE(HasFatalFailure());
  auto admit = [&](const PrincipalId& self, const BatchItem& one) {
    auto admitted = Admission(chain.genesis, self)
                        .admit(node.view(), {one.transaction.bytes(), one.authorization, one.transaction.author(),
                                             chain.time_ms + 50});
    return admitted ? ErrorCode::OK : admitted.error().code;
  };
  auto enrol = [&] { return registration(random_id<PrincipalId>(chain.rng), pb::PRINCIPAL_KIND_PATIENT); };
  EXPECT_EQ(admit(guest, item(guest_admin, {enrol()})), ErrorCode::OK);
  EXPECT_EQ(admit(chain.member(0), item(guest_admin, {enrol()})), ErrorCode::NOT_YOUR_MEMBER);
  EXPECT_EQ(admit(chain.member(0), item(guest_admin, {enrol()}, &guest_admin_key)), ErrorCode::OK);
  EXPECT_EQ(admit(guest, item(guest_admin, {ballot(random_id<Hash>(chain.rng))})), ErrorCode::ASSURANCE_TOO_LOW);
  EXPECT_EQ(admit(guest, item(service_a, {ballot(random_id<Hash>(chain.rng))})), ErrorCode::NOT_YOUR_MEMBER);
  pb::MembersChange removal;
  removal.mutable_remove()->set_member(guest.str());
  approve(removal, {1, 2, 3});
  end_epoch();
  EXPECT_EQ(admit(guest, item(service_a, {anchor()})), ErrorCode::MEMBER_NOT_ACTIVE) << "its node makes no batches";
  EXPECT_EQ(admit(chain.member(0), item(guest_admin, {enrol()}, &guest_admin_key)), ErrorCode::MEMBER_NOT_ACTIVE);
  EXPECT_EQ(admit(chain.member(0), item(patient, {grant(random_id<ConsentId>(chain.rng))}, &patient_key)),
            ErrorCode::OK);

  // A trial signs for an administrator who is about to replace his key.
  const auto next_key = crypto::PrivateKey::generate(kSuite);
  const auto change = item(chain.admin(0), {set_key(chain.admin(0), next_key)});
  auto trial = Admission(chain.genesis, chain.member(0))
                   .validate(node.view(), {change.transaction.bytes(), {}, chain.admin(0), chain.time_ms + 50});
  ASSERT_TRUE(trial.has_value());
  EXPECT_EQ(trial->trial.code, ErrorCode::OK) << trial->trial.message;
}

TEST_F(MembershipTest, CostsNothingWhileNobodyChangesAnything) {
  EXPECT_EQ(execute(std::vector<BatchPtr>{}).rows.total(), ledger::kRowsPerBlock);
  approve(newcomer());
  EXPECT_EQ(execute(std::vector<BatchPtr>{}).rows.state, 1u) << "the certified root, for the learner";
  EXPECT_EQ(execute(std::vector<BatchPtr>{}).rows.state, 0u) << "not every block";
}

}  // namespace galen::execution::test
