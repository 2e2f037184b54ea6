// Changes of JSON texts that are JSON texts again.
#pragma once

#include <string>

#include "tests/fuzz/mutator_json.h"
#include "tests/fuzz/random.h"

namespace attune::fuzz {

/// One to three values or members changed, wherever they stand.
void change(Json& root, Random& random);
/// The same on a text; bytes if it is not JSON.
std::string changed_json(const std::string& text, std::size_t max_size, Random& random);

}  // namespace attune::fuzz
