#include "engine/autograd/tape.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "engine/autograd/finite_watch.h"
#include "engine/ops/fill.h"
#include "engine/tensor/side_work.h"

namespace attune {
namespace {

thread_local Tape* recording_tape = nullptr;

}  // namespace

Tape::Recording::Recording(Tape& tape) : previous_(std::exchange(recording_tape, &tape)) {}
Tape::Recording::~Recording() {
  recording_tape = previous_;
}
NoGrad::NoGrad() : previous_(std::exchange(recording_tape, nullptr)) {}
NoGrad::~NoGrad() {
  recording_tape = previous_;
}

Tape* Tape::current() {
  return recording_tape;
}

void Tape::record(std::vector<Grad> outputs, std::function<void()> backward) {
  if (keeps_) steps_.push_back({std::move(outputs), std::move(backward)});
}

void Tape::backward(const Variable& loss, double seed, const std::function<void()>& after_step) {
  CHECK(loss.value().numel() == 1, "backward starts from one number, not from a tensor of shape ", loss.shape());
  CHECK(loss.requires_grad(), "backward: nothing that leads to the loss is trainable");
  const Tensor gradient = Tensor::empty(loss.shape(), loss.value().dtype(), loss.value().device());
  ops::fill(InPlace(gradient), seed);
  backward({loss}, {gradient}, after_step);
}

void Tape::backward(const std::vector<Variable>& outputs, std::vector<Tensor> gradients,
                    const std::function<void()>& after_step) {
  CHECK(outputs.size() == gradients.size(), "backward: ", gradients.size(), " gradients of ", outputs.size(),
        " outputs");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const Tensor& value = outputs[i].value();
    Arguments("backward", "an output", value)
        .require("the gradient of an output", gradients[i], value.shape(), value.dtype());
    outputs[i].grad().add(gradients[i]);
  }
  gradients.clear();  // from here on only the variables hold them
  FiniteWatch* watch = FiniteWatch::current();
  std::optional<SideWork> side;  // the gradients of weights; a watch waits for each
  if (watch == nullptr) side.emplace();
  while (!steps_.empty()) {
    Step step = std::move(steps_.back());
    steps_.pop_back();
    const bool reached =
        std::ranges::any_of(step.outputs, [](const Grad& output) { return output.tensor().defined(); });
    if (reached) step.backward();
    if (watch != nullptr) watch->see_gradients();
    for (const Grad& output : step.outputs) output.clear();
    if (after_step) after_step();
  }
  if (side) side->join();
}

}  // namespace attune
