#include "engine/train/moving_average.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/check.h"
#include "engine/ops/cast.h"
#include "engine/ops/moving_average.h"
#include "engine/train/divided.h"

namespace attune {
namespace {

constexpr std::int64_t kScratch = std::int64_t{1} << 20;  // elements that are exchanged at once

}  // namespace

MovingAverage::MovingAverage(const Module& model, double decay, const Shares* shares)
    : parameters_(parameters_of(model, true)), decay_(decay), shares_(shares) {
  CHECK(decay > 0 && decay < 1, "the decay of a moving average must be above 0 and below 1, not ", decay);
  CHECK(!parameters_.empty(), "moving average: no parameter is trainable");
  for (const auto& [name, parameter] : parameters_) {
    CHECK(parameter.late_rows() == nullptr, "moving average: rows of ", name, " are changed late");
    tensors_.push_back(own_values(tensors_.size()).clone());
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

Tensor MovingAverage::own_values(std::size_t i) const {
  const Tensor& exact = parameters_[i].parameter.exact();
  return shares_ == nullptr ? exact : own_part(*shares_, i, exact);
}

void MovingAverage::update() const {
  std::vector<ops::AveragedTensor> tensors;
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (tensors_[i].numel() > 0) tensors.push_back({.average = InPlace(tensors_[i]), .value = own_values(i)});
  ops::moving_average(tensors, rate_);
}

void MovingAverage::exchange() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::int64_t count = tensors_[i].numel();
    const Tensor value = own_values(i).view({count}), average = tensors_[i].view({count});
    for (std::int64_t begin = 0; begin < count; begin += scratch_.numel()) {
      const std::int64_t end = std::min(begin + scratch_.numel(), count);
      const Tensor before = scratch_.rows(0, end - begin);
      before.copy_from(value.rows(begin, end));
      value.rows(begin, end).copy_from(average.rows(begin, end));
      average.rows(begin, end).copy_from(before);
    }
    const Parameter& parameter = parameters_[i].parameter;
    if (shares_ == nullptr && parameter.master().defined())
      parameter.value().copy_from(ops::cast(parameter.master(), parameter.value().dtype()));
  }
  if (shares_ != nullptr) share_values(*shares_, parameters_);
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
  if (shares_ != nullptr) return;
  try {
    put_back();
  } catch (const std::exception&) {  // a device that has failed: the average stays in use, and no step can follow
  }
}

void MovingAverage::add_to(RunState& state) const {
  std::size_t i = 0;
  for (RunState::Parameter& held : state.parameters) {
    if (i == parameters_.size() || held.name != parameters_[i].name) continue;  // frozen
    const Tensor& own = tensors_[i++];
    if (shares_ == nullptr) {
      held.average = own;
      if (in_use_) std::swap(held.average, held.value);
      continue;
    }
    held.divided.push_back(
        divided_tensor((in_use_ ? "value." : "average.") + held.name, *shares_, i - 1, own, held.value));
    if (in_use_) held.average = std::exchange(held.value, {});
  }
}

void MovingAverage::restore(const RunState& state) {
  std::size_t i = 0;
  for (const RunState::Parameter& held : state.parameters) {
    if (!held.m.defined()) continue;
    const Tensor &exact = parameters_[i].parameter.exact(), &from = held.average;
    CHECK(from.defined() && from.shape() == exact.shape() && from.dtype() == exact.dtype(),
          "the checkpoint has no moving average of ", held.name, " that is ", exact.dtype(), " ", exact.shape());
    tensors_[i].copy_from(shares_ == nullptr ? from : own_part(*shares_, i, from));
    ++i;
  }
}

std::size_t MovingAverage::bytes() const {
  std::size_t out = 0;
  for (const Tensor& tensor : tensors_) out += tensor.bytes();
  return out;
}

}  // namespace attune
