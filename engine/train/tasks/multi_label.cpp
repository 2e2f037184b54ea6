// Any number of labels for a text: a sigmoid and binary cross-entropy for each of them, with weights for positive
// examples if given. A label is predicted if its probability is above its threshold.
#include "base/check.h"
#include "engine/autograd/functions.h"
#include "engine/train/measures.h"
#include "engine/train/tasks/tasks.h"

namespace attune {
namespace {

class MultiLabel : public Task {
 public:
  explicit MultiLabel(const TaskOptions& options)
      : Task(options),
        names_(output_names(options)),
        positive_weights_(weights_tensor("positive weights", options.positive_weights, options)),
        thresholds_(options.thresholds.empty() ? std::vector(names_.size(), 0.5) : options.thresholds) {
    CHECK(thresholds_.size() == names_.size(), thresholds_.size(), " thresholds for ", names_.size(), " labels");
    for (const double t : thresholds_) CHECK(t > 0 && t < 1, "the threshold ", t, " is not in (0, 1)");
  }

  std::string_view problem_type() const override { return kMultiLabel; }
  std::int64_t outputs() const override { return std::ssize(names_); }
  LabelForm labels() const override { return {.dtype = DType::kFloat32, .width = outputs()}; }

  Variable loss(const Variable& logits, const Tensor& labels) const override {
    return binary_cross_entropy(logits, labels, positive_weights_);
  }

  std::vector<Measure> measure(const Tensor& logits, const Tensor& labels) const override {
    const std::size_t width = names_.size();
    const Tensor scaled = divided_by_temperature(logits, options());
    std::vector<double> probabilities;
    std::vector<std::uint8_t> predicted, flags;
    for (const double z : scaled.values<double>()) probabilities.push_back(measures::sigmoid(z));
    for (const double p : probabilities) predicted.push_back(p > thresholds_[predicted.size() % width]);
    for (const float label : labels.values<float>()) flags.push_back(label != 0);
    const std::vector<measures::Counts> counts = measures::label_counts(predicted, flags, outputs());
    std::vector<Measure> out = {{"f1_micro", measures::f1_micro(counts)},
                                {"f1_macro", measures::f1_macro(counts)},
                                {"f1_weighted", measures::f1_weighted(counts)},
                                {"f1_samples", measures::f1_samples(predicted, flags, outputs())},
                                {"subset_accuracy", measures::subset_accuracy(predicted, flags, outputs())},
                                {"hamming_loss", measures::hamming_loss(predicted, flags), true},
                                {"log_loss", measures::label_log_loss(scaled, flags), true},
                                {"ece", measures::label_calibration_error(probabilities, flags), true}};
    append_scores(out, names_, counts, probabilities, flags);
    return out;
  }
  Prediction predict(std::span<const double> logits) const override {
    Prediction out;
    for (std::size_t k = 0; k < names_.size(); ++k) {
      out.probabilities.push_back(measures::sigmoid(logits[k] / options().temperature));
      if (out.probabilities.back() > thresholds_[k]) out.chosen.push_back(static_cast<std::int32_t>(k));
    }
    return out;
  }
  std::vector<double> thresholds() const override { return thresholds_; }
  std::vector<Headline> headlines() const override {
    return {{.measure = "f1_micro", .title = "micro F1", .percent = true},
            {.measure = "f1_macro", .title = "macro F1", .percent = true},
            {.measure = "subset_accuracy", .title = "subset accuracy", .percent = true}};
  }

 private:
  std::vector<std::string> names_;
  Tensor positive_weights_;
  std::vector<double> thresholds_;
};

}  // namespace

std::unique_ptr<Task> make_multi_label(const TaskOptions& options) {
  return std::make_unique<MultiLabel>(options);
}

}  // namespace attune
