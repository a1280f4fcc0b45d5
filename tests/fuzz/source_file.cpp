#include <fstream>
#include <iterator>

#include "fuzz/fuzz.hpp"

namespace galen::fuzz {

std::string read_source_file(const std::string& path) {
  std::ifstream in(std::string(GALEN_SOURCE_DIR) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace galen::fuzz
