// One class of several: softmax and cross-entropy, with class weights and label smoothing if given. The predicted class
// has the largest logit; among equal logits it is the first.
#include "base/check.h"
#include "engine/autograd/functions.h"
#include "engine/train/measures.h"
#include "engine/train/tasks/tasks.h"

namespace attune {
namespace {

class SingleLabel : public Task {
 public:
  explicit SingleLabel(const TaskOptions& options)
      : Task(options),
        names_(output_names(options)),
        spec_{.class_weights = weights_tensor("class weights", options.class_weights, options),
              .label_smoothing = options.label_smoothing} {
    CHECK(options.label_smoothing >= 0 && options.label_smoothing < 1, "the label smoothing ", options.label_smoothing,
          " is not in [0, 1)");
  }

  std::string_view problem_type() const override { return kSingleLabel; }
  std::int64_t outputs() const override { return std::ssize(names_); }
  LabelForm labels() const override { return {.dtype = DType::kInt32, .width = 0}; }

  Variable loss(const Variable& logits, const Tensor& labels) const override {
    return cross_entropy(logits, labels, spec_);
  }

  double weight(const Tensor& labels, std::span<const std::int32_t> examples) const override {
    const std::vector<double>& weights = options().class_weights;
    if (weights.empty()) return Task::weight(labels, examples);
    double sum = 0;
    for (const std::int32_t e : examples) {
      const std::int32_t label = labels.values<std::int32_t>()[static_cast<std::size_t>(e)];
      sum += weights[static_cast<std::size_t>(label)];
    }
    return sum;
  }

  std::vector<Measure> measure(const Tensor& logits, const Tensor& labels) const override {
    const std::span<const std::int32_t> classes = labels.values<std::int32_t>();
    const std::vector<std::int32_t> predicted = measures::argmax_rows(logits);
    const std::vector<measures::Counts> counts = measures::class_counts(predicted, classes, outputs());
    const Tensor scaled = divided_by_temperature(logits, options());
    const std::vector<double> probabilities = measures::softmax_rows(scaled);
    std::vector<Measure> out = {{"accuracy", measures::accuracy(predicted, classes)},
                                {"balanced_accuracy", measures::balanced_accuracy(counts)},
                                {"f1_macro", measures::f1_macro(counts)},
                                {"f1_micro", measures::f1_micro(counts)},
                                {"f1_weighted", measures::f1_weighted(counts)},
                                {"mcc", measures::matthews_correlation(counts)},
                                {"log_loss", measures::log_loss(scaled, classes), true},
                                {"brier", measures::brier_score(probabilities, classes), true},
                                {"ece", measures::calibration_error(probabilities, classes), true}};
    std::vector<std::uint8_t> positive(probabilities.size());
    for (std::size_t i = 0; i < classes.size(); ++i)
      positive[i * names_.size() + static_cast<std::size_t>(classes[i])] = 1;
    append_scores(out, names_, counts, probabilities, positive);
    return out;
  }
  Prediction predict(std::span<const double> logits) const override {
    const Tensor row = Tensor::from(logits, {1, outputs()});
    return {.probabilities = measures::softmax_rows(divided_by_temperature(row, options())),
            .chosen = measures::argmax_rows(row)};
  }
  std::vector<Headline> headlines() const override {
    return {{.measure = "accuracy", .title = "accuracy", .percent = true}};
  }

 private:
  std::vector<std::string> names_;
  ops::CrossEntropySpec spec_;
};

}  // namespace

std::unique_ptr<Task> make_single_label(const TaskOptions& options) {
  return std::make_unique<SingleLabel>(options);
}

}  // namespace attune
