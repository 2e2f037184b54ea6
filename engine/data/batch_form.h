// How examples become a batch: the one description that a training program chooses, a saved model keeps and a
// prediction uses again.
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
