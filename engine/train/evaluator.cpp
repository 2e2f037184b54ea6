#include "engine/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "base/mapped_files.h"
#include "engine/autograd/tape.h"
#include "engine/tensor/host_copy.h"

namespace attune {
namespace {

// Batches whose results may be outstanding while a device works.
constexpr std::size_t kMaxPendingBatches = 8;

struct PendingBatch {
  std::span<const std::int32_t> examples;
  HostCopy loss, logits;

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

// The inputs of the measures of a split, example by example. With a label for every token, these would be the rows of
// the tokens.
class SplitRows {
 public:
  void add(const Tensor& logits, std::span<const std::int32_t> examples) {
    const Tensor exact = logits.cast(DType::kFloat64);
    logits_.insert(logits_.end(), exact.values<double>().begin(), exact.values<double>().end());
    examples_.insert(examples_.end(), examples.begin(), examples.end());
  }
  std::int64_t count() const { return static_cast<std::int64_t>(examples_.size()); }
  Tensor logits(std::int64_t outputs) const { return Tensor::from(logits_, {count(), outputs}); }
  Tensor labels(const Tensor& of_all) const {
    Tensor out = Tensor::empty(of_all.shape().with_rows(count()), of_all.dtype());
    for (std::int64_t i = 0; i < count(); ++i) {
      const std::int64_t example = examples_[static_cast<std::size_t>(i)];
      out.rows(i, i + 1).copy_from(of_all.rows(example, example + 1));
    }
    return out;
  }

 private:
  std::vector<double> logits_;
  std::vector<std::int32_t> examples_;
};

}  // namespace

double Evaluation::measure(std::string_view name) const {
  const auto found = std::ranges::find(measures, name, &Measure::name);
  CHECK(found != measures.end(), "the evaluation has no measure '", name, "'");
  return found->value;
}

Evaluator::Evaluator(LogitsFn logits, const Task& task, const ExampleStore& examples, bool graphs)
    : logits_(std::move(logits)),
      task_(task),
      examples_(examples),
      graphs_(graphs && examples.device() == Device::kCuda) {}

const std::vector<Tensor>& Evaluator::start(std::span<const std::int32_t> examples) {
  return shapes_.run(examples_, examples, graphs_, [&](const LabelledBatch& batch) -> std::vector<Tensor> {
    examples_.gather(batch);
    const Variable logits = logits_(batch.tokens, {.training = false});
    return {task_.loss(logits, batch.labels).value(), logits.value()};
  });
}

Evaluation Evaluator::run(const LoaderPass& pass, std::int64_t max_batches,
                          const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  return evaluate(pass, max_batches, true, progress);
}

double Evaluator::loss(const LoaderPass& pass, std::int64_t max_batches) {
  return evaluate(pass, max_batches, false, {}).loss;
}

Evaluation Evaluator::evaluate(const LoaderPass& pass, std::int64_t max_batches, bool measures,
                               const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  CHECK(examples_.labels().defined(), "an evaluation needs labels");
  const NoGrad no_grad;
  const std::int64_t batches = max_batches < 0 ? pass.batches() : std::min(max_batches, pass.batches());
  Evaluation out;
  SplitRows rows;
  std::deque<PendingBatch> pending;
  const auto take = [&](std::size_t max_left) {
    for (; pending.size() > max_left; pending.pop_front()) {
      PendingBatch& batch = pending.front();
      out.loss += batch.loss.get().item();
      batch.check_finite(batch.logits.get());
      if (measures) rows.add(batch.logits.get(), batch.examples);
    }
  };
  std::int64_t done = 0;
  while (done < batches) {
    const std::vector<Tensor>& results = start(pass.batch(done));
    pending.push_back({pass.batch(done), HostCopy(results[0]), HostCopy(results[1])});
    take(kMaxPendingBatches);
    ++done;
    if (progress && !progress(done, batches)) break;
  }
  take(0);
  check_mapped_files();
  if (done > 0) out.loss /= static_cast<double>(done);
  if (!measures) return out;
  out.examples = rows.count();
  out.measures = task_.measure(rows.logits(task_.outputs()), rows.labels(examples_.labels()));
  return out;
}

}  // namespace attune
