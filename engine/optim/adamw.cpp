#include "engine/optim/adamw.h"

#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include "base/check.h"
#include "engine/ops/adamw_rows.h"
#include "engine/ops/grad_norm.h"

namespace attune {
namespace {

// A smaller table is not worth the launches that late rows need.
constexpr std::int64_t kLargeTable = std::int64_t{1} << 22;  // elements

}  // namespace

// The moments of a table with late rows, and what it takes to bring them up to date.
class AdamWOptimizer::LateTable : public LateRows {
 public:
  LateTable(const Tensor& table, const ops::AdamWSpec& spec) : state_(ops::AdamWRowState::of(table)), spec_(spec) {}

  void catch_up(const Tensor& table, const Tensor& ids) const override {
    if (ids.defined())
      ops::adamw_catch_up(InPlace(table), state_, ids, spec_);
    else
      ops::adamw_catch_up_all(InPlace(table), state_, spec_);
  }
  const ops::RowMarks& marks() const override { return state_.marks; }
  std::int64_t version() const override { return version_; }

  const Tensor& m() const { return state_.m.tensor; }
  const Tensor& v() const { return state_.v.tensor; }
  void begin_step() { ++version_; }
  void update(const Parameter& parameter, const Tensor& scalars, const Tensor& grad_scale) {
    ++version_;
    ops::adamw_rows(InPlace(parameter.late_value()), state_, parameter.grad().kept().values, scalars, grad_scale,
                    spec_);
  }

 private:
  ops::AdamWRowState state_;
  ops::AdamWSpec spec_;
  std::int64_t version_ = 0;
};

AdamWOptimizer::AdamWOptimizer(std::vector<NamedParameter> parameters, const AdamWOptions& options,
                               std::optional<AdamWShare> share)
    : share_(std::move(share)), options_(options) {
  CHECK(!parameters.empty(), "optimizer: no parameter is trainable");
  for (NamedParameter& named : parameters) {
    const Parameter& parameter = named.parameter;
    const Tensor& value = parameter.late_value();
    Slot& slot = slots_.emplace_back();
    slot.group = group_of(named.name);
    if (is_late_table(parameter)) {
      slot.late = std::make_shared<LateTable>(value, spec());
      slot.m = slot.late->m();
      slot.v = slot.late->v();
      parameter.set_late_rows(slot.late);
    } else {
      if (share_) slot.own = share_->own.at(slots_.size() - 1);
      const Shape shape = slot.own ? Shape{slot.own->end - slot.own->begin} : value.shape();
      const DType dtype = statistics_dtype(value.dtype());
      slot.m = Tensor::zeros(shape, dtype, value.device());
      slot.v = Tensor::zeros(shape, dtype, value.device());
    }
    slot.named = std::move(named);
  }
  scalars_ = Tensor::empty({std::ssize(groups_), 3}, DType::kFloat64, device());
  norm_ = Tensor::empty({1}, DType::kFloat64, device());
  clip_ = Tensor::empty({1}, DType::kFloat64, device());
  stop_ = Tensor::zeros({1}, DType::kFloat64, device());
}

AdamWOptimizer::~AdamWOptimizer() {
  for (const Slot& slot : slots_) {
    if (slot.late == nullptr) continue;
    try {
      slot.named.parameter.set_late_rows(nullptr);
    } catch (const std::exception&) {  // a device that has failed: its values are lost, and later calls fail as well
    }
  }
}

// The place of the parameter's group, which is added if it is new.
std::int64_t AdamWOptimizer::group_of(const std::string& name) {
  const AdamWGroup group = options_.group_of ? options_.group_of(name) : AdamWGroup{};
  const auto found = std::ranges::find(groups_, group);
  if (found != groups_.end()) return found - groups_.begin();
  groups_.push_back(group);
  return std::ssize(groups_) - 1;
}

// A table that another optimizer changes late has only that one's moments to catch up with.
bool AdamWOptimizer::is_late_table(const Parameter& parameter) const {
  const Tensor& value = parameter.late_value();
  if (share_) return false;
  if (parameter.reads() != Parameter::Reads::kRows || parameter.late_rows() != nullptr) return false;
  if (value.dtype() != statistics_dtype(value.dtype())) return false;
  switch (options_.late_tables) {
    case LateTables::kNone:
      return false;
    case LateTables::kAll:
      return true;
    case LateTables::kLarge:
      return value.numel() >= kLargeTable;
  }
  return false;
}

void AdamWOptimizer::begin_step(double learning_rate) {
  learning_rate_ = learning_rate;
  ++steps_;
  scalars_.copy_from(scalars_at(steps_));
  for (const Slot& slot : slots_)
    if (slot.late != nullptr) slot.late->begin_step();
}

std::vector<std::string> AdamWOptimizer::without_gradient() const {
  std::vector<std::string> out;
  for (const Slot& slot : slots_)
    if (slot.missed == steps_) out.push_back(slot.named.parameter.grad().name_of(0));
  return out;
}

bool AdamWOptimizer::capturable() const {
  return std::ranges::all_of(
      slots_, [](const Slot& slot) { return slot.missed == 0 && slot.named.parameter.grad().defined(); });
}

void AdamWOptimizer::measure() {
  std::vector<ops::Gradient> gradients;
  std::vector<AdamWShare::Gradient> own;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Grad& grad = slots_[i].named.parameter.grad();
    if (!grad.defined()) continue;
    if (share_)
      own.push_back({i, slots_[i].own_of(grad.tensor())});
    else
      gradients.push_back(grad.kept());
  }
  if (share_)
    share_->measure(InPlace(norm_), own);
  else
    ops::grad_norm(InPlace(norm_), gradients);
  ops::clip_scale(InPlace(clip_), InPlace(stop_), norm_, options_.max_grad_norm);
}

void AdamWOptimizer::stop_at(const Tensor& loss) const {
  ops::stop_at_loss(InPlace(stop_), loss);
}

// The scalars of every group, with the present learning rate, as the parameter's own step of that number. On the host.
Tensor AdamWOptimizer::scalars_at(std::int64_t step) const {
  std::vector<ops::AdamWRates> rates;
  for (const AdamWGroup& group : groups_)
    rates.push_back({learning_rate_ * group.learning_rate_scale, group.decays ? options_.weight_decay : 0});
  return ops::adamw_scalars(rates, spec(), step);
}

void AdamWOptimizer::update() {
  measure();
  std::map<std::int64_t, std::vector<ops::AdamWTensor>> calls;  // by missed steps
  const auto scalars = [&](std::int64_t missed) {
    return missed == 0 ? scalars_ : scalars_at(steps_ - missed).to(device());
  };
  for (Slot& slot : slots_) {
    const Parameter& parameter = slot.named.parameter;
    if (!parameter.grad().defined()) {
      ++slot.missed;
    } else if (slot.late != nullptr) {
      slot.late->update(parameter, scalars(slot.missed).rows(slot.group, slot.group + 1), clip_);
    } else if (slot.m.numel() > 0) {
      const Tensor& master = parameter.master();
      calls[slot.missed].push_back({.param = InPlace(slot.own_of(parameter.value())),
                                    .grad = slot.own_of(parameter.grad().tensor()),
                                    .m = InPlace(slot.m),
                                    .v = InPlace(slot.v),
                                    .master = InPlace(master.defined() ? slot.own_of(master) : master),
                                    .group = slot.group});
    }
  }
  for (const auto& [missed, tensors] : calls) ops::adamw(tensors, scalars(missed), clip_, spec());
}

void AdamWOptimizer::zero_grad() const {
  for (const Slot& slot : slots_) slot.named.parameter.grad().clear();
}

std::vector<NamedParameter> AdamWOptimizer::parameters() const {
  std::vector<NamedParameter> out;
  for (const Slot& slot : slots_) out.push_back(slot.named);
  return out;
}

AdamWState AdamWOptimizer::state() const {
  AdamWState out{.steps = steps_, .moments = {}};
  for (const Slot& slot : slots_) {
    slot.named.parameter.value();  // late rows are late in their moments too
    out.moments.push_back({slot.named.name, slot.m, slot.v, slot.missed});
  }
  return out;
}

std::size_t AdamWOptimizer::bytes() const {
  std::size_t out = 0;
  for (const Slot& slot : slots_) out += slot.m.bytes() + slot.v.bytes();
  return out;
}

void AdamWOptimizer::restore(const AdamWState& state) {
  CHECK(state.moments.size() == slots_.size(), "the optimizer's state is of ", state.moments.size(),
        " parameters, but ", slots_.size(), " are trained");
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const AdamWState::Moments& from = state.moments[i];
    CHECK(from.name == slot.named.name, "the optimizer's state is of the parameter ", from.name, ", where ",
          slot.named.name, " is trained");
    slot.named.parameter.value();  // no step before this one may change a row later
    slot.m.copy_from(slot.own_of(from.m));
    slot.v.copy_from(slot.own_of(from.v));
    slot.missed = from.missed;
  }
  steps_ = state.steps;
  stop_.copy_from(Tensor::zeros({1}, DType::kFloat64));
}

}  // namespace attune
