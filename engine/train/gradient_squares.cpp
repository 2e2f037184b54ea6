#include "engine/train/gradient_squares.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/ops/grad_norm.h"

namespace attune {

GradientSquares::GradientSquares(std::vector<NamedParameter> parameters, std::size_t launch)
    : launch_bytes_(launch), order_(std::move(parameters)) {}

void GradientSquares::begin(bool ends) {
  order_.begin();
  measures_ = ends && sums_.defined();
  next_ = waiting_bytes_ = launches_ = 0;
  waiting_.clear();
  rest_.clear();
}

// Vectors, of which a model has many, are left for the end, as are tables of which few rows have a gradient.
void GradientSquares::look() {
  order_.look();
  if (!measures_) return;
  for (; next_ < order_.size() && order_.is_final(next_); ++next_) {
    const ops::Gradient gradient = order_.parameter(next_).grad().kept();
    if (gradient.marks.defined() || gradient.values.shape().rank() < 2) {
      rest_.push_back(next_);
      continue;
    }
    waiting_.push_back(next_);
    waiting_bytes_ += gradient.values.bytes();
    if (waiting_bytes_ >= launch_bytes_) {
      launch();
      ++launches_;
    }
  }
}

void GradientSquares::launch() {
  std::vector<ops::Gradient> gradients;
  std::vector<std::int64_t> first;
  for (const std::size_t i : waiting_) {
    gradients.push_back(order_.parameter(i).grad().kept());
    first.push_back(first_[i]);
  }
  ops::grad_squares(InPlace(sums_), gradients, first);
  waiting_.clear();
  waiting_bytes_ = 0;
}

void GradientSquares::end() {
  if (order_.known()) {
    measures_ = measures_ && order_.difference().empty();
    return;
  }
  order_.end();
  // Places as ops::grad_norm has them: in the optimizer's order.
  std::vector<std::size_t> by_number(order_.size());
  std::iota(by_number.begin(), by_number.end(), 0);
  std::ranges::sort(by_number, {}, [&](std::size_t i) { return order_.number(i); });
  first_.resize(order_.size());
  std::int64_t pieces = 0;
  for (const std::size_t i : by_number) {
    first_[i] = pieces;
    pieces += order_.parameter(i).grad().kept().pieces();
  }
  sums_ = Tensor::empty({pieces}, DType::kFloat64, Device::kCuda);
}

void GradientSquares::finish(const InPlace& norm) {
  waiting_.insert(waiting_.end(), rest_.begin(), rest_.end());
  if (!waiting_.empty()) launch();
  ops::norm_of_squares(norm, sums_);
}

}  // namespace attune
