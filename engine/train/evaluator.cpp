#include "engine/train/evaluator.h"

#include <algorithm>

#include "engine/autograd/functions.h"

namespace attune {

TokenBatch token_batch(const Batch& batch, bool mask) {
  if (batch.padded_length > 0) return TokenBatch::padded(batch.ids, batch.lengths, mask);
  return TokenBatch::packed(batch.ids, batch.lengths);
}

std::vector<std::int32_t> argmax_rows(const Tensor& logits) {
  const std::int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  std::vector<std::int32_t> out;
  dispatch_float(logits.dtype(), "argmax", [&]<class T>() {
    const T* z = logits.values<T>().data();
    for (std::int64_t b = 0; b < rows; ++b, z += classes)
      out.push_back(static_cast<std::int32_t>(std::max_element(z, z + classes) - z));
  });
  return out;
}

Evaluation evaluate(const LogitsFn& logits_fn, const Dataset& dataset, const LoaderPass& pass, const Collator& collator,
                    std::int64_t max_batches, const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  const NoGrad no_grad;
  const std::int64_t batches = max_batches < 0 ? pass.batches() : std::min(max_batches, pass.batches());
  Evaluation out;
  std::int64_t done = 0;
  while (done < batches) {
    const Batch batch = collator(dataset, pass.batch(done));
    const Variable logits = logits_fn(batch, {.training = false});
    const Shape label_shape{static_cast<std::int64_t>(batch.labels.size())};
    out.loss += cross_entropy(logits, Tensor::from(batch.labels, label_shape).to(logits.value().device()))
                    .value()
                    .to(Device::kCpu)
                    .item();
    const std::vector<std::int32_t> predicted = argmax_rows(logits.value().to(Device::kCpu));
    for (std::size_t b = 0; b < predicted.size(); ++b) out.correct += predicted[b] == batch.labels[b];
    out.examples += static_cast<std::int64_t>(predicted.size());
    ++done;
    if (progress && !progress(done, batches)) break;
  }
  if (done > 0) out.loss /= static_cast<double>(done);
  return out;
}

}  // namespace attune
