// Files that cannot be read as what they seem to be.
#pragma once

#include <string>
#include <string_view>

namespace attune {

/// Throws IoError if the first bytes of a file show that it is a pointer of Git LFS, whose real file was not fetched.
void refuse_lfs_pointer(const std::string& path, std::string_view bytes);

/// Throws IoError if a path is there but is no regular file, for files of folders, and files that are read more than once: a
/// FIFO would block, or have nothing left.
void check_regular(const std::string& path);

/// U+FEFF, with which some programs begin a file.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace attune
