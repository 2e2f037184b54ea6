#include "engine/nn/token_batch.h"

#include <vector>

namespace attune {

Tensor TokenBatch::first_row_keys_of(std::int64_t count) {
  std::vector<std::int32_t> keys;
  for (std::int64_t b = 0; b < count; ++b)
    keys.push_back(static_cast<std::int32_t>(kernels::row_key(static_cast<std::uint32_t>(b), 0)));
  return Tensor::from(keys, {count});
}

}  // namespace attune
