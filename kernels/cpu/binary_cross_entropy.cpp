#include "kernels/binary_cross_entropy.h"

#include <algorithm>

#include "kernels/cpu/math.h"

namespace attune::kernels {
namespace {

template <class T>
T softplus(T z) {
  return std::max(z, T(0)) + std::log1p(math::exp(-std::fabs(z)));
}

// Both of sigmoid(z) and sigmoid(-z) without cancellation: the exponential is never above 1.
template <class T>
T sigmoid(T z) {
  const T e = math::exp(-std::fabs(z));
  return (z >= 0 ? T(1) : e) / (1 + e);
}

}  // namespace

void binary_cross_entropy_forward(const CpuContext&, const BinaryCrossEntropyForward& args) {
  dispatch_float(args.dtype, "binary cross entropy", [&]<class T>() {
    const T *logits = static_cast<const T*>(args.logits), *pos_weights = static_cast<const T*>(args.pos_weights);
    T total = 0;
    for (std::int64_t b = 0; b < args.rows; ++b) {
      T sum = 0;
      for (std::int64_t l = 0; l < args.classes; ++l) {
        const T z = logits[b * args.classes + l], y = static_cast<T>(args.labels[b * args.classes + l]);
        const T positive = pos_weights == nullptr ? y : pos_weights[l] * y;
        sum += positive * softplus(-z) + (1 - y) * softplus(z);
      }
      total += sum;
    }
    *static_cast<T*>(args.loss) = total / static_cast<T>(args.rows * args.classes);
  });
}

void binary_cross_entropy_backward(const CpuContext&, const BinaryCrossEntropyBackward& args) {
  if (!args.dlogits) return;
  dispatch_float(args.dtype, "binary cross entropy backward", [&]<class T>() {
    const T *logits = static_cast<const T*>(args.logits), *pos_weights = static_cast<const T*>(args.pos_weights);
    T* dlogits = static_cast<T*>(args.dlogits.data);
    const T factor = *static_cast<const T*>(args.dloss) / static_cast<T>(args.rows * args.classes);
    for (std::int64_t b = 0; b < args.rows; ++b)
      for (std::int64_t l = 0; l < args.classes; ++l) {
        const std::int64_t i = b * args.classes + l;
        const T z = logits[i], y = static_cast<T>(args.labels[i]);
        const T positive = pos_weights == nullptr ? y : pos_weights[l] * y;
        const T gradient = factor * ((1 - y) * sigmoid(z) - positive * sigmoid(-z));
        dlogits[i] = args.dlogits.accumulate() ? dlogits[i] + gradient : gradient;
      }
  });
}

}  // namespace attune::kernels
