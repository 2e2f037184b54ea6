#include "engine/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "base/mapped_files.h"
#include "engine/autograd/tape.h"
#include "engine/tensor/finite.h"
#include "engine/tensor/host_copy.h"
#include "engine/train/not_finite.h"

namespace attune {
namespace {

// Batches whose results may be outstanding while a device works.
constexpr std::size_t kMaxPendingBatches = 8;

// The inputs of the measures of a split, example by example. With a label for every token, these would be the rows of
// the tokens.
class SplitRows {
 public:
  void add(const Tensor& logits, std::span<const std::int32_t> examples) {
    const Tensor exact = logits.cast(DType::kFloat64);
    logits_.insert(logits_.end(), exact.values<double>().begin(), exact.values<double>().end());
    examples_.insert(examples_.end(), examples.begin(), examples.end());
  }
  // Moves them to the evaluation.
  void move_to(Evaluation& out, std::int64_t outputs, const Tensor& labels_of_all) {
    out.examples = std::ssize(examples_);
    out.logits = Tensor::from(logits_, {out.examples, outputs});
    out.labels = Tensor::empty(labels_of_all.shape().with_rows(out.examples), labels_of_all.dtype());
    for (std::int64_t i = 0; i < out.examples; ++i) {
      const std::int64_t example = examples_[static_cast<std::size_t>(i)];
      out.labels.rows(i, i + 1).copy_from(labels_of_all.rows(example, example + 1));
    }
    out.rows = std::move(examples_);
  }

 private:
  std::vector<double> logits_;
  std::vector<std::int32_t> examples_;
};

}  // namespace

struct Evaluator::Pending {
  std::span<const std::int32_t> examples;
  HostCopy loss, logits;
};

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

std::vector<Tensor> Evaluator::work(const LabelledBatch& batch) const {
  const Variable logits = logits_(batch.tokens, {.training = false});
  return {task_.loss(logits, batch.labels).value(), logits.value()};
}

Evaluator::Pending Evaluator::start(std::span<const std::int32_t> examples, bool graphs) {
  const std::vector<Tensor>& results = shapes_.run(examples_, examples, graphs, [&](const LabelledBatch& batch) {
    examples_.gather(batch);
    return work(batch);
  });
  return {examples, HostCopy(results[0]), HostCopy(results[1])};
}

void Evaluator::check_finite(Pending& batch) {
  const Tensor& logits = batch.logits.get();
  const std::optional<std::int64_t> bad = first_not_finite(logits);
  const double loss = batch.loss.get().item();
  if (!bad && std::isfinite(loss)) return;
  // The batch is evaluated again without a graph, to name the tensor.
  shapes_ = CapturedShapes();
  FiniteWatch watch;
  work(examples_.batch(batch.examples));
  const std::int32_t example = batch.examples[static_cast<std::size_t>(bad.value_or(0) / logits.shape()[1])];
  const std::string what = bad ? str_cat("the logits of example ", example, " (counted from 0) are not finite")
                               : str_cat("the loss of the batch of example ", example, " (counted from 0) is ", loss);
  std::optional<NotFinite> found = watch.found();
  if (bad && found && found->kind == NotFinite::Kind::kLoss) found.reset();  // no op has made these logits
  throw NotFiniteError(
      str_cat("evaluation stopped: ", what, found ? "; the first tensor that is not finite is " + found->text() : ""),
      std::nullopt, found);
}

void Evaluator::check(std::span<const std::int32_t> examples) {
  const NoGrad no_grad;
  Pending batch = start(examples, false);
  check_finite(batch);
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
  std::deque<Pending> pending;
  const auto take = [&](std::size_t max_left) {
    for (; pending.size() > max_left; pending.pop_front()) {
      Pending& batch = pending.front();
      check_finite(batch);
      out.loss += batch.loss.get().item();
      if (measures) rows.add(batch.logits.get(), batch.examples);
    }
  };
  std::int64_t done = 0;
  while (done < batches) {
    pending.push_back(start(pass.batch(done), graphs_));
    take(kMaxPendingBatches);
    ++done;
    if (progress && !progress(done, batches)) break;
  }
  take(0);
  check_mapped_files();
  if (done > 0) out.loss /= static_cast<double>(done);
  if (!measures) return out;
  rows.move_to(out, task_.outputs(), examples_.labels());
  out.measures = task_.measure(out.logits, out.labels);
  return out;
}

}  // namespace attune
