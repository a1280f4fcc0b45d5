// galenctl: the program. Its grammar and its nouns are in the library, so that tests reach them.
#include <signal.h>
#include <unistd.h>

#include <iostream>

#include "galenctl/app.hpp"

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  return galen::galenctl::run(std::vector<std::string>(argv + 1, argv + argc), std::cout, std::cerr,
                              ::isatty(STDERR_FILENO) == 1);
}
