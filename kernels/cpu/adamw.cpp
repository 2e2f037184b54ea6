#include "kernels/adamw.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/math.h"
#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T>
struct Scalars {
  T decay, one_minus_beta1, beta2, one_minus_beta2, root_correction2, eps, step_size, grad_scale;
};

template <class T>
Scalars<T> scalars_of(const AdamW& args) {
  return {.decay = static_cast<T>(1 - args.scalars->learning_rate * args.weight_decay),
          .one_minus_beta1 = static_cast<T>(1 - args.beta1),
          .beta2 = static_cast<T>(args.beta2),
          .one_minus_beta2 = static_cast<T>(1 - args.beta2),
          .root_correction2 = static_cast<T>(args.scalars->root_correction2),
          .eps = static_cast<T>(args.eps),
          .step_size = static_cast<T>(args.scalars->step_size),
          .grad_scale = static_cast<T>(args.grad_scale == nullptr ? 1.0 : *args.grad_scale)};
}

template <class T>
ATTUNE_CLONES void update(T* __restrict p, const T* __restrict grad, T* __restrict m, T* __restrict v,
                          const Scalars<T>& s, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T g = grad[i] * s.grad_scale;
    const T first = m[i] + s.one_minus_beta1 * (g - m[i]);
    const T second = s.beta2 * v[i] + s.one_minus_beta2 * g * g;
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * s.decay - s.step_size * (first / (std::sqrt(second) / s.root_correction2 + s.eps));
  }
}

template <class T>
ATTUNE_CLONES double sum_of_squares(const T* x, std::int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

// Piece numbers: tensor i is cut into pieces first[i] .. first[i + 1) of kElementGrain elements.
template <class Tensor>
std::vector<std::int64_t> first_pieces(std::span<const Tensor> tensors) {
  std::vector<std::int64_t> first{0};
  for (const Tensor& t : tensors) first.push_back(first.back() + ceil_div(t.n, kElementGrain));
  return first;
}

// Calls body(tensor, from, n, piece) in parallel for every piece.
template <class Tensor, class Body>
void for_pieces(std::span<const Tensor> tensors, const std::vector<std::int64_t>& first, Body&& body) {
  parallel_for(first.back(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t at = std::upper_bound(first.begin(), first.end(), piece) - first.begin() - 1;
      const Tensor& tensor = tensors[static_cast<std::size_t>(at)];
      const std::int64_t from = (piece - first[static_cast<std::size_t>(at)]) * kElementGrain;
      body(tensor, from, std::min(kElementGrain, tensor.n - from), piece);
    }
  });
}

}  // namespace

AdamWScalars adamw_scalars(double learning_rate, double beta1, double beta2, std::int64_t t) {
  return {.learning_rate = learning_rate,
          .step_size = learning_rate / (1 - std::pow(beta1, static_cast<double>(t))),
          .root_correction2 = std::sqrt(1 - std::pow(beta2, static_cast<double>(t)))};
}

void adamw(const CpuContext&, const AdamW& args) {
  if (args.grad_scale != nullptr && std::isnan(*args.grad_scale)) return;
  for_pieces(args.tensors, first_pieces(args.tensors),
             [&](const AdamWTensor& tensor, std::int64_t from, std::int64_t n, std::int64_t) {
               dispatch_float(tensor.dtype, "adamw", [&]<class T>() {
                 update(static_cast<T*>(tensor.param) + from, static_cast<const T*>(tensor.grad) + from,
                        static_cast<T*>(tensor.m) + from, static_cast<T*>(tensor.v) + from, scalars_of<T>(args), n);
               });
             });
}

void grad_norm(const CpuContext&, const GradNorm& args) {
  const std::vector<std::int64_t> first = first_pieces(args.tensors);
  std::vector<double> sums(static_cast<std::size_t>(first.back()));
  for_pieces(args.tensors, first,
             [&](const GradNormTensor& tensor, std::int64_t from, std::int64_t n, std::int64_t piece) {
               sums[static_cast<std::size_t>(piece)] = dispatch_float(tensor.dtype, "gradient norm", [&]<class T>() {
                 return sum_of_squares(static_cast<const T*>(tensor.data) + from, n);
               });
             });
  double sum = 0;
  for (double piece : sums) sum += piece;
  *args.norm = std::sqrt(sum);
}

void clip_scale(const CpuContext&, double* scale, const double* norm, double max_norm) {
  *scale = clip_scale(*norm, max_norm);
}

}  // namespace attune::kernels
