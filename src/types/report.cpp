// The pages and the JSON of all kinds of evidence files.
#include "galen/types/report.hpp"

#include "types/report_words.hpp"
#include "types/state_words.hpp"

namespace galen {

namespace {

std::string chain_text(const Genesis& genesis) {
  std::string out =
      "\nChain \"" + genesis.name + "\" (" + genesis.short_chain_id() + ", " + genesis.chain_id.hex() + ")\n";
  if (genesis.test) out += "This is a TEST chain: its receipts have no legal weight.\n";
  return out;
}

std::string chain_json(const Genesis& genesis) {
  return "\"chain_id\":" + quoted(genesis.chain_id.hex()) + ",\"chain\":" + quoted(genesis.short_chain_id()) +
         ",\"test_chain\":" + (genesis.test ? "true" : "false");
}

std::string genesis_text(bool from_bundle) {
  return from_bundle
             ? "  - That the genesis.json inside this file is the consortium's: compare the chain id above with "
               "one you got from a member.\n"
             : "  - That genesis.json is the consortium's: compare the chain id above with one you got from a "
               "member.\n";
}

/// Author, outcome and height, as receipts and transaction proofs say them.
template <class Verdict>
std::string author_text(const Genesis& genesis, const Verdict& verdict) {
  return "  - Its author is principal " + verdict.author.hex() +
         (verdict.author_signed ? ", who signed it with a key of their own.\n"
                                : "; member " + member_name(genesis, as_text(verdict.origin)) + " vouches for that.\n");
}

std::string outcome_text(ErrorCode code) {
  if (code == ErrorCode::OK) return "  - It was executed, and did this:\n";
  return "  - It was refused by every replica with " + std::string(to_reason(code)) +
         " and changed nothing. It had asked for this:\n";
}

template <class Verdict>
std::string outcome_json(const Genesis& genesis, const Verdict& verdict) {
  return "\"transaction_id\":" + quoted(verdict.id.hex()) + ",\"outcome\":" + quoted(to_reason(verdict.code)) +
         ",\"author\":" + quoted(verdict.author.hex()) +
         ",\"assurance\":" + (verdict.author_signed ? "\"AUTHOR\"" : "\"NODE\"") +
         ",\"origin\":" + quoted(member_name(genesis, as_text(verdict.origin)));
}

std::string list_json(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ",") + value;
  return "[" + out + "]";
}

std::string certified_text(const Genesis& genesis, const std::string& what, const Signers& by) {
  return "  - " + std::to_string(by.ids.size()) + " of " + std::to_string(by.members) + " members" +
         (by.epoch == 1 ? std::string() : " of epoch " + std::to_string(by.epoch)) + " signed " + what + ": " +
         member_names(genesis, by.ids) + ".\n";
}

std::string certified_by_json(const Genesis& genesis, const Signers& by) {
  return "\"certified_epoch\":" + std::to_string(by.epoch) +
         ",\"certified_by\":" + member_names_json(genesis, by.ids);
}

std::string block_text(const Genesis& genesis, const BlockVerdict& block) {
  if (block.at_once) return certified_text(genesis, "that this was the outcome", block.certified_by);
  auto what = "block " + std::to_string(block.certified_height) + ", whose history holds block " +
              std::to_string(block.header.height) + " and whose past confirms its outcome";
  return certified_text(genesis, what, block.certified_by);
}

std::string certified_json(const Genesis& genesis, const BlockVerdict& block) {
  return "\"certified\":" + std::string(block.at_once ? "\"at once\"" : "\"by history\"") +
         ",\"certified_height\":" + std::to_string(block.certified_height) +
         "," + certified_by_json(genesis, block.certified_by);
}

std::string transaction_text(const Genesis& genesis, const TransactionVerdict& verdict, const BlockVerdict& block) {
  std::string out = "  - Transaction " + verdict.id.hex() + " was ordered in block " + std::to_string(verdict.height) +
                    ", whose time is " + time_text(block.header.time_ms) + ".\n";
  out += outcome_text(verdict.code);
  for (const auto& shown : verdict.shown) {
    out += "      " + shown.text + "\n";
    if (shown.decision) out += "        answer: " + decision_text(genesis, *shown.decision) + "\n";
  }
  if (verdict.shown.size() < verdict.operations)
    out += "      and " + std::to_string(verdict.operations - verdict.shown.size()) +
           " more operations, which this file does not show\n";
  return out + author_text(genesis, verdict) + block_text(genesis, block);
}

std::string transaction_json(const Genesis& genesis, const TransactionVerdict& verdict, const BlockVerdict& block) {
  std::vector<std::string> shown;
  for (const auto& one : verdict.shown)
    shown.push_back("{\"index\":" + std::to_string(one.index) + ",\"text\":" + quoted(one.text) +
                    (one.decision ? ",\"decision\":" + decision_json(genesis, *one.decision) : "") + "}");
  return "{\"height\":" + std::to_string(verdict.height) + ",\"time_ms\":" + std::to_string(block.header.time_ms) +
         "," + outcome_json(genesis, verdict) + ",\"operations_total\":" + std::to_string(verdict.operations) +
         ",\"operations\":" + list_json(shown) + "," + certified_json(genesis, block) + "}";
}

std::string state_report(const Genesis& genesis, const StateVerdict& verdict, const BlockVerdict& block) {
  return "  - In the state after block " + std::to_string(verdict.height) + ", whose time is " +
         time_text(block.header.time_ms) + ":\n      " + state_text(genesis, verdict) + "\n" +
         block_text(genesis, block);
}

std::string state_json(const Genesis& genesis, const StateVerdict& verdict, const BlockVerdict& block) {
  return "{\"kind\":" + quoted(state_kind_text(verdict.kind)) + ",\"key\":" + quoted(to_hex(verdict.key)) +
         ",\"present\":" + (verdict.value ? "true" : "false") +
         ",\"value\":" + quoted(verdict.value ? to_hex(*verdict.value) : "") +
         ",\"row\":" + state_row_json(verdict) + ",\"text\":" + quoted(state_text(genesis, verdict)) + ",\"height\":" + std::to_string(verdict.height) +
         ",\"time_ms\":" + std::to_string(block.header.time_ms) + "," + certified_json(genesis, block) + "}";
}

std::string consistency_text(const Genesis& genesis, const ConsistencyVerdict& verdict) {
  auto to = std::to_string(verdict.to.height);
  return "  - The chain up to block " + std::to_string(verdict.from.height) + " (" + verdict.from_digest.hex() +
         ") is the unchanged beginning of the chain up to block " + to + " (" + verdict.to_digest.hex() + ").\n" +
         certified_text(genesis, "block " + std::to_string(verdict.certified_height) + ", which holds both",
                        verdict.certified_by);
}

std::string consistency_json(const Genesis& genesis, const ConsistencyVerdict& verdict) {
  return "{\"from_height\":" + std::to_string(verdict.from.height) +
         ",\"from_digest\":" + quoted(verdict.from_digest.hex()) +
         ",\"to_height\":" + std::to_string(verdict.to.height) + ",\"to_digest\":" + quoted(verdict.to_digest.hex()) +
         ",\"certified_height\":" + std::to_string(verdict.certified_height) +
         "," + certified_by_json(genesis, verdict.certified_by) + "}";
}

template <class Decisions>
std::string answers_text(const Genesis& genesis, const Decisions& decisions) {
  std::string out;
  for (const auto& entry : decisions) out += decision_text(genesis, entry) + "\n";
  return out.empty() ? out : "\n" + out;
}

std::vector<ledger::v1::AccessEntry> decisions_of(const BundleVerdict& verdict) {
  std::vector<ledger::v1::AccessEntry> out;
  for (const auto& transaction : verdict.transactions)
    for (const auto& shown : transaction.shown)
      if (shown.decision) out.push_back(*shown.decision);
  return out;
}

std::string not_proved_text(const std::string& kind, const BundleVerdict& verdict) {
  std::string out = "\nNot proved:\n" + limits_text();
  bool hidden = false;
  for (const auto& transaction : verdict.transactions) hidden |= transaction.shown.size() < transaction.operations;
  if (hidden) out += "  - What the operations are that are not shown.\n";
  out += verdict.openings.empty()
             ? "  - That a document says the truth, or what it says; only its custodian can open the commitment to its "
               "bytes.\n"
             : "  - That a document says the truth.\n";
  if (kind == "evidence") out += "  - That the page inside the file is right: read this one.\n";
  return out + genesis_text(verdict.genesis_from_bundle);
}

BundleVerdict as_bundle(const Genesis& genesis) {
  BundleVerdict out;
  out.genesis = genesis;
  return out;
}

Result<BundleVerdict> verify_single(const Genesis& genesis, EvidenceKind kind, ByteSpan file) {
  auto out = as_bundle(genesis);
  if (kind == EvidenceKind::transaction) {
    GALEN_ASSIGN(auto decoded, TransactionProofFile::decode(file));
    GALEN_ASSIGN(auto verdict, verify_transaction_file(genesis, decoded));
    out.blocks.push_back(std::move(verdict.block));
    out.transactions.push_back(std::move(verdict.transaction));
    out.transaction_blocks.push_back(0);
  } else if (kind == EvidenceKind::state) {
    GALEN_ASSIGN(auto decoded, StateProofFile::decode(file));
    GALEN_ASSIGN(auto verdict, verify_state_file(genesis, decoded));
    out.blocks.push_back(std::move(verdict.block));
    out.states.push_back(std::move(verdict.state));
    out.state_blocks.push_back(0);
  } else {
    GALEN_ASSIGN(auto decoded, ConsistencyProofFile::decode(file));
    GALEN_ASSIGN(auto verdict, verify_consistency_file(genesis, decoded));
    out.consistency.push_back(std::move(verdict));
  }
  return out;
}

/// The advice of an error is for who called a node; here somebody holds a file.
std::string_view file_advice(ErrorCode code) {
  if (code == ErrorCode::IO_ERROR) return "Check the path, its permissions and the disk.";
  if (code == ErrorCode::UNSUPPORTED_VERSION) return advice(code);
  return "Rely on nothing in this file: ask for another, and compare genesis.json with that of a member.";
}

constexpr const char* kKindNames[] = {"receipt", "transaction proof", "state proof", "consistency proof", "evidence"};

}  // namespace

std::string report_text(const Genesis& genesis, const ReceiptVerdict& verdict) {
  std::string out = "VALID\n" + answers_text(genesis, verdict.decisions) + chain_text(genesis);
  out += "\nProved by this receipt and genesis.json alone:\n";
  out += "  - Transaction " + verdict.transaction_id.hex() + " was ordered in block " + std::to_string(verdict.height) +
         ", whose time is " + time_text(verdict.time_ms) + ".\n";
  out += outcome_text(verdict.code);
  for (const auto& operation : verdict.operations) out += "      " + operation + "\n";
  out += author_text(genesis, verdict);
  out += certified_text(genesis, "that this was the outcome", verdict.certified_by);
  out += "\nNot proved:\n" + limits_text();
  out +=
      "  - That a document says the truth, or what it says; only its custodian can open the commitment to its bytes.\n";
  return out + genesis_text(false);
}

std::string report_json(const Genesis& genesis, const ReceiptVerdict& verdict) {
  std::vector<std::string> operations, decisions;
  for (const auto& operation : verdict.operations) operations.push_back(quoted(operation));
  for (const auto& entry : verdict.decisions) decisions.push_back(decision_json(genesis, entry));
  return "{\"valid\":true,\"kind\":\"receipt\"," + chain_json(genesis) +
         ",\"height\":" + std::to_string(verdict.height) + ",\"time_ms\":" + std::to_string(verdict.time_ms) +
         ",\"transaction_id\":" + quoted(verdict.transaction_id.hex()) +
         ",\"outcome\":" + quoted(to_reason(verdict.code)) + ",\"author\":" + quoted(verdict.author.hex()) +
         ",\"assurance\":" + (verdict.author_signed ? "\"AUTHOR\"" : "\"NODE\"") +
         ",\"origin\":" + quoted(member_name(genesis, as_text(verdict.origin))) + ",\"operations\":" + list_json(operations) +
         ",\"decisions\":" + list_json(decisions) +
         "," + certified_by_json(genesis, verdict.certified_by) + "}";
}

std::string report_text(const std::string& kind, const BundleVerdict& verdict) {
  const auto& genesis = verdict.genesis;
  std::string out = "VALID\n" + answers_text(genesis, decisions_of(verdict)) + chain_text(genesis);
  out += "\nProved by this " + (kind == "evidence" ? std::string("bundle of evidence") : kind) +
         " and genesis.json alone:\n";
  for (std::size_t i = 0; i < verdict.transactions.size(); ++i)
    out += transaction_text(genesis, verdict.transactions[i], verdict.blocks[verdict.transaction_blocks[i]]);
  for (std::size_t i = 0; i < verdict.states.size(); ++i)
    out += state_report(genesis, verdict.states[i], verdict.blocks[verdict.state_blocks[i]]);
  for (const auto& opening : verdict.openings)
    out += "  - The document of " + std::to_string(opening.document_bytes) +
           " bytes in this file is the one that record " + to_hex(verdict.states[opening.state].key) + " commits to.\n";
  for (const auto& one : verdict.consistency) out += consistency_text(genesis, one);
  return out + not_proved_text(kind, verdict);
}

std::string report_json(const std::string& kind, const BundleVerdict& verdict) {
  const auto& genesis = verdict.genesis;
  std::vector<std::string> transactions, states, consistency, openings;
  for (std::size_t i = 0; i < verdict.transactions.size(); ++i)
    transactions.push_back(
        transaction_json(genesis, verdict.transactions[i], verdict.blocks[verdict.transaction_blocks[i]]));
  for (std::size_t i = 0; i < verdict.states.size(); ++i)
    states.push_back(state_json(genesis, verdict.states[i], verdict.blocks[verdict.state_blocks[i]]));
  for (const auto& one : verdict.consistency) consistency.push_back(consistency_json(genesis, one));
  for (const auto& opening : verdict.openings)
    openings.push_back("{\"pointer_id\":" + quoted(to_hex(verdict.states[opening.state].key)) +
                       ",\"document_bytes\":" + std::to_string(opening.document_bytes) + "}");
  return "{\"valid\":true,\"kind\":" + quoted(kind) + "," + chain_json(genesis) +
         ",\"genesis_from_file\":" + (verdict.genesis_from_bundle ? "true" : "false") +
         ",\"transactions\":" + list_json(transactions) + ",\"states\":" + list_json(states) +
         ",\"consistency\":" + list_json(consistency) + ",\"openings\":" + list_json(openings) + "}";
}

Error unreadable_file(const std::string& why) { return make_error(ErrorCode::IO_ERROR, "evidence: file: " + why); }

std::string report_error_json(const Error& error) {
  return "{\"valid\":false,\"error\":{\"reason\":" + quoted(to_reason(error.code)) +
         ",\"part\":" + quoted(failed_part(error.message)) + ",\"message\":" + quoted(error.message) +
         ",\"advice\":" + quoted(file_advice(error.code)) + "}}";
}

Result<VerifiedFile> verify_evidence_file(const std::optional<Bytes>& genesis_bytes, ByteSpan file) {
  auto kind = evidence_kind(file);
  auto name = std::string(kind ? kKindNames[static_cast<int>(*kind)] : "evidence");
  std::optional<Genesis> genesis;
  if (genesis_bytes) {
    auto parsed = Genesis::parse(*genesis_bytes);
    if (!parsed) return Error{parsed.error().code, name + ": genesis: " + parsed.error().message};
    genesis = std::move(*parsed);
  }
  if (!kind) return Error{ErrorCode::MALFORMED, "evidence: file: it begins with no magic that is known"};
  if (*kind == EvidenceKind::bundle) {
    GALEN_ASSIGN(auto bundle, EvidenceBundle::decode(file));
    GALEN_ASSIGN(auto verdict, verify_bundle(genesis_bytes, bundle));
    return VerifiedFile{*kind, report_text(name, verdict), report_json(name, verdict)};
  }
  if (!genesis) return Error{ErrorCode::INVALID_ARGUMENT, name + ": genesis: genesis.json is needed for this file"};
  if (*kind == EvidenceKind::receipt) {
    GALEN_ASSIGN(auto receipt, decode_receipt_file(file));
    GALEN_ASSIGN(auto verdict, verify_receipt(*genesis, receipt));
    return VerifiedFile{*kind, report_text(*genesis, verdict), report_json(*genesis, verdict)};
  }
  GALEN_ASSIGN(auto verdict, verify_single(*genesis, *kind, file));
  return VerifiedFile{*kind, report_text(name, verdict), report_json(name, verdict)};
}

}  // namespace galen
