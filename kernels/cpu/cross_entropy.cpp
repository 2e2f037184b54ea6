#include "kernels/cross_entropy.h"

#include <algorithm>
#include <limits>

#include "base/parallel.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

// The targets q[b, l] of a batch.
template <class T>
struct Targets {
  const T* class_weights;  // [L] or null
  T smoothing;             // s
  T per_class;             // s / L
  T total_class_weight;    // sum_l w[l]

  template <class Args>
  explicit Targets(const Args& args)
      : class_weights(static_cast<const T*>(args.class_weights)),
        smoothing(static_cast<T>(args.label_smoothing)),
        per_class(static_cast<T>(args.label_smoothing / static_cast<double>(args.classes))),
        total_class_weight(0) {
    for (std::int64_t l = 0; l < args.classes; ++l) total_class_weight += weight(l);
  }
  ATTUNE_INLINE T weight(std::int64_t l) const { return class_weights == nullptr ? T(1) : class_weights[l]; }
  // (1 - s) w[label], and the whole of sum_l q[b, l].
  ATTUNE_INLINE T on_label(std::int64_t label) const { return (1 - smoothing) * weight(label); }
  ATTUNE_INLINE T total(std::int64_t label) const { return on_label(label) + per_class * total_class_weight; }
};

template <class T>
ATTUNE_INLINE T log_sum_exp(const T* z, std::int64_t classes) {
  const T largest = *std::max_element(z, z + classes);
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t l = 0; l < classes; ++l) sum += math::exp(z[l] - largest);
  return largest + std::log(sum);
}

template <class T>
T row_loss(const T* z, const Targets<T>& targets, std::int64_t label, std::int64_t classes) {
  const T lse = vectorized<log_sum_exp<T>>(z, classes);
  T loss = targets.on_label(label) * (lse - z[label]);
  if (targets.smoothing > 0) {
    T sum = 0;
    for (std::int64_t l = 0; l < classes; ++l) sum += targets.weight(l) * (lse - z[l]);
    loss += targets.per_class * sum;
  }
  return loss;
}

template <class T, bool accumulate>
ATTUNE_INLINE void logit_gradients(T* dz, const T* z, T factor, const Targets<T>& targets, std::int64_t label,
                                   std::int64_t classes) {
  const T lse = log_sum_exp(z, classes), total = targets.total(label), on_label = targets.on_label(label);
  for (std::int64_t l = 0; l < classes; ++l) {
    const T target = (l == label ? on_label : T(0)) + targets.per_class * targets.weight(l);
    const T gradient = factor * (total * math::exp(z[l] - lse) - target);
    dz[l] = accumulate ? dz[l] + gradient : gradient;
  }
}

}  // namespace

void cross_entropy_forward(const CpuContext&, const CrossEntropyForward& args) {
  dispatch_float(args.dtype, "cross entropy", [&]<class T>() {
    const T* logits = static_cast<const T*>(args.logits);
    T* losses = static_cast<T*>(args.losses);
    const Targets<T> targets(args);
    parallel_for(args.rows, row_grain(args.classes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        losses[b] = row_loss(logits + b * args.classes, targets, args.labels[b], args.classes);
    });
    T sum = 0, weight = 0;
    for (std::int64_t b = 0; b < args.rows; ++b) {
      sum += losses[b];
      weight += targets.weight(args.labels[b]);
    }
    if (weight == 0) weight = std::numeric_limits<T>::infinity();
    *static_cast<T*>(args.total_weight) = weight;
    *static_cast<T*>(args.loss) = sum / weight;
  });
}

void cross_entropy_backward(const CpuContext&, const CrossEntropyBackward& args) {
  if (!args.dlogits) return;
  dispatch_float(args.dtype, "cross entropy backward", [&]<class T>() {
    const T factor = *static_cast<const T*>(args.dloss) / *static_cast<const T*>(args.total_weight);
    const Targets<T> targets(args);
    parallel_for(args.rows, row_grain(args.classes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        T* dz = static_cast<T*>(args.dlogits.data) + b * args.classes;
        const T* z = static_cast<const T*>(args.logits) + b * args.classes;
        if (args.dlogits.accumulate())
          vectorized<logit_gradients<T, true>>(dz, z, factor, targets, args.labels[b], args.classes);
        else
          vectorized<logit_gradients<T, false>>(dz, z, factor, targets, args.labels[b], args.classes);
      }
    });
  });
}

}  // namespace attune::kernels
