#include "engine/ops/cross_entropy.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable cross_entropy(const Variable& logits, const Tensor& labels) {
  Tensor loss = ops::cross_entropy_forward(logits.value(), labels);
  if (!recording(logits)) return Variable(std::move(loss));
  return recorded(std::move(loss), [dlogits = logits.grad(), saved = logits.value(), labels](const Tensor& dloss) {
    ops::cross_entropy_backward(dlogits.target(), dloss, saved, labels);
  });
}

}  // namespace attune
