#include "engine/ops/cross_entropy.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {
namespace {

constexpr Op kCrossEntropy{"cross-entropy", {}, NotFinite::Kind::kLoss};

}  // namespace

Variable cross_entropy(const Variable& logits, const Tensor& labels, const ops::CrossEntropySpec& spec) {
  ops::CrossEntropyOut out = ops::cross_entropy_forward(logits.value(), labels, spec);
  if (!recording(logits)) return unrecorded(kCrossEntropy, std::move(out.loss));
  return recorded(
      kCrossEntropy, std::move(out.loss),
      [dlogits = logits.grad(), saved = logits.value(), weight = out.total_weight, labels, spec](const Tensor& dloss) {
        ops::cross_entropy_backward(dlogits.target(), dloss, weight, saved, labels, spec);
      });
}

}  // namespace attune
