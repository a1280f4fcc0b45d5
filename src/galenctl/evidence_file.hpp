// Evidence files on the command line: verified with genesis alone, whatever their kind, and written.
#pragma once

#include "galen/base/bytes.hpp"
#include "galenctl/context.hpp"

namespace galen::galenctl {

/// Verifies a receipt, proof or bundle and prints what it proves. Without a genesis file and directory a bundle's own
/// genesis is taken. A file that is not valid or not readable is told as galen-verify does, and ends with 1.
Result<int> verify_evidence(Context& context, const std::string& path, const std::string& genesis_file);
/// A noun's verb that does that.
void add_verify_verb(CLI::App& app, Context& context, const std::string& noun, const std::string& text);

/// Writes a proof that a node gave, and says how to verify it.
Result<int> save_evidence(Context& context, const char* what, const std::string& path, ByteSpan bytes);

}  // namespace galen::galenctl
