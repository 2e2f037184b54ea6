#include "engine/train/windows.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/autograd/functions.h"

namespace attune {

Variable pool_windows(const Variable& logits, const Tensor& text_offsets, WindowPooling pooling) {
  if (pooling == WindowPooling::kMax) return max_pool(logits, text_offsets);
  const Tensor not_read = text_offsets.rows(0, text_offsets.numel() - 1);  // lengths, where all rows are pooled
  return pool(logits, {text_offsets, not_read, PooledRows::kAll});
}

std::int64_t max_windows(const Dataset& dataset, std::int64_t examples) {
  if (!dataset.windows.defined()) return examples;
  std::vector<std::int64_t> counts;
  for (std::int64_t e = 0; e < dataset.size(); ++e)
    counts.push_back(dataset.first_window(e + 1) - dataset.first_window(e));
  const auto end = counts.begin() + std::min(examples, std::ssize(counts));
  std::ranges::partial_sort(counts, end, std::greater<>());
  return std::accumulate(counts.begin(), end, std::int64_t{0});
}

LogitsFn logits_of_texts(LogitsFn model, const BatchForm& form) {
  if (!form.windows) return model;
  return [model = std::move(model), pooling = form.windows->pooling](const TokenBatch& batch, const ForwardPass& pass) {
    const Variable logits = model(batch, pass);
    return batch.text_offsets.defined() ? pool_windows(logits, batch.text_offsets, pooling) : logits;
  };
}

}  // namespace attune
