#include "engine/autograd/checkpoint.h"

#include <algorithm>
#include <utility>

#include "engine/autograd/tape.h"

namespace attune {
namespace {

// Positions of the outputs whose gradients end in this part: each variable once, without inputs that are returned
// unchanged.
std::vector<std::size_t> computed(const Variables& outputs, const Variables& inputs) {
  std::vector<Grad> seen;
  for (const Variable& input : inputs) seen.push_back(input.grad());
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Grad& grad = outputs[i].grad();
    if (!grad.requires_grad() || std::ranges::find(seen, grad) != seen.end()) continue;
    seen.push_back(grad);
    out.push_back(i);
  }
  return out;
}

}  // namespace

Variables checkpoint(const std::function<Variables(const Variables&)>& fn, const Variables& inputs) {
  if (Tape::current() == nullptr) return fn(inputs);
  Variables outputs;
  {
    Tape dropped(Tape::Steps::kDropped);
    const Tape::Recording recording(dropped);
    outputs = fn(inputs);
  }
  std::vector<std::size_t> positions = computed(outputs, inputs);
  if (positions.empty()) return outputs;
  std::vector<Grad> grads;  // not the outputs: their values may be freed
  for (const std::size_t i : positions) grads.push_back(outputs[i].grad());
  Tape::current()->record(grads, [fn, inputs, grads, positions = std::move(positions)] {
    Tape local;
    Variables again;
    {
      const Tape::Recording recording(local);
      const Variables all = fn(inputs);
      for (const std::size_t i : positions) again.push_back(all[i]);
    }
    std::vector<Tensor> gradients;
    for (const Grad& grad : grads) {
      gradients.push_back(grad.tensor());
      grad.clear();
    }
    local.backward(again, std::move(gradients));
  });
  return outputs;
}

}  // namespace attune
