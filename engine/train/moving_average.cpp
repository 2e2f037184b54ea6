#include "engine/train/moving_average.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/check.h"
#include "engine/ops/cast.h"
#include "engine/ops/moving_average.h"

namespace attune {
namespace {

constexpr std::int64_t kScratch = std::int64_t{1} << 20;  // elements that are exchanged at once

}  // namespace

MovingAverage::MovingAverage(const Module& model, double decay)
    : parameters_(parameters_of(model, true)), decay_(decay) {
  CHECK(decay > 0 && decay < 1, "the decay of a moving average must be above 0 and below 1, not ", decay);
  CHECK(!parameters_.empty(), "moving average: no parameter is trainable");
  for (const auto& [name, parameter] : parameters_) {
    CHECK(parameter.late_rows() == nullptr, "moving average: rows of ", name, " are changed late");
    tensors_.push_back(parameter.exact().clone());
  }
  const Tensor& first = tensors_.front();
  scratch_ = Tensor::empty({kScratch}, first.dtype(), first.device());
  rate_ = Tensor::empty({1}, DType::kFloat64, first.device());
}

double MovingAverage::decay_at(double decay, std::int64_t n) {
  return std::min(decay, static_cast<double>(1 + n) / static_cast<double>(10 + n));
}

void MovingAverage::begin_step(std::int64_t steps) {
  CHECK(!in_use_, "moving average: a step must not follow while the averages are in the parameters' place");
  rate_.copy_from(Tensor::from(std::vector<double>{1 - decay_at(decay_, steps)}, {1}));
}

void MovingAverage::update() const {
  std::vector<ops::AveragedTensor> tensors;
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    tensors.push_back({.average = InPlace(tensors_[i]), .value = parameters_[i].parameter.exact()});
  ops::moving_average(tensors, rate_);
}

void MovingAverage::exchange() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Parameter& parameter = parameters_[i].parameter;
    const Tensor& exact = parameter.exact();
    const std::int64_t count = exact.numel();
    const Tensor value = exact.view({count}), average = tensors_[i].view({count});
    for (std::int64_t begin = 0; begin < count; begin += scratch_.numel()) {
      const std::int64_t end = std::min(begin + scratch_.numel(), count);
      const Tensor before = scratch_.rows(0, end - begin);
      before.copy_from(value.rows(begin, end));
      value.rows(begin, end).copy_from(average.rows(begin, end));
      average.rows(begin, end).copy_from(before);
    }
    if (parameter.master().defined()) parameter.value().copy_from(ops::cast(exact, parameter.value().dtype()));
  }
}

void MovingAverage::use() {
  DCHECK(!in_use_);
  in_use_ = true;
  exchange();
}

void MovingAverage::put_back() {
  DCHECK(in_use_);
  exchange();
  in_use_ = false;
}

void MovingAverage::try_to_put_back() noexcept {
  try {
    put_back();
  } catch (const std::exception&) {  // a device that has failed: the average stays in use, and no step can follow
  }
}

void MovingAverage::add_to(RunState& state) const {
  auto average = tensors_.begin();
  for (RunState::Parameter& held : state.parameters) {
    if (!held.m.defined()) continue;  // frozen
    held.average = *average++;
    if (in_use_) std::swap(held.average, held.value);
  }
}

void MovingAverage::restore(const RunState& state) {
  auto average = tensors_.begin();
  for (const RunState::Parameter& held : state.parameters) {
    if (!held.m.defined()) continue;
    const Tensor &to = *average++, &from = held.average;
    CHECK(from.defined() && from.shape() == to.shape() && from.dtype() == to.dtype(),
          "the checkpoint has no moving average of ", held.name, " that is ", to.dtype(), " ", to.shape());
    to.copy_from(from);
  }
}

}  // namespace attune
