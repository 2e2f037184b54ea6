#include "kernels/cast.h"

#include <bit>
#include <cmath>
#include <type_traits>
#include <utility>

#include "base/bfloat16.h"
#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

// The float next to x towards zero, with its last bit set unless it is x. Rounding that to a shorter type is rounding x: an
// odd float is never halfway between two shorter numbers, nor one of them.
ATTUNE_INLINE float round_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  if (std::isnan(x) || static_cast<double>(nearest) == x) return nearest;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  const bool beyond = std::fabs(static_cast<double>(nearest)) > std::fabs(x);
  return std::bit_cast<float>((beyond ? bits - 1 : bits) | 1u);
}

template <class To, class From>
ATTUNE_INLINE To converted(From x) {
  if constexpr (std::is_same_v<To, From>)
    return x;
  else if constexpr (std::is_same_v<From, BFloat16>)
    return static_cast<To>(to_float(x));
  else if constexpr (std::is_same_v<To, BFloat16> && std::is_same_v<From, double>)
    return to_bfloat16(round_to_odd(x));
  else if constexpr (std::is_same_v<To, BFloat16>)
    return to_bfloat16(x);
  else
    return static_cast<To>(x);
}

template <class To, class From>
ATTUNE_INLINE void cast_run(To* y, const From* x, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = converted<To, From>(x[i]);
}

// Calls f.template operator()<T>() with T = float, double or BFloat16.
template <class F>
void dispatch_any_float(DType dtype, F&& f) {
  if (dtype == DType::kBFloat16)
    std::forward<F>(f).template operator()<BFloat16>();
  else
    dispatch_float(dtype, "cast", std::forward<F>(f));
}

}  // namespace

void cast(const CpuContext&, const Cast& args) {
  dispatch_any_float(args.to, [&]<class To>() {
    dispatch_any_float(args.from, [&]<class From>() {
      parallel_for(args.n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
        vectorized<cast_run<To, From>>(static_cast<To*>(args.y) + begin, static_cast<const From*>(args.x) + begin,
                                       end - begin);
      });
    });
  });
}

}  // namespace attune::kernels
