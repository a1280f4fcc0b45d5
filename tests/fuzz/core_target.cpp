// The consensus core, bytes in, effects out: the bytes are a world of four members, one of which lies (core_world.hpp).
#include "fuzz/core_world.hpp"
#include "fuzz/fuzz.hpp"

namespace galen {

GALEN_FUZZ_TARGET(core) {
  fuzz::Choices choices(input.first(std::min<std::size_t>(input.size(), 4'096)));
  fuzz::CoreWorld world(choices);
  for (std::size_t i = 0; i < 512 && choices.more(); ++i) world.act();
  world.heal();
}

}  // namespace galen
