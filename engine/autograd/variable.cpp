#include "engine/autograd/variable.h"

#include <utility>

#include "base/check.h"
#include "engine/ops/scale.h"

namespace attune {
namespace {

const Tensor kUndefined;

}  // namespace

Grad::Grad(const Tensor& like, bool requires_grad)
    : state_(std::make_shared<State>(State{like.shape(), like.dtype(), like.device(), requires_grad, Tensor()})) {}

const Tensor& Grad::tensor() const {
  return state_ == nullptr ? kUndefined : state_->gathered;
}

GradTarget Grad::target() const {
  if (!requires_grad()) return {};
  Tensor& gathered = state_->gathered;
  if (!gathered.defined()) {
    gathered = Tensor::empty(state_->shape, state_->dtype, state_->device);
    return {gathered, GradMode::kWrite};
  }
  if (!gathered.unique()) gathered = gathered.clone();  // shared with the gradient of another variable
  return {gathered, GradMode::kAccumulate};
}

void Grad::add(const Tensor& gradient) const {
  if (!requires_grad()) return;
  if (state_->gathered.defined())
    ops::scale(target(), gradient);
  else
    state_->gathered = gradient;
}

Tensor Grad::take() const {
  if (state_ == nullptr) return {};
  Tensor gathered = std::exchange(state_->gathered, Tensor());
  return !gathered.defined() || gathered.unique() ? gathered : gathered.clone();
}

void Grad::clear() const {
  if (state_ != nullptr) state_->gathered = Tensor();
}

Variable::Variable(Tensor value, bool requires_grad)
    : value_(std::make_shared<Tensor>(std::move(value))), grad_(*value_, requires_grad) {}

const Tensor& Variable::value() const {
  return value_ == nullptr ? kUndefined : *value_;
}

Tensor Variable::release() && {
  CHECK(value_ != nullptr && value_.use_count() == 1, "a value was to be used up that is missing or that others hold");
  grad_ = Grad();
  return std::move(*std::exchange(value_, nullptr));
}

void Variable::set_value(Tensor value) const {
  CHECK(value.shape() == shape(), "a parameter of shape ", shape(), " cannot take a value of shape ", value.shape());
  grad_.state_->dtype = value.dtype();
  grad_.state_->device = value.device();
  *value_ = std::move(value);
}

}  // namespace attune
