// Sum of word, position and type embeddings (kernels/embedding.h). ids: int32 [N]; tables: [rows, C]; y: [N, C].
// On the CPU every id is checked against its table.
#pragma once

#include "engine/ops/row_gradient.h"

namespace attune::ops {

/// A table and the row each token takes from it; an undefined table is skipped.
struct Lookup {
  Tensor table;
  Tensor ids;
};
Tensor embedding_forward(const Lookup& words, const Lookup& positions, const Lookup& types);
/// Gradient of one table; the row padding_id (or -1) gets none. dtable: [rows, C], or [N, C] if slots.compact, whose
/// rows without a slot stay as they are.
void embedding_backward(const GradTarget& dtable, const Tensor& dy, const Tensor& ids, std::int64_t padding_id,
                        const RowSlots& slots = {});

}  // namespace attune::ops
