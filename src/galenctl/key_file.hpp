// `keygen` of members and of patients: a new private key in a file of its own.
#pragma once

#include "galenctl/context.hpp"

namespace galen::galenctl {

/// Prints where the key is, with `remark` behind it. ALREADY_EXISTS when there is such a file: no key is ever
/// overwritten.
Result<int> make_key_file(Context& context, const std::string& path, const std::string& suite_name,
                          const std::string& remark);
/// The verb, with --out and --suite.
void add_keygen(CLI::App& app, Context& context, const std::string& noun, const std::string& text,
                const std::string& remark);

}  // namespace galen::galenctl
