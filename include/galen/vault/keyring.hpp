// DIR/keyring/keyring.bin: the upper half of the key ladder record key < patient key < epoch key < master key (D15).
// Keys of a member stand in fixed slots, wrapped under the master key, each slot twice, overwritten in place and
// synced: when the key in a slot is replaced nothing of the old one stays, which is what makes erasure possible, since
// wrapped keys linger in logs and old index files for long. Owner: the vault thread; key_of may be called on any
// thread. Layout: docs/spec/commitments.md 6.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/crypto/aead.hpp"
#include "galen/vault/master_key.hpp"

namespace galen::vault {

enum class SlotKind : std::uint8_t {
  free = 0,
  index = 1,          ///< HMAC key of the index over source ids; one
  patient_table = 2,  ///< seals the patient table; one
  epoch = 3,          ///< wraps patient keys; a new one every kPatientKeysPerEpoch keys
};
using SlotIndex = std::uint16_t;
inline constexpr SlotIndex kSlots = 1024;
inline constexpr std::uint32_t kPatientKeysPerEpoch = 16384;

/// Patient keys are wrapped under the slots `used`. CORRUPT when one of them is not among the keyring's: slots are
/// never freed, so that keyring is an older copy, and would give the same slot to another key.
Status check_keyring_follows(const std::vector<SlotIndex>& epochs, const std::vector<SlotIndex>& used);

class Keyring {
 public:
  /// Makes keyring.bin with an index key, a patient table key and the first epoch key. ALREADY_EXISTS, IO_ERROR.
  static Status create(const std::string& directory, const MasterKey& master, crypto::Suite suite);
  /// Either copy of a slot serves when the other is damaged (it is written anew at once). DATA_DIR_MISSING without a
  /// file, CORRUPT when both copies of a slot are damaged or the master key is another one, IO_ERROR.
  static Result<Keyring> open(const std::string& directory, const MasterKey& master, crypto::Suite suite);
  struct Inspection {
    std::vector<std::string> findings;             ///< what is wrong with the file, one sentence each
    std::optional<std::vector<SlotIndex>> epochs;  ///< its epoch slots; nothing where a slot cannot be read
  };
  /// Needs no key, so it sees damage and missing keys, and not a foreign master key.
  static Inspection inspect(const std::string& directory);
  Keyring(Keyring&&) noexcept;
  Keyring& operator=(Keyring&&) noexcept;
  ~Keyring();

  const crypto::AeadKey& index_key() const;
  const crypto::AeadKey& patient_table_key() const;
  /// NOT_FOUND if the slot holds no epoch key.
  Result<crypto::AeadKey> epoch_key(SlotIndex slot) const;
  /// All epoch slots, ascending.
  std::vector<SlotIndex> epochs() const;
  /// The newest epoch slot.
  SlotIndex current_epoch() const;
  /// A fresh epoch key in the next free slot, durable on return; becomes the current one. RESOURCE_EXHAUSTED, IO_ERROR.
  Result<SlotIndex> add_epoch();
  /// Puts a fresh key into a slot in place of the old one; durable on return. What the old key wrapped and was not
  /// wrapped anew before is lost for good: that is the purpose. Returns the new key.
  Result<crypto::AeadKey> replace_epoch(SlotIndex slot);

 private:
  struct State;
  explicit Keyring(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::vault
