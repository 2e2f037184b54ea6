#include "engine/train/evaluator.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "engine/autograd/functions.h"
#include "engine/tensor/host_copy.h"

namespace attune {
namespace {

// Batches whose results may be outstanding while a device works.
constexpr std::size_t kMostPending = 8;

struct PendingBatch {
  std::span<const std::int32_t> examples;
  HostCopy loss, logits;

  void add_to(Evaluation& sum, const std::vector<std::int32_t>& labels) {
    sum.loss += loss.get().item();
    const std::vector<std::int32_t> predicted = argmax_rows(logits.get());
    for (std::size_t b = 0; b < predicted.size(); ++b)
      sum.correct += predicted[b] == labels[static_cast<std::size_t>(examples[b])];
    sum.examples += static_cast<std::int64_t>(predicted.size());
  }
};

}  // namespace

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

Evaluation evaluate(const LogitsFn& logits_fn, const ExampleStore& examples, const LoaderPass& pass,
                    std::int64_t max_batches, const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  const NoGrad no_grad;
  const std::int64_t batches = max_batches < 0 ? pass.batches() : std::min(max_batches, pass.batches());
  Evaluation out;
  std::deque<PendingBatch> pending;
  const auto take = [&](std::size_t most_left) {
    for (; pending.size() > most_left; pending.pop_front()) pending.front().add_to(out, examples.labels());
  };
  std::int64_t done = 0;
  while (done < batches) {
    const LabelledBatch batch = examples.batch(pass.batch(done));
    const Variable logits = logits_fn(batch.tokens, {.training = false});
    pending.push_back({pass.batch(done), HostCopy(cross_entropy(logits, batch.labels).value()), HostCopy(logits.value())});
    take(kMostPending);
    ++done;
    if (progress && !progress(done, batches)) break;
  }
  take(0);
  if (done > 0) out.loss /= static_cast<double>(done);
  return out;
}

}  // namespace attune
