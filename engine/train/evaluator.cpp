#include "engine/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <string>
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

// Of one batch. With a label for every token, the logits would be those of its tokens.
struct BatchResult {
  double loss;
  std::vector<double> logits;  // none if there are no measures
};

// The results of the batches of a pass in their order, of which rank r has every world-th one from batch r on. They end
// before the first batch that is missing.
std::vector<BatchResult> results_of_all(Communicator& processes, std::vector<BatchResult> own) {
  if (processes.alone()) return own;
  std::string bytes;
  const auto append = [&](const void* data, std::size_t size) { bytes.append(static_cast<const char*>(data), size); };
  for (const BatchResult& result : own) {
    const std::size_t count = result.logits.size();
    append(&result.loss, sizeof result.loss);
    append(&count, sizeof count);
    append(result.logits.data(), count * sizeof(double));
  }
  const std::vector<std::string> all = processes.gather(bytes);
  std::vector<std::size_t> at(all.size());
  std::vector<BatchResult> out;
  for (std::size_t r = 0; at[r] < all[r].size(); r = (r + 1) % all.size()) {
    const auto read = [&](void* data, std::size_t size) {
      std::memcpy(data, all[r].data() + at[r], size);
      at[r] += size;
    };
    BatchResult& result = out.emplace_back();
    std::size_t count = 0;
    read(&result.loss, sizeof result.loss);
    read(&count, sizeof count);
    result.logits.resize(count);
    read(result.logits.data(), count * sizeof(double));
  }
  return out;
}

// Adds the examples of the first batches of a pass to an evaluation.
void add_examples(Evaluation& out, const std::vector<BatchResult>& results, const LoaderPass& pass,
                  std::int64_t outputs, const Tensor& labels) {
  std::vector<double> logits;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::span<const std::int32_t> examples = pass.batch(static_cast<std::int64_t>(i));
    out.rows.insert(out.rows.end(), examples.begin(), examples.end());
    logits.insert(logits.end(), results[i].logits.begin(), results[i].logits.end());
  }
  out.examples = std::ssize(out.rows);
  out.logits = Tensor::from(logits, {out.examples, outputs});
  out.labels = Tensor::empty(labels.shape().with_rows(out.examples), labels.dtype());
  for (std::int64_t i = 0; i < out.examples; ++i) {
    const std::int64_t example = out.rows[static_cast<std::size_t>(i)];
    out.labels.rows(i, i + 1).copy_from(labels.rows(example, example + 1));
  }
}

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

Evaluator::Evaluator(LogitsFn logits, const Task& task, const ExampleStore& examples, bool graphs,
                     Communicator& processes)
    : logits_(std::move(logits)),
      task_(task),
      examples_(examples),
      graphs_(graphs && examples.device() == Device::kCuda),
      processes_(processes) {}

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
  std::vector<BatchResult> results;
  std::deque<Pending> pending;
  const auto take = [&](std::size_t max_left) {
    for (; pending.size() > max_left; pending.pop_front()) {
      Pending& batch = pending.front();
      check_finite(batch);
      BatchResult& result = results.emplace_back(BatchResult{batch.loss.get().item(), {}});
      if (!measures) continue;
      const Tensor exact = batch.logits.get().cast(DType::kFloat64);
      result.logits.assign(exact.values<double>().begin(), exact.values<double>().end());
    }
  };
  check_on_all(processes_, [&] {
    for (std::int64_t i = processes_.rank(); i < batches; i += processes_.world()) {
      pending.push_back(start(pass.batch(i), graphs_));
      take(kMaxPendingBatches);
      if (progress && !progress(std::min(i + processes_.world() - processes_.rank(), batches), batches)) break;
    }
    take(0);
    check_mapped_files();
  });
  results = results_of_all(processes_, std::move(results));
  Evaluation out;
  for (const BatchResult& result : results) out.loss += result.loss;
  if (!results.empty()) out.loss /= static_cast<double>(results.size());
  if (!measures) return out;
  add_examples(out, results, pass, task_.outputs(), examples_.labels());
  out.measures = task_.measure(out.logits, out.labels);
  return out;
}

}  // namespace attune
