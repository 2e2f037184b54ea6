#include "engine/autograd/variable.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/autograd/finite_watch.h"
#include "engine/ops/scale.h"
#include "kernels/row_gradient.h"

namespace attune {
namespace {

const Tensor kUndefined;

}  // namespace

Grad::Grad(const Tensor& like, bool requires_grad)
    : state_(std::make_shared<State>(State{
          like.shape(), like.dtype(), like.device(), requires_grad, Tensor(), Tensor(), nullptr, nullptr, {}, 0})) {}

const Tensor& Grad::tensor() const {
  if (compact()) spread(false);
  return state_ == nullptr ? kUndefined : state_->gathered;
}

ops::Gradient Grad::kept() const {
  if (!defined()) return {};
  return {state_->gathered, state_->late == nullptr ? Tensor() : state_->late->marks().marks};
}

// Makes the gradient one of the value's shape, in bytes of its own.
void Grad::spread(bool every_row) const {
  const Tensor dense = Tensor::empty(state_->shape, state_->dtype, state_->device);
  ops::spread_row_gradient(InPlace(dense), state_->gathered, state_->late->marks(), every_row);
  state_->gathered = dense;
}

GradTarget Grad::target() const {
  if (!requires_grad()) return {};
  ++state_->writes;
  if (FiniteWatch* watch = FiniteWatch::current()) watch->note_gradient(*this);
  Tensor& gathered = state_->gathered;
  const GradMode mode = gathered.defined() ? GradMode::kAccumulate : GradMode::kWrite;
  if (state_->late != nullptr) {
    state_->late->catch_up(*state_->table, {});
    spread(true);
  } else if (!gathered.defined()) {
    gathered = state_->home.defined() ? state_->home : Tensor::empty(state_->shape, state_->dtype, state_->device);
  } else if (!state_->home.defined() && !gathered.unique()) {
    gathered = gathered.clone();  // shared with the gradient of another variable
  }
  return {gathered, mode};
}

RowTarget Grad::row_target(const Tensor& ids, std::int64_t version) const {
  if (!requires_grad() || state_->late == nullptr) return {target(), {}};
  ++state_->writes;
  if (FiniteWatch* watch = FiniteWatch::current()) watch->note_gradient(*this);
  const LateRows& late = *state_->late;
  if (late.version() != version) late.catch_up(*state_->table, ids);  // a row with a gradient is never late
  const Tensor& marks = late.marks().marks;
  Tensor& gathered = state_->gathered;
  if (const std::int64_t tokens = ids.numel(); !gathered.defined() && tokens < state_->shape[0]) {
    ops::clear_row_gradient(late.marks());
    gathered = Tensor::empty({tokens, state_->shape[1]}, state_->dtype, state_->device);
    return {{gathered, GradMode::kWrite}, {marks, true}};
  }
  if (!gathered.defined() || compact() || !gathered.unique()) spread(false);
  return {{gathered, GradMode::kAccumulate}, {marks, false}};
}

void Grad::add(const Tensor& gradient) const {
  if (!requires_grad()) return;
  if (FiniteWatch* watch = FiniteWatch::current()) watch->note_gradient(*this);
  if (state_->gathered.defined() || state_->late != nullptr || state_->home.defined())
    return ops::scale(target(), gradient);
  ++state_->writes;
  state_->gathered = gradient;
}

HostRows Grad::rows() const {
  const Tensor host_marks = state_->late->marks().marks.to(Device::kCpu), host = state_->gathered.to(Device::kCpu);
  const std::span<const std::int32_t> marks = host_marks.values<std::int32_t>();
  std::vector<std::int32_t> ids;
  for (std::size_t row = 0; row < marks.size(); ++row)
    if (marks[row] >= kernels::kFirstSlot) ids.push_back(static_cast<std::int32_t>(row));
  const Tensor values = Tensor::empty({std::ssize(ids), host.shape()[1]}, host.dtype());
  for (std::int64_t i = 0; i < std::ssize(ids); ++i) {
    const std::int64_t slot = marks[static_cast<std::size_t>(ids[static_cast<std::size_t>(i)])] - kernels::kFirstSlot;
    values.rows(i, i + 1).copy_from(host.rows(slot, slot + 1));
  }
  return {Tensor::from(ids, {std::ssize(ids)}), values};
}

void Grad::set_rows(const HostRows& rows) const {
  const LateRows& late = *state_->late;
  late.catch_up(*state_->table, rows.ids.to(state_->device));  // a row with a gradient is never late
  ops::clear_row_gradient(late.marks());
  const Tensor& marks = late.marks().marks;
  const Tensor host = marks.to(Device::kCpu);
  std::int32_t mark = kernels::kFirstSlot;
  for (const std::int32_t row : rows.ids.values<std::int32_t>())
    host.values<std::int32_t>()[static_cast<std::size_t>(row)] = mark++;
  if (state_->device != Device::kCpu) marks.copy_from(host);
  ++state_->writes;
  state_->gathered = rows.values.to(state_->device);
}

Tensor Grad::take() const {
  if (state_ == nullptr) return {};
  if (compact()) spread(false);
  Tensor gathered = std::exchange(state_->gathered, Tensor());
  return !gathered.defined() || gathered.unique() ? gathered : gathered.clone();
}

void Grad::clear() const {
  if (state_ != nullptr) state_->gathered = Tensor();
}

void Grad::set_home(const Tensor& home) const {
  CHECK(state_->late == nullptr, "the gradient of a table with late rows cannot have a home");
  Tensor& gathered = state_->gathered;
  if (home.defined()) Arguments("set_home", "home", home).require("home", home, state_->shape, state_->dtype);
  if (gathered.defined() && home.defined()) {
    home.copy_from(gathered);
    gathered = home;
  } else if (gathered.defined()) {
    gathered = gathered.clone();
  }
  state_->home = home;
}

std::string Grad::name_of(std::int64_t element) const {
  const std::vector<std::string>& names = state_->names;
  if (names.empty()) return "a variable without a name";
  return names[static_cast<std::size_t>(element * std::ssize(names) /
                                        std::max<std::int64_t>(state_->shape.numel(), 1))];
}

Variable::Variable(Tensor value, bool requires_grad)
    : value_(std::make_shared<Tensor>(std::move(value))), grad_(*value_, requires_grad) {}

const Tensor& Variable::value_of_rows(const Tensor& ids) const {
  if (value_ != nullptr && late_rows() != nullptr) late_rows()->catch_up(*value_, ids);
  return late_value();
}

const Tensor& Variable::late_value() const {
  return value_ == nullptr ? kUndefined : *value_;
}

void Variable::set_late_rows(std::shared_ptr<LateRows> late) const {
  value();
  const Tensor gradient = grad_.tensor();
  grad_.clear();
  grad_.state_->late = std::move(late);
  grad_.state_->table = value_;
  if (gradient.defined()) grad_.add(gradient);
}

std::int64_t Variable::version() const {
  return value_ == nullptr || late_rows() == nullptr ? 0 : late_rows()->version();
}

Tensor Variable::release() && {
  CHECK(value_ != nullptr && value_.use_count() == 1, "a value was to be used up that is missing or that others hold");
  grad_ = Grad();
  return std::move(*std::exchange(value_, nullptr));
}

void Variable::set_value(Tensor value) const {
  CHECK(value.shape() == shape(), "a parameter of shape ", shape(), " cannot take a value of shape ", value.shape());
  this->value();  // so that no late step is made with the new one
  grad_.state_->dtype = value.dtype();
  grad_.state_->device = value.device();
  *value_ = std::move(value);
}

}  // namespace attune
