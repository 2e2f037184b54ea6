// What kind of file is opened, and files that cannot be read as what they seem to be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace attune {

/// Which files are opened: any, or only regular ones, so that a FIFO is an error and not a wait for its other end.
enum class FileKind : std::uint8_t { kAny, kRegular };

/// Throws IoError if the first bytes of a file show that it is a pointer of Git LFS, whose real file was not fetched.
void refuse_lfs_pointer(const std::string& path, std::string_view bytes);

/// Throws IoError if a path is there but is no regular file, for files that are read more than once, or later: a FIFO
/// would have nothing left, or block.
void check_regular(const std::string& path);

/// The reason in the error for a file that is not regular.
inline constexpr const char* kNotRegular = "is not a regular file";

/// U+FEFF, with which some programs begin a file.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace attune
