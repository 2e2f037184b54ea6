// Changes of tar archives whose checksums stay right; plain or compressed with gzip.
#pragma once

#include <string>

#include "tests/fuzz/random.h"

namespace attune::fuzz {

std::string changed_archive(const std::string& bytes, std::size_t max_size, Random& random);

}  // namespace attune::fuzz
