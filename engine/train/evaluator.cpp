#include "engine/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "engine/autograd/functions.h"
#include "engine/tensor/captured_work.h"
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
    check_finite(logits.get());
    for (std::size_t b = 0; b < predicted.size(); ++b)
      sum.correct += predicted[b] == labels[static_cast<std::size_t>(examples[b])];
    sum.examples += static_cast<std::int64_t>(predicted.size());
  }

  void check_finite(const Tensor& rows) const {
    const auto classes = static_cast<std::size_t>(rows.shape()[1]);
    dispatch_float(rows.dtype(), "evaluation", [&]<class T>() {
      const std::span<const T> z = rows.values<T>();
      for (std::size_t i = 0; i < z.size(); ++i)
        CHECK(std::isfinite(z[i]), "evaluation stopped: the logits of example ", examples[i / classes],
              " (counted from 0) are not finite");
    });
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

struct Evaluator::Work {
  std::unique_ptr<CapturedWork> replayed;  // none: done once
  LabelledBatch batch;
  Tensor loss, logits;

  void run(const LogitsFn& logits_fn, const ExampleStore& examples) {
    examples.gather(batch);
    const Variable out = logits_fn(batch.tokens, {.training = false});
    loss = cross_entropy(out, batch.labels).value();
    logits = out.value();
  }
};

Evaluator::Evaluator(LogitsFn logits, const ExampleStore& examples, bool graphs)
    : logits_(std::move(logits)), examples_(examples), graphs_(graphs && examples.device() == Device::kCuda) {}

Evaluator::~Evaluator() = default;

Evaluator::Work& Evaluator::start(std::span<const std::int32_t> examples) {
  const BatchShape shape = examples_.shape_of(examples);
  std::unique_ptr<Work>& work = graphs_ && warm_ ? captured_[shape] : once_;
  if (!work || !work->replayed) {
    work = std::make_unique<Work>();
    work->batch = examples_.make(shape);
    if (graphs_ && warm_) work->replayed = std::make_unique<CapturedWork>([&] { work->run(logits_, examples_); });
  }
  work->batch.examples.copy_from(Tensor::from(examples, {shape.count}));
  if (work->replayed)
    work->replayed->replay();
  else
    work->run(logits_, examples_);
  warm_ = true;
  return *work;
}

Evaluation Evaluator::run(const LoaderPass& pass, std::int64_t max_batches,
                          const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  const NoGrad no_grad;
  const std::int64_t batches = max_batches < 0 ? pass.batches() : std::min(max_batches, pass.batches());
  Evaluation out;
  std::deque<PendingBatch> pending;
  const auto take = [&](std::size_t most_left) {
    for (; pending.size() > most_left; pending.pop_front()) pending.front().add_to(out, examples_.labels());
  };
  std::int64_t done = 0;
  while (done < batches) {
    const Work& work = start(pass.batch(done));
    pending.push_back({pass.batch(done), HostCopy(work.loss), HostCopy(work.logits)});
    take(kMostPending);
    ++done;
    if (progress && !progress(done, batches)) break;
  }
  take(0);
  if (done > 0) out.loss /= static_cast<double>(done);
  return out;
}

}  // namespace attune
