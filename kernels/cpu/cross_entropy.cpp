#include "kernels/cross_entropy.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T>
ATTUNE_CLONES T log_sum_exp(const T* z, std::int64_t classes) {
  const T largest = *std::max_element(z, z + classes);
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t l = 0; l < classes; ++l) sum += math::exp(z[l] - largest);
  return largest + std::log(sum);
}

template <class T, bool accumulate>
ATTUNE_CLONES void logit_gradients(T* dz, const T* z, T lse, T factor, std::int64_t label, std::int64_t classes) {
  for (std::int64_t l = 0; l < classes; ++l) {
    const T gradient = factor * (math::exp(z[l] - lse) - (l == label ? T(1) : T(0)));
    dz[l] = accumulate ? dz[l] + gradient : gradient;
  }
}

}  // namespace

void cross_entropy_forward(const CpuContext&, const CrossEntropyForward& args) {
  dispatch_float(args.dtype, "cross entropy", [&]<class T>() {
    const T* logits = static_cast<const T*>(args.logits);
    T* losses = static_cast<T*>(args.losses);
    parallel_for(args.rows, row_grain(args.classes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const T* z = logits + b * args.classes;
        losses[b] = log_sum_exp(z, args.classes) - z[args.labels[b]];
      }
    });
    T sum = 0;
    for (std::int64_t b = 0; b < args.rows; ++b) sum += losses[b];
    *static_cast<T*>(args.loss) = sum / static_cast<T>(args.rows);
  });
}

void cross_entropy_backward(const CpuContext&, const CrossEntropyBackward& args) {
  if (!args.dlogits) return;
  dispatch_float(args.dtype, "cross entropy backward", [&]<class T>() {
    const T factor = *static_cast<const T*>(args.dloss) / static_cast<T>(args.rows);
    parallel_for(args.rows, row_grain(args.classes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        T* dz = static_cast<T*>(args.dlogits.data) + b * args.classes;
        const T* z = static_cast<const T*>(args.logits) + b * args.classes;
        const T lse = log_sum_exp(z, args.classes);
        if (args.dlogits.accumulate())
          logit_gradients<T, true>(dz, z, lse, factor, args.labels[b], args.classes);
        else
          logit_gradients<T, false>(dz, z, lse, factor, args.labels[b], args.classes);
      }
    });
  });
}

}  // namespace attune::kernels
