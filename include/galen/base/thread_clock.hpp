// The CPU time of the calling thread: what its work cost, without what it waited for. Like base/clock.hpp only for the edges.
#pragma once

#include <cstdint>

namespace galen {

/// Microseconds of CPU that this thread has used; only differences mean anything.
std::uint64_t thread_cpu_us();

}  // namespace galen
