// OpenSSL's random numbers as a function of a seed, so that keys and signatures of a simulated run are the same on every
// machine. A library of its own (galen_repeatable), linked by the simulator alone: a node that holds it would have no
// secrets. Each thread has its own numbers; a thread that never asked for them keeps the system's.
#pragma once

#include <cstdint>

namespace galen::crypto {

/// From here on, on this thread, every random number of OpenSSL follows from the seed. ECDSA stays sound for a simulation:
/// OpenSSL mixes key and message into each nonce.
void repeat_random(std::uint64_t seed);

}  // namespace galen::crypto
