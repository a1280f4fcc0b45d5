// keyring.bin: kSlots slots of 512 bytes, and all of them once more half a file away. A slot is overwritten in its
// first copy, synced, then in its second, synced: at any moment one copy is whole, and after the second sync nothing of
// the old key is left in the file.
#include "galen/vault/keyring.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "galen/base/crc32c.hpp"
#include "galen/base/log.hpp"
#include "galen/crypto/random.hpp"
#include "posix_store.hpp"

namespace galen::vault {
namespace {

constexpr std::size_t kSlotBytes = 512;
constexpr std::size_t kCopyBytes = kSlotBytes * kSlots;
constexpr std::string_view kMagic = "GKEY";
constexpr std::size_t kWrappedBytes = 60;
constexpr std::size_t kHeadBytes = 14;
/// What an operator can do: nothing makes lost keys again, galend init least of all.
constexpr std::string_view kAdvice = ": put back the newest backup of keyring/";

Error refusal(ErrorCode code, std::string what) { return {code, what.append(kAdvice)}; }

struct Slot {
  SlotKind kind = SlotKind::free;
  std::uint32_t version = 0;  ///< grows with every replacement
  crypto::AeadKey key{};
};

Bytes associated_data(SlotKind kind, SlotIndex index, std::uint32_t version) {
  ByteWriter out(32);
  out.raw("galen/1 keyring slot").u8(static_cast<std::uint8_t>(kind)).u16(index).u32(version);
  return std::move(out).take();
}

Bytes encode(crypto::Suite suite, const MasterKey& master, SlotIndex index, const Slot& slot) {
  if (slot.kind == SlotKind::free) return Bytes(kSlotBytes);
  ByteWriter out(kSlotBytes);
  out.raw(kMagic).u16(1).u8(static_cast<std::uint8_t>(slot.kind)).u8(0).u16(index).u32(slot.version);
  const auto wrapped =
      crypto::seal(suite, master.key(), slot.key.span(), associated_data(slot.kind, index, slot.version));
  GALEN_ASSERT(wrapped.size() == kWrappedBytes);
  out.raw(ByteSpan(wrapped));
  auto bytes = std::move(out).take();
  bytes.resize(kSlotBytes - 4);
  ByteWriter tail;
  tail.raw(ByteSpan(bytes)).u32(crc32c(bytes));
  return std::move(tail).take();
}

bool all_zero(ByteSpan bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

/// What a copy of a slot says without the master key, its kind and version; nothing: it is damaged.
std::optional<Slot> read_head(SlotIndex index, ByteSpan bytes) {
  Slot out;
  if (all_zero(bytes)) return out;
  ByteReader in(bytes);
  const auto magic = in.raw(kMagic.size());
  const auto format = in.u16();
  out.kind = static_cast<SlotKind>(in.u8());
  in.u8();
  const auto stored_index = in.u16();
  out.version = in.u32();
  const bool sound = as_text(magic) == kMagic && format == 1 && stored_index == index &&
                     ByteReader(bytes.last(4)).u32() == crc32c(bytes.first(kSlotBytes - 4));
  if (!sound || out.kind > SlotKind::epoch) return std::nullopt;
  // Releases to 0.1.0 wrote a free slot so when they mended one.
  if (out.kind == SlotKind::free) return Slot{};
  return out;
}

enum class Copy { damaged, foreign_key, good };
Copy decode(crypto::Suite suite, const MasterKey& master, SlotIndex index, ByteSpan bytes, Slot* out) {
  const auto head = read_head(index, bytes);
  if (!head) return Copy::damaged;
  *out = *head;
  if (out->kind == SlotKind::free) return Copy::good;
  const auto wrapped = bytes.subspan(kHeadBytes, kWrappedBytes);
  auto key = crypto::open(suite, master.key(), wrapped, associated_data(out->kind, index, out->version));
  if (!key) return Copy::foreign_key;
  const auto fixed = crypto::AeadKey::from(ByteSpan(*key));
  if (!fixed) return Copy::damaged;
  out->key = *fixed;
  return Copy::good;
}

std::string path_in(const std::string& directory) { return directory + "/keyring.bin"; }

/// Of a whole keyring.
class KeyCount {
 public:
  void add(SlotKind kind) { ++of_kind_[static_cast<std::size_t>(kind)]; }
  bool complete() const {
    return of(SlotKind::index) == 1 && of(SlotKind::patient_table) == 1 && of(SlotKind::epoch) > 0;
  }

 private:
  int of(SlotKind kind) const { return of_kind_[static_cast<std::size_t>(kind)]; }
  std::array<int, 4> of_kind_{};
};
constexpr const char* kKeysMissing = "keys are missing in the keyring";

/// Then nobody knows whether anything is lost, and a backup put over it would lose what is newer.
bool is_out_of_reach(const std::string& path) {
  return ::access(path.c_str(), R_OK) != 0 && errno != ENOENT && errno != ENOTDIR;
}

}  // namespace

struct Keyring::State {
  crypto::Suite suite;
  MasterKey master;
  InPlaceFile file;
  std::array<Slot, kSlots> slots;
  SlotIndex index_slot = 0, table_slot = 0, current_epoch = 0;

  Status store(SlotIndex index, const Slot& slot) {
    const auto bytes = encode(suite, master, index, slot);
    GALEN_TRY(file.overwrite(index * kSlotBytes, bytes));
    GALEN_TRY(file.overwrite(kCopyBytes + index * kSlotBytes, bytes));
    slots[index] = slot;
    return {};
  }
  Status load_slot(ByteSpan content, SlotIndex index);
};

Status Keyring::State::load_slot(ByteSpan content, SlotIndex index) {
  Slot first, second;
  const auto first_bytes = content.subspan(index * kSlotBytes, kSlotBytes);
  const auto second_bytes = content.subspan(kCopyBytes + index * kSlotBytes, kSlotBytes);
  const auto state_first = decode(suite, master, index, first_bytes, &first);
  const auto state_second = decode(suite, master, index, second_bytes, &second);
  if (state_first == Copy::foreign_key || state_second == Copy::foreign_key)
    return {ErrorCode::CORRUPT,
            "the keyring was made under another master key: put back keyring/ and master key from one backup"};
  if (state_first == Copy::damaged && state_second == Copy::damaged)
    return refusal(ErrorCode::CORRUPT, "slot " + std::to_string(index) + " of the keyring is damaged in both copies");
  const bool take_first = state_first == Copy::good && (state_second != Copy::good || first.version >= second.version);
  slots[index] = take_first ? first : second;
  if (!std::equal(first_bytes.begin(), first_bytes.end(), second_bytes.begin())) {
    log::warn("keyring slot repaired slot={}", index);
    GALEN_TRY(store(index, slots[index]));
  }
  return {};
}

Keyring::Keyring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Keyring::Keyring(Keyring&&) noexcept = default;
Keyring& Keyring::operator=(Keyring&&) noexcept = default;
Keyring::~Keyring() = default;

Status Keyring::create(const std::string& directory, const MasterKey& master, crypto::Suite suite) {
  Bytes content(2 * kCopyBytes);
  SlotIndex index = 0;
  for (auto kind : {SlotKind::index, SlotKind::patient_table, SlotKind::epoch}) {
    const auto bytes = encode(suite, master, index, {kind, 1, crypto::random_fixed<crypto::AeadKey>()});
    std::copy(bytes.begin(), bytes.end(), content.begin() + index * static_cast<std::ptrdiff_t>(kSlotBytes));
    std::copy(bytes.begin(), bytes.end(),
              content.begin() + static_cast<std::ptrdiff_t>(kCopyBytes + index * kSlotBytes));
    ++index;
  }
  return create_private_file(path_in(directory), content);
}

Result<Keyring> Keyring::open(const std::string& directory, const MasterKey& master, crypto::Suite suite) {
  auto content = read_file(path_in(directory), 2 * kCopyBytes);
  if (!content && content.error().code == ErrorCode::NOT_FOUND)
    return refusal(ErrorCode::DATA_DIR_MISSING, "there is no keyring in " + directory);
  if (!content) return content.error();
  if (content->size() != 2 * kCopyBytes) return refusal(ErrorCode::CORRUPT, "the keyring has the wrong length");
  GALEN_ASSIGN(auto file, InPlaceFile::open(path_in(directory)));
  auto state = std::unique_ptr<State>(new State{suite, master, std::move(file), {}, 0, 0, 0});
  KeyCount keys;
  for (SlotIndex i = 0; i < kSlots; ++i) {
    GALEN_TRY(state->load_slot(*content, i));
    const auto kind = state->slots[i].kind;
    if (kind == SlotKind::index) state->index_slot = i;
    if (kind == SlotKind::patient_table) state->table_slot = i;
    if (kind == SlotKind::epoch) state->current_epoch = i;
    keys.add(kind);
  }
  if (!keys.complete()) return refusal(ErrorCode::CORRUPT, kKeysMissing);
  return Keyring(std::move(state));
}

Keyring::Inspection Keyring::inspect(const std::string& directory) {
  auto content = read_file(path_in(directory), 2 * kCopyBytes);
  if (!content && is_out_of_reach(path_in(directory))) return {{content.error().message}, {}};
  if (!content) return {{content.error().message.append(kAdvice)}, {}};
  if (content->size() != 2 * kCopyBytes) return {{std::string("the keyring has the wrong length").append(kAdvice)}, {}};
  Inspection out;
  out.epochs.emplace();
  KeyCount keys;
  bool readable = true;
  for (SlotIndex i = 0; i < kSlots; ++i) {
    const auto first = ByteSpan(*content).subspan(i * kSlotBytes, kSlotBytes);
    const auto second = ByteSpan(*content).subspan(kCopyBytes + i * kSlotBytes, kSlotBytes);
    const auto first_head = read_head(i, first), second_head = read_head(i, second);
    const auto slot = "slot " + std::to_string(i) + " of the keyring ";
    if (!first_head && !second_head)
      out.findings.push_back((slot + "is damaged in both copies").append(kAdvice));
    else if (!first_head || !second_head)
      out.findings.push_back(slot + "is damaged in one copy; a start writes it anew from the other");
    else if (!std::equal(first.begin(), first.end(), second.begin()))
      out.findings.push_back(slot + "has two different copies; a start takes the newer");
    readable = readable && (first_head || second_head);
    const bool take_first = first_head && (!second_head || first_head->version >= second_head->version);
    const auto kind = (take_first ? first_head : second_head).value_or(Slot{}).kind;
    keys.add(kind);
    if (kind == SlotKind::epoch) out.epochs->push_back(i);
  }
  if (readable && !keys.complete()) out.findings.push_back(std::string(kKeysMissing).append(kAdvice));
  if (!readable) out.epochs.reset();
  return out;
}

Status check_keyring_follows(const std::vector<SlotIndex>& epochs, const std::vector<SlotIndex>& used) {
  for (auto slot : used)
    if (!std::binary_search(epochs.begin(), epochs.end(), slot))
      return refusal(ErrorCode::CORRUPT, "the keyring is an older copy: patient keys are wrapped under slot " +
                                             std::to_string(slot) + ", which it does not hold");
  return {};
}

const crypto::AeadKey& Keyring::index_key() const { return state_->slots[state_->index_slot].key; }
const crypto::AeadKey& Keyring::patient_table_key() const { return state_->slots[state_->table_slot].key; }
std::vector<SlotIndex> Keyring::epochs() const {
  std::vector<SlotIndex> out;
  for (SlotIndex i = 0; i < kSlots; ++i)
    if (state_->slots[i].kind == SlotKind::epoch) out.push_back(i);
  return out;
}
SlotIndex Keyring::current_epoch() const { return state_->current_epoch; }

Result<crypto::AeadKey> Keyring::epoch_key(SlotIndex slot) const {
  if (slot >= kSlots || state_->slots[slot].kind != SlotKind::epoch)
    return {ErrorCode::NOT_FOUND, "slot " + std::to_string(slot) + " of the keyring holds no epoch key"};
  return state_->slots[slot].key;
}

Result<SlotIndex> Keyring::add_epoch() {
  const auto index = static_cast<SlotIndex>(state_->current_epoch + 1);
  if (index >= kSlots) return {ErrorCode::RESOURCE_EXHAUSTED, "the keyring is full"};
  GALEN_TRY(state_->store(index, {SlotKind::epoch, 1, crypto::random_fixed<crypto::AeadKey>()}));
  state_->current_epoch = index;
  return index;
}

Result<crypto::AeadKey> Keyring::replace_epoch(SlotIndex slot) {
  GALEN_TRY(epoch_key(slot));
  const auto key = crypto::random_fixed<crypto::AeadKey>();
  GALEN_TRY(state_->store(slot, {SlotKind::epoch, state_->slots[slot].version + 1, key}));
  return key;
}

}  // namespace galen::vault
