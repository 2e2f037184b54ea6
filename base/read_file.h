// A whole file as a string.
#pragma once

#include <string>

namespace attune {

/// All bytes of a file. Throws IoError naming path and reason.
std::string read_file(const std::string& path);

}  // namespace attune
