// The logits of texts from those of their windows.
#pragma once

#include "engine/data/batch_form.h"
#include "engine/train/evaluator.h"

namespace attune {

/// [K, L] from logits [S, L] of windows: the mean or the maximum of each logit over the windows text_offsets[k] ..
/// text_offsets[k + 1) of a text; text_offsets: int32 [K + 1]. One window keeps its bits.
Variable pool_windows(const Variable& logits, const Tensor& text_offsets, WindowPooling pooling);

/// The maximum windows of a batch of `examples` examples of the data set.
std::int64_t max_windows(const Dataset& dataset, std::int64_t examples);

/// A model whose logits are those of the texts of a batch, pooled if texts are windows.
LogitsFn logits_of_texts(LogitsFn model, const BatchForm& form);

}  // namespace attune
