// Makes blocks of a consortium whose members' keys all lie on this machine (galenctl dev), as a network at its best
// would: one batch of anchors a block, its origin in turn, real headers, COMMIT-QC and EXECUTED certificate by three of
// four. The chain it extends may be one that a network began, and a network goes on from where it ends. One thread.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "galen/base/clock.hpp"
#include "galen/execution/executor.hpp"
#include "galen/types/genesis.hpp"
#include "unit/chain_parts.hpp"

namespace galen::bench {

using test::random_id;

/// Ends the program: a bench has nobody to hand an error to.
[[noreturn]] inline void stop(const Error& error) {
  fmt::print(stderr, "{}: {}\n", to_reason(error.code), error.message);
  std::exit(1);
}
template <class Value>
Value take(Result<Value> result) {
  if (!result) stop(result.error());
  return std::move(*result);
}
inline void take(const Status& status) {
  if (!status) stop(status.error());
}

class ChainMaker {
 public:
  /// `consortium`: directory of `galenctl dev up`. Continues above the ledger's head.
  ChainMaker(const std::string& consortium, const Genesis& genesis, const ledger::View& view)
      : genesis_(genesis),
        context_(genesis.context()),
        rng_(view.height() + 1),
        parent_(view.head().header),
        history_(take(view.history_frontier(view.height() + 1))) {
    for (std::size_t i = 0; i < genesis.members.size(); ++i)
      keys_.push_back(take(
          crypto::PrivateKey::load(genesis.suite, fmt::format("{}/node-{}/keys/consensus.pem", consortium, i + 1))));
    executed_ = {parent_.height, view.head().digest, view.head().state_root, view.head().results_root};
    for (std::size_t i = 0; i < keys_.size(); ++i) services_.push_back(random_id<PrincipalId>(rng_));
  }

  /// The first block of a run: a service of each member, who will anchor.
  BlockPtr services() {
    std::vector<BatchPtr> batches;
    for (MemberIndex origin = 0; origin < keys_.size(); ++origin)
      batches.push_back(batch(origin, {item(genesis_.members[origin].admin,
                                            {registration(services_[origin], ledger::v1::PRINCIPAL_KIND_SERVICE)})}));
    return block(std::move(batches));
  }
  /// Patients that records will be about, `each` of every member: a megabyte of them at most.
  BlockPtr patients(std::size_t each) {
    std::vector<BatchPtr> batches;
    for (MemberIndex origin = 0; origin < keys_.size(); ++origin) {
      std::vector<BatchItem> items;
      for (std::size_t done = 0; done < each;) {
        std::vector<ledger::v1::Operation> operations;
        for (; done < each && operations.size() < kOperationsEach; ++done) {
          patients_.push_back(random_id<PrincipalId>(rng_));
          operations.push_back(registration(patients_.back(), ledger::v1::PRINCIPAL_KIND_PATIENT));
        }
        items.push_back(item(genesis_.members[origin].admin, std::move(operations)));
      }
      batches.push_back(batch(origin, std::move(items)));
    }
    return block(std::move(batches));
  }

  /// `records` anchors in transactions of `operations` each, all of one member.
  BlockPtr anchors(std::size_t records, std::size_t operations) {
    auto origin = static_cast<MemberIndex>(parent_.height % keys_.size());
    std::vector<BatchItem> items;
    for (std::size_t done = 0; done < records;) {
      std::vector<ledger::v1::Operation> some;
      for (; done < records && some.size() < operations; ++done) some.push_back(anchor(origin));
      items.push_back(item(services_[origin], std::move(some)));
    }
    return block({batch(origin, std::move(items))});
  }

  /// Told what executing the last block gave: the next header carries its roots.
  void executed(const execution::ExecutedBlock& block) { executed_ = block.subject(); }

  QuorumCertificate commit_certificate() const { return test::commit_certificate(context_, keys_, signers(), parent_); }
  ExecutedCertificate executed_certificate() const {
    return test::executed_certificate(context_, keys_, signers(), executed_);
  }

 private:
  static constexpr std::size_t kOperationsEach = 500;

  std::vector<MemberIndex> signers() const {
    std::vector<MemberIndex> out;
    for (MemberIndex i = 0; i < quorum_size(keys_.size()); ++i) out.push_back(i);
    return out;
  }

  static ledger::v1::Operation registration(const PrincipalId& id, ledger::v1::PrincipalKind kind) {
    ledger::v1::Operation out;
    out.mutable_register_principal()->set_id(id.str());
    out.mutable_register_principal()->set_kind(kind);
    return out;
  }
  ledger::v1::Operation anchor(MemberIndex origin) {
    ledger::v1::Operation out;
    auto* anchor = out.mutable_anchor_record();
    anchor->set_pointer_id(random_id<PointerId>(rng_).str());
    anchor->set_custodian(genesis_.members[origin].id.str());
    anchor->set_subject(patients_[rng_.below(patients_.size())].str());
    anchor->set_commitment(random_id<Hash>(rng_).str());
    anchor->set_canon(ledger::v1::CANON_METHOD_JCS);
    anchor->set_status(ledger::v1::RECORD_STATUS_CURRENT);
    anchor->set_class_(ledger::v1::RECORD_CLASS_N);
    anchor->set_retention(ledger::v1::RETENTION_CLASS_HIPAA_6Y);
    return out;
  }
  BatchItem item(const PrincipalId& author, std::vector<ledger::v1::Operation> operations) {
    auto bytes = Transaction::encode({genesis_.chain_id, author, test::random_request_id(rng_),
                                      next_time_ms() + genesis_.parameters.ttl_max_ms / 2, std::move(operations)});
    return {Authorization{}, take(Transaction::decode(context_.suite, genesis_.chain_id, bytes))};
  }
  BatchPtr batch(MemberIndex origin, std::vector<BatchItem> items) const {
    return std::make_shared<const Batch>(Batch::make(context_, {origin, std::move(items)}, keys_[origin]));
  }
  TimestampMs next_time_ms() const { return std::max(parent_.time_ms + 1, system_clock().wall_ms()); }

  BlockPtr block(std::vector<BatchPtr> batches) {
    auto out = test::next_block(context_, parent_, std::move(batches), history_);
    auto& header = out->skeleton.header;
    header.view = parent_.view;
    header.proposer = parent_.proposer;
    header.time_ms = next_time_ms();
    header.exec_height = executed_.height;
    header.state_root = executed_.state_root;
    header.results_root = executed_.results_root;
    header.rules_version = genesis_.rules_version;
    parent_ = header;
    history_.append(crypto::merkle_leaf(context_.suite, parent_.digest(context_.suite)));
    return out;
  }

  const Genesis& genesis_;
  const ChainContext context_;
  Rng rng_;
  BlockHeader parent_;
  crypto::MerkleFrontier history_;
  ExecutedSubject executed_;
  std::vector<crypto::PrivateKey> keys_;
  std::vector<PrincipalId> services_, patients_;
};

}  // namespace galen::bench
