// Verifying evidence files in the order of docs/spec/evidence.md 3.
#include "galen/crypto/hash.hpp"
#include "galen/types/evidence.hpp"
#include "galen/types/wire_reader.hpp"

namespace galen {

namespace {

/// Only characters that a terminal shows, in valid UTF-8: the page must not be able to play tricks on its reader.
bool is_plain_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    auto lead = static_cast<std::uint8_t>(text[at]);
    std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead > 0xf4 || (lead >= 0x80 && lead < 0xc2) || at + length > text.size()) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      auto next = static_cast<std::uint8_t>(text[at + i]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    bool control = (point < 0x20 && point != '\n') || (point >= 0x7f && point <= 0x9f);
    if (overlong || control || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff) return false;
    at += length;
  }
  return true;
}

/// Puts the kind of file before the part.
template <class T>
Result<T> of_kind(const char* kind, Result<T> result) {
  if (result) return result;
  return in_part(kind, result.error());
}

Status check_chain(const Genesis& genesis, const Hash& chain_id) {
  if (chain_id == genesis.chain_id) return {};
  return proof_error(ErrorCode::WRONG_CHAIN, "chain_id", "it is not the one of this genesis.json");
}

/// Chain id and links of a file of one proof.
template <class File>
Result<EpochChain> check_start(const Genesis& genesis, const File& file) {
  GALEN_TRY(check_chain(genesis, file.chain_id));
  return EpochChain::follow(genesis, file.epochs);
}

Result<TransactionFileVerdict> check(const Genesis& genesis, const TransactionProofFile& file) {
  GALEN_ASSIGN(const auto epochs, check_start(genesis, file));
  GALEN_ASSIGN(auto block, check_certified_block(epochs, file.block, "block"));
  GALEN_ASSIGN(auto transaction, check_transaction_proof(epochs, block, file.proof, "transaction"));
  return TransactionFileVerdict{std::move(block), std::move(transaction)};
}

Result<StateFileVerdict> check(const Genesis& genesis, const StateProofFile& file) {
  GALEN_ASSIGN(const auto epochs, check_start(genesis, file));
  GALEN_ASSIGN(auto block, check_certified_block(epochs, file.block, "block"));
  GALEN_ASSIGN(auto state, check_state_row_proof(epochs, block, file.proof, "state"));
  return StateFileVerdict{std::move(block), std::move(state)};
}

Result<ConsistencyVerdict> check(const Genesis& genesis, const ConsistencyProofFile& file) {
  GALEN_ASSIGN(const auto epochs, check_start(genesis, file));
  return check_consistency_proof(epochs, file.proof, "consistency");
}

Result<Genesis> check_frame(const std::optional<Bytes>& given, const EvidenceBundle& bundle) {
  if (!is_plain_text(bundle.summary))
    return proof_error(ErrorCode::MALFORMED, "summary", "it holds more than plain text");
  if (given && *given != bundle.genesis)
    return proof_error(ErrorCode::WRONG_CHAIN, "genesis", "the bundle was made for another genesis.json");
  auto genesis = Genesis::parse(bundle.genesis);
  if (!genesis) return in_part("genesis", genesis.error());
  GALEN_TRY(check_chain(*genesis, bundle.chain_id));
  if (bundle.epoch != 1 || bundle.members != genesis->member_set.encode())
    return proof_error(ErrorCode::BAD_PROOF, "members", "they are not those of genesis");
  return genesis;
}

/// What an opening needs of a record's row.
struct RecordFields {
  std::uint64_t canon = 0;
  ByteSpan commitment;
};

/// A RecordState in canonical form (formats.md 5.7), nothing else. Not read with protobuf: it cuts an enumerator to 32
/// bits and writes a negative one in ten bytes, so it does not show which bytes it was given.
std::optional<RecordFields> read_record(ByteSpan value) {
  enum class Type { none, v32, v64, bytes };
  using enum Type;
  constexpr Type kFields[] = {none, v32, bytes, bytes, bytes, v32, bytes, v32, v32, v32, bytes, v64, v64};
  RecordFields out;
  std::uint64_t before = 0;
  for (WireReader in(value); !in.empty();) {
    const auto tag = in.varint();
    const auto number = tag ? *tag >> 3 : 0;
    if (number <= before || number >= std::size(kFields)) return std::nullopt;
    before = number;
    const auto type = kFields[number];
    if ((*tag & 7) != static_cast<std::uint64_t>(type == bytes ? WireType::bytes : WireType::varint))
      return std::nullopt;
    const auto varint = in.varint();  // the number itself, or the length: 0 is left out
    if (!varint || *varint == 0 || (type == v32 && *varint > UINT32_MAX)) return std::nullopt;
    if (number == ledger::v1::RecordState::kCanonFieldNumber) out.canon = *varint;
    if (type != bytes) continue;
    const auto field = in.raw(*varint);
    if (!field) return std::nullopt;
    if (number == ledger::v1::RecordState::kCommitmentFieldNumber) out.commitment = *field;
  }
  return out;
}

Status check_opening(const Genesis& genesis, const EvidenceBundle& bundle, std::size_t index) {
  const auto& opening = bundle.openings[index];
  const auto& state = bundle.states[opening.state].proof;
  auto part = "openings[" + std::to_string(index) + "]";
  std::optional<RecordFields> record;
  if (state.kind == static_cast<std::uint8_t>(StateKind::record) && state.value) record = read_record(*state.value);
  if (!record || record->canon > UINT8_MAX || record->commitment.size() != Hash::kSize)
    return proof_error(ErrorCode::MALFORMED, part + ".record", "its state is no record that commits to a document");
  auto head = ByteWriter(15).raw("galen1").u8(static_cast<std::uint8_t>(record->canon)).u64(opening.document.size());
  auto commitment = crypto::hmac(genesis.suite, opening.record_key, {head.bytes(), opening.document});
  if (as_text(commitment) != as_text(record->commitment))
    return proof_error(ErrorCode::COMMITMENT_MISMATCH, part + ".document", "it is not the one that was anchored");
  return {};
}

std::string nth(const char* list, std::size_t index) { return std::string(list) + "[" + std::to_string(index) + "]"; }

Result<BundleVerdict> check(const std::optional<Bytes>& given, const EvidenceBundle& bundle) {
  BundleVerdict out;
  GALEN_ASSIGN(out.genesis, check_frame(given, bundle));
  out.genesis_from_bundle = !given;
  const auto& genesis = out.genesis;
  GALEN_ASSIGN(const auto epochs, EpochChain::follow(genesis, bundle.epochs));
  for (std::size_t i = 0; i < bundle.blocks.size(); ++i) {
    GALEN_ASSIGN(auto block, check_certified_block(epochs, bundle.blocks[i], nth("blocks", i)));
    out.blocks.push_back(std::move(block));
  }
  for (std::size_t i = 0; i < bundle.transactions.size(); ++i) {
    const auto& item = bundle.transactions[i];
    GALEN_ASSIGN(auto verdict,
                 check_transaction_proof(epochs, out.blocks[item.block], item.proof, nth("transactions", i)));
    out.transactions.push_back(std::move(verdict));
    out.transaction_blocks.push_back(item.block);
  }
  for (std::size_t i = 0; i < bundle.states.size(); ++i) {
    const auto& item = bundle.states[i];
    GALEN_ASSIGN(auto verdict, check_state_row_proof(epochs, out.blocks[item.block], item.proof, nth("states", i)));
    out.states.push_back(std::move(verdict));
    out.state_blocks.push_back(item.block);
  }
  for (std::size_t i = 0; i < bundle.consistency.size(); ++i) {
    GALEN_ASSIGN(auto verdict, check_consistency_proof(epochs, bundle.consistency[i], nth("consistency", i)));
    out.consistency.push_back(std::move(verdict));
  }
  for (std::size_t i = 0; i < bundle.openings.size(); ++i) {
    GALEN_TRY(check_opening(genesis, bundle, i));
    out.openings.push_back({bundle.openings[i].state, bundle.openings[i].document.size()});
  }
  return out;
}

}  // namespace

Result<TransactionFileVerdict> verify_transaction_file(const Genesis& genesis, const TransactionProofFile& file) {
  return of_kind("transaction proof", check(genesis, file));
}

Result<StateFileVerdict> verify_state_file(const Genesis& genesis, const StateProofFile& file) {
  return of_kind("state proof", check(genesis, file));
}

Result<ConsistencyVerdict> verify_consistency_file(const Genesis& genesis, const ConsistencyProofFile& file) {
  return of_kind("consistency proof", check(genesis, file));
}

Result<BundleVerdict> verify_bundle(const std::optional<Bytes>& genesis, const EvidenceBundle& bundle) {
  return of_kind("evidence", check(genesis, bundle));
}

}  // namespace galen
