#include "galen/execution/block_runner.hpp"

#include <algorithm>

#include "execution/author_check.hpp"
#include "execution/block_rows.hpp"
#include "execution/block_state.hpp"
#include "galen/contracts/leadership.hpp"
#include "galen/contracts/registry.hpp"

namespace galen::execution {

namespace {

namespace pb = ledger::v1;
using contracts::Assurance;

/// Of one item: what decides before and beside its operations.
struct ItemContext {
  const BatchItem& item;
  MemberIndex origin;
  Height height;
  TimestampMs time_ms;
  std::uint32_t rules_version;
};

struct Refusal {
  Error error;
  bool answers = false;  ///< refused by an operation: the id has its answer
  std::optional<ledger::TransactionEntry> first;
};

struct ItemRun {
  std::optional<Refusal> refusal;
  std::vector<Bytes> results;
};

contracts::RowReader reader_of(BlockState& state) {
  return [&state](StateKind kind, ByteSpan key) -> Result<std::optional<Bytes>> { return state.get(kind, key); };
}

/// Membership as the items so far have left it.
Result<contracts::Membership> membership_of(const Genesis& genesis, BlockState& state) {
  auto membership = contracts::load_membership(genesis, reader_of(state));
  GALEN_TRY(state.health());
  return membership;
}

}  // namespace

/// Runs items on one BlockState; remembers authors, and the ids the block answered so far. `members` are those of the
/// block's epoch and outlive it.
class ItemRunner {
 public:
  ItemRunner(const Genesis& genesis, const ledger::View& view, const MemberSet& members, BlockState& state)
      : genesis_(genesis), view_(view), members_(members), state_(state) {}

  /// Reads what the items are certain to ask for in two turns; they ask for the rest, and for what could not be read.
  void preload(const Block& block);
  Result<ItemRun> run(const ItemContext& context);
  /// After an answer: later items of the block with this id are duplicates.
  ledger::TransactionRow answer(const TransactionId& id, const ledger::TransactionEntry& entry);

 private:
  const pb::PrincipalState* author_of(const Transaction& transaction);
  std::optional<Error> check_time(const ItemContext& context) const;
  Result<std::optional<ledger::TransactionEntry>> first_answer(const TransactionId& id, TimestampMs time_ms);
  Result<ItemRun> run_operations(const ItemContext& context, const pb::PrincipalState& author);
  Result<bool> home_learns(const pb::PrincipalState& author);

  const Genesis& genesis_;
  const ledger::View& view_;
  const MemberSet& members_;
  BlockState& state_;
  std::map<TransactionId, std::optional<ledger::TransactionRow>> before_;  // as the view has them, of this block's ids
  std::map<PrincipalId, pb::PrincipalState> authors_;
  std::map<TransactionId, ledger::TransactionEntry> answered_;      // in this block
  std::map<TransactionId, ledger::TransactionEntry> first_before_;  // reused ids: where the answer stands
};

void ItemRunner::preload(const Block& block) {
  std::vector<TransactionId> ids;
  for (const auto& batch : block.batches)
    for (const auto& item : batch->items()) ids.push_back(item.transaction.id());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  view_.transactions(ids, [&](std::size_t index, std::optional<ledger::TransactionRow> row) {
    before_.emplace_hint(before_.end(), ids[index], std::move(row));
  });
  state_.preload(rows_read_by(block));
}

const pb::PrincipalState* ItemRunner::author_of(const Transaction& transaction) {
  auto known = authors_.find(transaction.author());
  if (known != authors_.end()) return &known->second;
  auto stored = state_.get(StateKind::principal, transaction.author());
  if (!stored) return nullptr;
  pb::PrincipalState value;
  if (!value.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) {
    state_.mark_corrupt(StateKind::principal);
    return nullptr;
  }
  return &authors_.emplace(transaction.author(), std::move(value)).first->second;
}

std::optional<Error> ItemRunner::check_time(const ItemContext& context) const {
  const auto valid_until = context.item.transaction.valid_until_ms();
  if (valid_until < context.time_ms)
    return make_error(ErrorCode::EXPIRED, "Block time has passed the transaction's valid_until.");
  if (valid_until - context.time_ms > genesis_.parameters.ttl_max_ms)
    return make_error(ErrorCode::VALID_UNTIL_TOO_FAR, "valid_until lies further ahead of block time than ttl_max.");
  return std::nullopt;
}

Result<std::optional<ledger::TransactionEntry>> ItemRunner::first_answer(const TransactionId& id, TimestampMs time_ms) {
  auto here = answered_.find(id);
  if (here != answered_.end()) {
    auto before = first_before_.find(id);
    return std::optional(before == first_before_.end() ? here->second : before->second);
  }
  auto known = before_.find(id);
  GALEN_ASSIGN(auto row, known != before_.end() ? Result<std::optional<ledger::TransactionRow>>(known->second)
                                                : view_.transaction(id));
  if (!row) return std::optional<ledger::TransactionEntry>{};
  if (row->latest.valid_until_ms >= time_ms) return std::optional(row->first);
  first_before_.insert_or_assign(id, row->first);
  return std::optional<ledger::TransactionEntry>{};
}

ledger::TransactionRow ItemRunner::answer(const TransactionId& id, const ledger::TransactionEntry& entry) {
  answered_.emplace(id, entry);
  auto before = first_before_.find(id);
  return before == first_before_.end() ? ledger::TransactionRow(entry) : ledger::TransactionRow(before->second, entry);
}

Result<ItemRun> ItemRunner::run_operations(const ItemContext& context, const pb::PrincipalState& author) {
  const auto& transaction = context.item.transaction;
  contracts::Context operation_context{
      .suite = genesis_.suite,
      .genesis = &genesis_,
      .height = context.height,
      .time_ms = context.time_ms,
      .transaction_id = transaction.id(),
      .operation = 0,
      .author = transaction.author(),
      .author_state = &author,
      .assurance = context.item.authorization.scheme == crypto::Scheme::none ? Assurance::node : Assurance::author,
      .origin = context.origin < members_.size() ? members_[context.origin].id : PrincipalId{},
      .rules_version = context.rules_version,
  };
  ItemRun run;
  run.results.reserve(transaction.operations().size());
  for (const auto& operation : transaction.operations()) {
    auto result = contracts::run_operation(operation_context, operation, state_);
    GALEN_TRY(state_.health());
    if (!result) {
      state_.undo_transaction();
      run.results.clear();
      run.refusal = Refusal{std::move(result).error(), true, std::nullopt};
      return run;
    }
    run.results.push_back(std::move(*result));
    ++operation_context.operation;
  }
  state_.commit_transaction();
  const auto& operations = transaction.operations();
  if (std::any_of(operations.begin(), operations.end(), [](const auto& one) { return one.has_set_admin_key(); }))
    authors_.erase(transaction.author());  // the next item finds the new key
  return run;
}

Result<bool> ItemRunner::home_learns(const pb::PrincipalState& author) {
  auto home = PrincipalId::from(std::string_view(author.home_member()));
  if (author.kind() != pb::PRINCIPAL_KIND_ADMIN || (home && members_.index_of(*home))) return false;
  GALEN_ASSIGN(auto membership, membership_of(genesis_, state_));
  return membership.is_learner(author.home_member());
}

Result<ItemRun> ItemRunner::run(const ItemContext& context) {
  const auto& transaction = context.item.transaction;
  ItemRun refused;
  const auto* author = author_of(transaction);
  GALEN_TRY(state_.health());
  Electorate electorate{genesis_.suite, members_};
  if (author != nullptr) {
    GALEN_ASSIGN(electorate.home_learns, home_learns(*author));
  }
  auto error = check_author(electorate, context.item, context.origin, author);
  if (!error) error = check_time(context);
  if (error) {
    refused.refusal = Refusal{std::move(*error), false, std::nullopt};
    return refused;
  }
  GALEN_ASSIGN(auto first, first_answer(transaction.id(), context.time_ms));
  if (first) {
    refused.refusal =
        Refusal{make_error(ErrorCode::DUPLICATE, "This author used this request id before."), false, first};
    return refused;
  }
  return run_operations(context, *author);
}

BlockRunner::BlockRunner(const Genesis& genesis) : genesis_(genesis) {}
BlockRunner::~BlockRunner() = default;

BlockRun BlockRunner::run_genesis() const {
  auto block = std::make_shared<Block>();
  block->skeleton.header = genesis_.block_zero();
  BlockRun run{ledger::BlockUpdate(std::move(block)), {}, std::nullopt, {}};
  for (const auto& row : contracts::genesis_state(genesis_))
    run.update.put_state(static_cast<std::uint8_t>(row.kind), row.key, row.value);
  return run;
}

Result<BlockRun> BlockRunner::run(const ledger::View& view, const BlockPtr& block) const {
  const auto& header = block->skeleton.header;
  GALEN_ASSERT(header.height == view.height() + 1);
  if (header.rules_version == 0 || header.rules_version > contracts::kRulesVersionNewest)
    return make_error(ErrorCode::UNSUPPORTED_VERSION, "The block follows rules that this release does not know.");
  BlockState state(view, header.height);
  GALEN_ASSIGN(const auto membership, membership_of(genesis_, state));
  if (header.epoch != membership.epoch)
    return make_error(ErrorCode::CORRUPT, "The block is of another epoch than the state before it.");
  contracts::begin_block(membership, header, state);
  contracts::note_leaders(membership.members.size(), view.head().header, header, state);
  state.commit_transaction();
  ItemRunner runner(genesis_, view, membership.members, state);
  runner.preload(*block);
  BlockRun run{ledger::BlockUpdate(block), {}, std::nullopt, {}};

  for (std::uint32_t b = 0; b < block->batches.size(); ++b) {
    const auto& batch = *block->batches[b];
    const auto origin = batch.header().origin;
    for (std::uint32_t i = 0; i < batch.items().size(); ++i) {
      const auto& item = batch.items()[i];
      GALEN_ASSIGN(auto ran, runner.run({item, origin, header.height, header.time_ms, header.rules_version}));
      ExecutedItem done{
          .id = item.transaction.id(), .results = std::move(ran.results), .batch = b, .item = i, .origin = origin};
      done.answers = !ran.refusal || ran.refusal->answers;
      if (ran.refusal) {
        done.code = ran.refusal->error.code;
        done.first = ran.refusal->first;
      }
      const auto code = static_cast<std::uint32_t>(done.code);
      if (done.answers)
        run.update.put_transaction(
            done.id, runner.answer(done.id, {header.height, b, i, code, item.transaction.valid_until_ms()}));
      run.update.add_outcome(code, done.results);
      run.items.push_back(std::move(done));
    }
  }
  if (header.epoch_end()) {
    GALEN_TRY(contracts::end_epoch(genesis_, header, state));
    state.commit_transaction();
  }
  GALEN_ASSIGN(auto after, membership_of(genesis_, state));
  if (after.next) run.next_members = std::move(after.next->members);
  GALEN_ASSIGN(auto leadership, contracts::load_leadership(reader_of(state)));
  GALEN_TRY(state.health());
  run.leader_skips = std::move(leadership.skips);
  if (header.epoch_end()) run.update.set_next_members(std::move(after.members));
  state.write_to(run.update);
  return run;
}

Result<ledger::BlockUpdate> BlockRunner::execute(const ledger::View* view, const BlockPtr& block) {
  if (view == nullptr) {
    auto run = run_genesis();
    if (run.update.block()->skeleton.header == block->skeleton.header) return std::move(run.update);
    return make_error(ErrorCode::CORRUPT, "Block 0 is not the one of this genesis.");
  }
  GALEN_ASSIGN(auto done, run(*view, block));
  return std::move(done.update);
}

Result<BlockRunner::Trial> BlockRunner::try_transaction(const ledger::View& view, const BatchItem& item,
                                                        MemberIndex origin, TimestampMs time_ms) const {
  BlockState state(view, view.height() + 1);
  GALEN_ASSIGN(const auto membership, membership_of(genesis_, state));
  ItemRunner runner(genesis_, view, membership.members, state);
  GALEN_ASSIGN(auto ran, runner.run({item, origin, view.height() + 1, time_ms, contracts::kRulesVersionNewest}));
  Trial trial;
  trial.results = std::move(ran.results);
  if (ran.refusal) {
    trial.code = ran.refusal->error.code;
    trial.message = std::move(ran.refusal->error.message);
    trial.first = ran.refusal->first;
  }
  return trial;
}

}  // namespace galen::execution
