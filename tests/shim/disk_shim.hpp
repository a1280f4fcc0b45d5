// What the parts of the disk shim share. The shim is a library for LD_PRELOAD: it stands between one galend process and
// the C library, counts the calls that change files below one directory, lets the k-th of them go wrong, and keeps what
// a loss of power would take away (README.md beside this file). Every function may be called from any thread of the
// host process; nothing here may call a function that the shim itself replaces.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace galen::shim {

enum class Call { write, sync, rename, size };
enum class Fault { none, eio, enospc, short_write, torn, delay, drop, kill };

/// The real function of that name; ends the process when there is none.
void* next_function(const char* name);
template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(next_function(name));
}

/// Where an open file lies, and a path made absolute; empty when it has no place.
std::string path_of(int fd);
std::string absolute(const char* path);

/// Below GALEN_SHIM_DIR, and so a file that counts.
bool is_ours(const std::string& path);

/// Counts a call and says what is to happen to it. Sleeps here when it is delayed.
Fault decide(Call call, const std::string& path, std::size_t bytes);
/// After the call that was to be the last one: the process ends as if power had gone.
void end_if_killed(Fault fault);

// The journal of what is not durable yet; each does nothing without GALEN_SHIM_JOURNAL.
void journal_overwrite(int fd, off_t offset, std::size_t bytes);
void journal_truncate(int fd, off_t size);
void journal_created(const std::string& path);
void journal_rename(const std::string& from, const std::string& to);
void journal_unlink(const std::string& path);
/// The position before a sync begins, and its success: what was recorded before is durable.
std::uint64_t journal_position();
void journal_synced(int fd, std::uint64_t position);

}  // namespace galen::shim
