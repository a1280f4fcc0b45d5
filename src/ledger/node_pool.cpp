#include "ledger/node_pool.hpp"

#include <array>
#include <mutex>
#include <new>

#include "galen/base/assert.hpp"

namespace galen::ledger {
namespace {

constexpr std::size_t kStep = 16;
constexpr std::size_t kSlabBytes = 256u << 10;

struct Free {
  Free* next;
};

/// Blocks of one size.
class SizeClass {
 public:
  void* take(std::size_t bytes) {
    std::lock_guard lock(mutex_);
    if (free_ == nullptr) carve(bytes);
    auto* block = free_;
    free_ = block->next;
    return block;
  }
  void give(void* memory) {
    std::lock_guard lock(mutex_);
    free_ = new (memory) Free{free_};
  }

 private:
  void carve(std::size_t bytes) {
    auto* slab = static_cast<std::byte*>(::operator new (kSlabBytes, std::align_val_t{kStep}));
    for (std::size_t at = kSlabBytes / bytes; at-- > 0;) free_ = new (slab + at * bytes) Free{free_};
  }

  std::mutex mutex_;
  Free* free_ = nullptr;
};

/// Never destroyed: trees of static lifetime may still hold nodes.
SizeClass& size_class(std::size_t bytes) {
  static auto* classes = new std::array<SizeClass, kNodeBytesMax / kStep + 1>;
  return (*classes)[bytes / kStep];
}

}  // namespace

// The address sanitizer is to see each node by itself.
#ifdef __SANITIZE_ADDRESS__
void* take_node_memory(std::size_t bytes) { return ::operator new(bytes); }
void give_node_memory(void* memory, std::size_t) { ::operator delete(memory); }
#else
void* take_node_memory(std::size_t bytes) {
  GALEN_ASSERT(bytes > 0 && bytes <= kNodeBytesMax && bytes % kStep == 0);
  return size_class(bytes).take(bytes);
}
void give_node_memory(void* memory, std::size_t bytes) { size_class(bytes).give(memory); }
#endif

}  // namespace galen::ledger
