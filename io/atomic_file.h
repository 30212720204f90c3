// Files that are replaced as a whole or not at all.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace unroll {

/// Makes `pieces`, one after the other, the content of the file at `path`. Whoever opens `path` finds the old content
/// or the new one, also after a crash: the bytes go to a new file beside it (`path` + ".tmp0", or the next number that
/// is free), which is synced, renamed to `path`, and then the directory is synced.
///
/// The permissions of a file that is replaced are kept, and a symbolic link is followed. A process that is killed here
/// may leave its temporary file, which disturbs nobody and may be deleted.
///
/// Errors: FileError with the path and the system's reason. The old file is still there and the temporary one is gone,
/// unless the message says that only the last step, the directory's sync, failed.
void write_atomically(const std::filesystem::path& path, const std::vector<std::string_view>& pieces);

}  // namespace unroll
