// One number for a text, or several: the logits themselves, and the mean squared error. The measures of several numbers
// are the means over them.
#include <array>

#include "engine/autograd/functions.h"
#include "engine/train/measures.h"
#include "engine/train/tasks/tasks.h"

namespace attune {
namespace {

struct NumberMeasure {
  const char* name;
  double (*of)(std::span<const double> predicted, std::span<const double> labels);
  bool is_error = false;  // as in Measure
};
constexpr std::array kMeasures = {NumberMeasure{"mse", measures::mean_squared_error, true},
                                  NumberMeasure{"mae", measures::mean_absolute_error, true},
                                  NumberMeasure{"r2", measures::r_squared}, NumberMeasure{"pearson", measures::pearson},
                                  NumberMeasure{"spearman", measures::spearman}};

// Column k of a host tensor [E, width].
std::vector<double> column(const Tensor& rows, std::int64_t k) {
  const Tensor exact = rows.cast(DType::kFloat64);
  std::vector<double> out;
  for (std::int64_t i = k; i < exact.numel(); i += exact.shape()[1])
    out.push_back(exact.values<double>()[static_cast<std::size_t>(i)]);
  return out;
}

class Regression : public Task {
 public:
  explicit Regression(const TaskOptions& options) : Task(options), names_(output_names(options)) {}

  std::string_view problem_type() const override { return kRegression; }
  std::int64_t outputs() const override { return std::ssize(names_); }
  LabelForm labels() const override { return {.dtype = DType::kFloat32, .width = outputs()}; }

  Variable loss(const Variable& logits, const Tensor& labels) const override {
    return mean_squared_error(logits, labels);
  }

  std::vector<Measure> measure(const Tensor& logits, const Tensor& labels) const override {
    std::vector<Measure> means, each;
    for (const NumberMeasure& measure : kMeasures) means.push_back({measure.name, 0, measure.is_error});
    for (std::int64_t k = 0; k < outputs(); ++k) {
      const std::vector<double> predicted = column(logits, k), expected = column(labels, k);
      for (std::size_t m = 0; m < kMeasures.size(); ++m) {
        const double value = kMeasures[m].of(predicted, expected);
        means[m].value += value / static_cast<double>(outputs());
        if (outputs() > 1)
          each.push_back({means[m].name + "." + names_[static_cast<std::size_t>(k)], value, means[m].is_error});
      }
    }
    means.insert(means.end(), each.begin(), each.end());
    return means;
  }
  Prediction predict(std::span<const double>) const override { return {}; }
  std::vector<Headline> headlines() const override {
    return {{.measure = "mse", .title = "mean squared error", .percent = false},
            {.measure = "pearson", .title = "Pearson correlation", .percent = false},
            {.measure = "spearman", .title = "Spearman correlation", .percent = false}};
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Task> make_regression(const TaskOptions& options) {
  return std::make_unique<Regression>(options);
}

}  // namespace attune
