#include "engine/ops/binary_cross_entropy.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {
namespace {

constexpr Op kBinaryCrossEntropy{"binary cross-entropy", {}, NotFinite::Kind::kLoss};

}  // namespace

Variable binary_cross_entropy(const Variable& logits, const Tensor& labels, const Tensor& pos_weights) {
  Tensor loss = ops::binary_cross_entropy_forward(logits.value(), labels, pos_weights);
  if (!recording(logits)) return unrecorded(kBinaryCrossEntropy, std::move(loss));
  return recorded(kBinaryCrossEntropy, std::move(loss),
                  [dlogits = logits.grad(), saved = logits.value(), labels, pos_weights](const Tensor& dloss) {
                    ops::binary_cross_entropy_backward(dlogits.target(), dloss, saved, labels, pos_weights);
                  });
}

}  // namespace attune
