// One class of several: softmax and cross-entropy. The predicted class is that of the largest logit, the first of equals.
#include "base/check.h"
#include "engine/autograd/functions.h"
#include "engine/train/measures.h"
#include "engine/train/tasks/tasks.h"

namespace attune {
namespace {

class SingleLabel : public Task {
 public:
  explicit SingleLabel(const TaskOptions& options) : classes_(options.outputs) {}

  std::string_view problem_type() const override { return "single_label_classification"; }
  std::int64_t outputs() const override { return classes_; }
  LabelForm labels() const override { return {}; }

  Variable loss(const Variable& logits, const Tensor& labels) const override { return cross_entropy(logits, labels); }

  std::vector<Measure> measure(const Tensor& logits, const Tensor& labels) const override {
    return {{"accuracy", measures::accuracy(measures::argmax_rows(logits), labels.values<std::int32_t>())}};
  }
  std::vector<Headline> headlines() const override {
    return {{.measure = "accuracy", .title = "accuracy", .percent = true, .larger_is_better = true}};
  }

 private:
  std::int64_t classes_;
};

}  // namespace

std::unique_ptr<Task> make_single_label(const TaskOptions& options) {
  return std::make_unique<SingleLabel>(options);
}

}  // namespace attune
