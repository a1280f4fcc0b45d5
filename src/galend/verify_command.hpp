// `galend verify`: checks the directory of a stopped node, and changes nothing in it.
#pragma once

#include <string>

#include "galen/types/members.hpp"

namespace galen {

struct VerifyArguments {
  std::string data_dir, genesis;
  bool json = false, quick = false;
  Height from = 0;
  unsigned jobs = 1;
};

/// The exit code: 0 whole, 1 damaged, 2 when what is asked for cannot be checked here, 3 refused. With `json` one
/// object on standard output, whatever happens.
int verify(const VerifyArguments& arguments);

}  // namespace galen
