// Changes of safetensors files that are well-formed again, mostly.
#pragma once

#include <string>

#include "tests/fuzz/random.h"

namespace attune::fuzz {

/// Header and tensors changed. The length before the header is right, and mostly each tensor has as many bytes as its
/// dtype and shape need. `sealed`: mostly with right digests (engine/train/run_state.h, engine/data/dataset_file.h).
std::string changed_safetensors(const std::string& bytes, std::size_t max_size, bool sealed, Random& random);

}  // namespace attune::fuzz
