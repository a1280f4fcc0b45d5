// Small files: read whole, written whole. Secrets are created with mode 0600 and never widened; everything that must
// survive a crash of `dev up` is written beside and renamed.
#pragma once

#include <string>
#include <string_view>

#include "galen/base/result.hpp"

namespace galen::galenctl {

/// IO_ERROR naming the file and the system's reason; TOO_LARGE beyond `bytes_max`.
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max = 16 * 1024 * 1024);
/// The same of a file that may be longer: no more than its first `bytes_max` bytes are read.
Result<std::string> read_beginning(const std::string& path, std::size_t bytes_max);
/// Writes a new file beside and renames it over `path`; on failure neither is changed. A device, pipe or symbolic link
/// (/dev/stdout is one) is written through and stays what it is.
Status write_file(const std::string& path, std::string_view content, unsigned mode = 0644);
bool is_written_through(const std::string& path);
Status make_directories(const std::string& path, unsigned mode = 0755);
/// KEY_FILE_READABLE if others than owner and group may read the file (symlinks followed).
Status check_secret_mode(const std::string& path);
/// 0 if it cannot be found.
std::uint64_t file_size(const std::string& path);
bool file_exists(const std::string& path);
/// Absolute, without symlinks resolved.
std::string absolute_path(const std::string& path);

}  // namespace galen::galenctl
