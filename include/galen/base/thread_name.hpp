// The name a thread goes by in ps, top, perf and core files: at most 15 bytes, that of the table in
// docs/architecture.md.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace galen {

/// Of the calling thread.
template <std::size_t size>
void name_this_thread(const char (&name)[size]) {
  static_assert(size <= 16, "the kernel keeps 15 bytes");
  ::pthread_setname_np(::pthread_self(), name);
}

}  // namespace galen
