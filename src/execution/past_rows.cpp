// An item answers its id unless it was refused before its operations ran. Block time and code show most refusals. Codes
// that operations give as well are told apart by asking about the author once more: what those codes depend on never
// changes after a principal's registration (kind, home, a patient's key, the status of all but members), and who voted
// in an epoch stands in its row. So the newest state says what the state of then said. A member's status follows the
// list of voters, and is taken from that of the block's epoch. An administrator's key does change, but what that leads
// to (WRONG_KEY) no operation gives.
#include "galen/execution/past_rows.hpp"

#include <set>

#include "execution/author_check.hpp"
#include "galen/contracts/membership.hpp"

namespace galen::execution {
namespace {

namespace pb = ledger::v1;

Error corrupt(const char* what) { return make_error(ErrorCode::CORRUPT, std::string("A past block's ") + what); }

class PastRowsMaker {
 public:
  PastRowsMaker(const Genesis& genesis, const ledger::PastBlock& past, const StateReader& state)
      : genesis_(genesis), past_(past), state_(state) {}

  Result<ledger::PastRows> run() {
    std::size_t index = 0;
    const auto& batches = past_.block->batches;
    for (std::uint32_t b = 0; b < batches.size(); ++b) {
      const auto& items = batches[b]->items();
      for (std::uint32_t i = 0; i < items.size(); ++i, ++index) {
        const auto& outcome = past_.outcomes[index];
        GALEN_ASSIGN(bool answered, answers(items[i], batches[b]->header().origin, outcome.code));
        if (!answered) continue;
        const auto& transaction = items[i].transaction;
        rows_.answers.insert_or_assign(transaction.id(), ledger::TransactionEntry{past_.height(), b, i, outcome.code,
                                                                                  transaction.valid_until_ms()});
        if (outcome.code == 0) GALEN_TRY(add_lists(transaction, outcome));
      }
    }
    return std::move(rows_);
  }

 private:
  Result<bool> answers(const BatchItem& item, MemberIndex origin, std::uint32_t code) {
    switch (static_cast<ErrorCode>(code)) {
      case ErrorCode::BAD_SIGNATURE:
      case ErrorCode::WRONG_KEY:
      case ErrorCode::MEMBER_NOT_ACTIVE:
      case ErrorCode::EXPIRED:
      case ErrorCode::VALID_UNTIL_TOO_FAR:
      case ErrorCode::DUPLICATE:
        return false;
      case ErrorCode::UNKNOWN_PRINCIPAL:
      case ErrorCode::PRINCIPAL_INACTIVE:
      case ErrorCode::NOT_YOUR_MEMBER:
      case ErrorCode::PATIENT_HAS_NO_KEY:
        break;
      default:
        return true;
    }
    GALEN_ASSIGN(auto author, author_before(item.transaction.author()));
    GALEN_ASSIGN(const auto* members, epoch_members());
    // Whoever passed as a learner's administrator then passes now; the others were told MEMBER_NOT_ACTIVE.
    const Electorate electorate{genesis_.suite, *members, true};
    auto refused = check_author(electorate, item, origin, author ? &*author : nullptr);
    return !refused || refused->code != static_cast<ErrorCode>(code);
  }

  /// Those who voted when the block was made.
  Result<const MemberSet*> epoch_members() {
    if (!members_) {
      GALEN_ASSIGN(auto epoch, contracts::load_epoch(genesis_, past_.block->skeleton.header.epoch,
                                                     [&](StateKind kind, ByteSpan key) {
                                                       return state_(static_cast<std::uint8_t>(kind), key);
                                                     }));
      if (!epoch) return corrupt("epoch has no row.");
      members_ = std::move(epoch->members);
    }
    return &*members_;
  }

  /// The author's row as the item found it.
  Result<std::optional<pb::PrincipalState>> author_before(const PrincipalId& id) {
    std::optional<pb::PrincipalState> none;
    GALEN_ASSIGN(auto row, state_(static_cast<std::uint8_t>(StateKind::principal), id));
    if (!row) return none;
    pb::PrincipalState author;
    if (!author.ParseFromArray(row->data(), static_cast<int>(row->size()))) return corrupt("author does not decode.");
    if (author.registered_height() > past_.height()) return none;
    if (author.registered_height() == past_.height() && past_.height() > 0 && !registered_here_.contains(id))
      return none;
    // A voter is active throughout its epoch, whatever became of it since. Who had no vote then is told so before
    // anybody looks at its status.
    if (author.kind() == pb::PRINCIPAL_KIND_MEMBER) {
      GALEN_ASSIGN(const auto* members, epoch_members());
      if (members->index_of(id)) author.set_status(pb::PRINCIPAL_STATUS_ACTIVE);
    }
    return std::optional(std::move(author));
  }

  Status add_lists(const Transaction& transaction, const ledger::ItemOutcome& outcome) {
    const auto& operations = transaction.operations();
    if (outcome.results.size() != operations.size()) return corrupt("results are not one for each operation.");
    for (std::size_t i = 0; i < operations.size(); ++i) {
      const auto& operation = operations[i];
      if (operation.has_register_principal()) {
        if (auto id = PrincipalId::from(std::string_view(operation.register_principal().id())))
          registered_here_.insert(*id);
      } else if (operation.has_anchor_record() && !operation.anchor_record().subject().empty()) {
        append_id(contracts::ListKind::patient_records, operation.anchor_record().subject(),
                  operation.anchor_record().pointer_id());
      } else if (operation.has_grant_consent()) {
        append_id(contracts::ListKind::patient_consents, transaction.author().str(),
                  operation.grant_consent().consent_id());
      } else if (operation.has_propose_members()) {
        append_id(contracts::ListKind::proposals, {}, operation.propose_members().proposal_id());
      } else if (operation.has_decide()) {
        GALEN_TRY(add_access(outcome.results[i]));
      }
    }
    return {};
  }

  void append_id(contracts::ListKind list, const std::string& owner, const std::string& id) {
    auto& ids = rows_.lists[ledger::list_row_key(static_cast<std::uint8_t>(list), as_bytes(owner), past_.height())];
    ids.insert(ids.end(), id.begin(), id.end());
  }

  Status add_access(const Bytes& result) {
    pb::AccessEntry entry;
    if (!entry.ParseFromArray(result.data(), static_cast<int>(result.size())))
      return corrupt("access does not decode.");
    auto patient = PrincipalId::from(std::string_view(entry.patient()));
    if (!patient) return corrupt("access names no patient.");
    rows_.lists[ledger::list_row_key(static_cast<std::uint8_t>(contracts::ListKind::patient_accesses),
                                     contracts::access_head_key(*patient), entry.sequence())] = result;
    return {};
  }

  const Genesis& genesis_;
  const ledger::PastBlock& past_;
  const StateReader& state_;
  ledger::PastRows rows_;
  std::optional<MemberSet> members_;       // of the block's epoch, once asked for
  std::set<PrincipalId> registered_here_;  // by earlier items of this block
};

}  // namespace

Result<ledger::PastRows> past_rows(const Genesis& genesis, const ledger::PastBlock& past, const StateReader& state) {
  return PastRowsMaker(genesis, past, state).run();
}

}  // namespace galen::execution
