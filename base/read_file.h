// A whole file as a string.
#pragma once

#include <limits>
#include <string>

#include "base/input_file.h"

namespace attune {

/// All bytes of a file. Throws IoError naming path and reason, also if there are more than `max_bytes`, or if it is not of
/// this kind.
std::string read_file(const std::string& path, std::size_t max_bytes = std::numeric_limits<std::size_t>::max(),
                      FileKind kind = FileKind::kAny);

}  // namespace attune
