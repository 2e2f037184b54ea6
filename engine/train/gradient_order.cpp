#include "engine/train/gradient_order.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace attune {

GradientOrder::GradientOrder(std::vector<NamedParameter> parameters) {
  for (NamedParameter& named : parameters) slots_.push_back({.named = std::move(named), .number = slots_.size()});
}

void GradientOrder::begin() {
  for (Slot& slot : slots_) slot.before = slot.named.parameter.grad().writes();
  step_ = 0;
}

void GradientOrder::look() {
  ++step_;
  if (known_) return;
  for (Slot& slot : slots_)
    if (const std::int64_t writes = slot.written(); writes != slot.writes) {
      slot.writes = writes;
      slot.final_at = step_;
    }
}

void GradientOrder::end() {
  if (!known_) return arrange();
  for (const Slot& slot : unused_)
    CHECK(!slot.named.parameter.grad().defined(), "the parameter ", slot.named.name,
          " has a gradient, unlike at the first step of this process");
  for (const Slot& slot : slots_) {
    CHECK(slot.named.parameter.grad().defined(), "the parameter ", slot.named.name,
          " has no gradient, unlike at the first step of this process");
    CHECK(slot.written() == slot.writes, "the gradient of ", slot.named.name,
          " was written to another number of times than at the first step");
  }
}

void GradientOrder::arrange() {
  const auto unused = std::stable_partition(slots_.begin(), slots_.end(),
                                            [](const Slot& slot) { return slot.named.parameter.grad().defined(); });
  unused_.assign(unused, slots_.end());
  slots_.erase(unused, slots_.end());
  std::ranges::stable_sort(slots_, {}, &Slot::final_at);
  known_ = true;
}

}  // namespace attune
