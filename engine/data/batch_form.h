// How examples become a batch. A training program chooses it, a saved model stores it, and a prediction uses it again.
#pragma once

#include <cstdint>

namespace attune {

struct BatchForm {
  /// Longer examples are cut; padded batches are filled up to it. 0: no limit, the longest of the batch.
  std::int64_t max_length = 0;
  std::int32_t pad_id = 0;  // fills padded rows
  bool packed = false;      // no padding rows
  bool mask = false;        // attention does not see the padding of padded batches
};

}  // namespace attune
