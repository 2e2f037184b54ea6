#include "engine/autograd/finite_watch.h"

#include <array>
#include <utility>

#include "engine/tensor/finite.h"

namespace attune {
namespace {

thread_local FiniteWatch* current_watch = nullptr;

// "bert.pooler.dense" of "bert.pooler.dense.weight".
std::string layer_of(const std::string& parameter) {
  return parameter.substr(0, parameter.rfind('.'));
}

}  // namespace

const char* NotFinite::kind_name() const {
  static constexpr std::array kNames = {"weight", "activation", "gradient", "loss"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string NotFinite::text() const {
  switch (kind) {
    case Kind::kWeight:
      return "the weight " + name;
    case Kind::kActivation:
      return name;
    case Kind::kGradient:
      return "the gradient of " + name;
    case Kind::kLoss:
      return "the loss itself (" + name + " of finite logits)";
  }
  return name;
}

FiniteWatch::FiniteWatch() : previous_(std::exchange(current_watch, this)) {}
FiniteWatch::~FiniteWatch() {
  current_watch = previous_;
}

FiniteWatch* FiniteWatch::current() {
  return current_watch;
}

void FiniteWatch::see_output(const Op& op, const Variable& output) {
  if (found_ || !output.defined()) return;
  const std::optional<std::int64_t> bad = first_not_finite(output.value());
  if (bad && op.kind == NotFinite::Kind::kLoss) found_ = {op.kind, op.name};
  std::string place = std::string("the output of ") + op.name;
  const bool of_layer = op.parameters.front() != nullptr && op.parameters.front()->defined();
  if (of_layer) {
    // Column c of the output of a fused layer is from row c of its weight.
    const Variable& weight = *op.parameters.front();
    const std::int64_t width = output.shape()[-1], size = weight.late_value().numel();
    layer_ = layer_of(weight.grad().name_of(bad.value_or(0) % width * (size / width)));
  }
  if (!layer_.empty()) place += (of_layer ? " " : " after ") + layer_;
  for (const Variable* parameter : op.parameters) {
    if (!bad || parameter == nullptr || !parameter->defined()) continue;
    if (const auto element = first_not_finite(parameter->value())) {
      found_ = {NotFinite::Kind::kWeight, parameter->grad().name_of(*element)};
      return;
    }
  }
  if (bad && !found_) found_ = {op.kind, place};
  output.set_names({place});
}

void FiniteWatch::note_gradient(const Grad& gradient) {
  if (!found_) gradients_.push_back(gradient);
}

void FiniteWatch::see_gradients() {
  for (const Grad& gradient : std::exchange(gradients_, {})) {
    if (found_) return;
    if (const auto element = first_not_finite(gradient.tensor()))
      found_ = {NotFinite::Kind::kGradient, gradient.name_of(*element)};
  }
}

}  // namespace attune
