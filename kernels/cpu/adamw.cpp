// AdamW, and AdamW on a table with late rows: both make a step with the same function.
#include "kernels/adamw.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/math.h"
#include "base/parallel.h"
#include "kernels/adamw_rows.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/tensor_list.h"

namespace attune::kernels {
namespace {

template <class T>
struct Scalars {
  T decay, one_minus_beta1, beta2, one_minus_beta2, root_correction2, eps, step_size, grad_scale;
};

template <class T>
Scalars<T> scalars_of(const AdamWScalars& scalars, const double* grad_scale, double beta1, double beta2, double eps) {
  return {.decay = static_cast<T>(scalars.decay),
          .one_minus_beta1 = static_cast<T>(1 - beta1),
          .beta2 = static_cast<T>(beta2),
          .one_minus_beta2 = static_cast<T>(1 - beta2),
          .root_correction2 = static_cast<T>(scalars.root_correction2),
          .eps = static_cast<T>(eps),
          .step_size = static_cast<T>(scalars.step_size),
          .grad_scale = static_cast<T>(grad_scale == nullptr ? 1.0 : *grad_scale)};
}

template <class T>
ATTUNE_INLINE void update(T* __restrict p, const T* __restrict grad, T* __restrict m, T* __restrict v,
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
ATTUNE_INLINE void decay(T* p, T factor, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) p[i] *= factor;
}

template <class T>
ATTUNE_INLINE double sum_of_squares(const T* x, std::int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

// A table of T.
template <class T>
struct Rows {
  // What is kept of a step.
  struct Kept {
    T decay, step_size, root_correction2, applied;
  };

  explicit Rows(const AdamWTable& t) : table(t), zeros(static_cast<std::size_t>(t.channels)) {}

  std::int32_t steps() const { return *table.steps; }
  Kept& kept(std::int32_t step) const { return static_cast<Kept*>(table.latest)[step % kLatestSteps]; }
  void make_step(std::int64_t row, const T* grad, const Scalars<T>& scalars) const {
    const std::int64_t at = row * table.channels;
    vectorized<update<T>>(static_cast<T*>(table.param) + at, grad, static_cast<T*>(table.m) + at,
                          static_cast<T*>(table.v) + at, scalars, table.channels);
  }
  // Whether a step without gradient only decays the row.
  bool at_rest(std::int64_t row) const {
    const auto zero = [&](const void* x) {
      const T* begin = static_cast<const T*>(x) + row * table.channels;
      return std::all_of(begin, begin + table.channels, [](T value) { return value == 0; });
    };
    return table.eps > 0 && zero(table.m) && zero(table.v);
  }
  // The steps after the first `from`.
  void catch_up(std::int64_t row, std::int32_t from) const {
    const bool only_decays = at_rest(row);
    for (std::int32_t step = from; step < steps(); ++step) {
      const Kept& k = kept(step);
      if (k.applied == 0) continue;
      if (only_decays) {
        vectorized<decay<T>>(static_cast<T*>(table.param) + row * table.channels, k.decay, table.channels);
        continue;
      }
      make_step(row, zeros.data(),
                {.decay = k.decay,
                 .one_minus_beta1 = static_cast<T>(1 - table.beta1),
                 .beta2 = static_cast<T>(table.beta2),
                 .one_minus_beta2 = static_cast<T>(1 - table.beta2),
                 .root_correction2 = k.root_correction2,
                 .eps = static_cast<T>(table.eps),
                 .step_size = k.step_size,
                 .grad_scale = 1});
    }
  }
  void catch_up(std::int64_t row) const {
    std::int32_t& mark = table.marks[row];
    if (mark >= steps()) return;
    catch_up(row, mark);
    mark = steps();
  }

  const AdamWTable& table;
  std::vector<T> zeros;
};

// The first token of each row that is late.
std::vector<std::int32_t> late_rows(const AdamWCatchUp& args) {
  std::vector<std::int32_t> out(args.ids, args.ids + args.count);
  std::erase_if(out, [&](std::int32_t row) { return args.table.marks[row] >= *args.table.steps; });
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

AdamWScalars adamw_scalars(double learning_rate, double weight_decay, double beta1, double beta2, std::int64_t t) {
  return {.decay = 1 - learning_rate * weight_decay,
          .step_size = learning_rate / (1 - std::pow(beta1, static_cast<double>(t))),
          .root_correction2 = std::sqrt(1 - std::pow(beta2, static_cast<double>(t)))};
}

void adamw(const CpuContext&, const AdamW& args) {
  if (args.grad_scale != nullptr && std::isnan(*args.grad_scale)) return;
  for_pieces(args.tensors, first_pieces(args.tensors),
             [&](const AdamWTensor& tensor, std::int64_t from, std::int64_t n, std::int64_t) {
               dispatch_float(tensor.dtype, "adamw", [&]<class T>() {
                 vectorized<update<T>>(
                     static_cast<T*>(tensor.param) + from, static_cast<const T*>(tensor.grad) + from,
                     static_cast<T*>(tensor.m) + from, static_cast<T*>(tensor.v) + from,
                     scalars_of<T>(args.scalars[tensor.group], args.grad_scale, args.beta1, args.beta2, args.eps), n);
               });
             });
}

void adamw_catch_up(const CpuContext&, const AdamWCatchUp& args) {
  dispatch_float(args.table.dtype, "adamw", [&]<class T>() {
    const Rows<T> rows(args.table);
    const std::int64_t grain = row_grain(args.table.channels);
    if (args.ids == nullptr) {
      parallel_for(args.table.rows, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) rows.catch_up(row);
      });
      return;
    }
    const std::vector<std::int32_t> late = late_rows(args);
    parallel_for(std::ssize(late), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) rows.catch_up(late[static_cast<std::size_t>(i)]);
    });
  });
}

void adamw_rows(const CpuContext&, const AdamWRows& args) {
  const AdamWTable& table = args.table;
  dispatch_float(table.dtype, "adamw", [&]<class T>() {
    const Rows<T> rows(table);
    const auto scalars = scalars_of<T>(*args.scalars, args.grad_scale, table.beta1, table.beta2, table.eps);
    const bool applied = !std::isnan(scalars.grad_scale);
    const std::int32_t steps = rows.steps();
    parallel_for(table.rows, row_grain(table.channels), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int32_t mark = table.marks[row];
        if (mark < kFirstSlot) {
          if (row % kLatestSteps == steps % kLatestSteps) rows.catch_up(row);
        } else if (applied) {
          const std::int64_t slot = mark - kFirstSlot;
          rows.make_step(row, static_cast<const T*>(args.values) + slot * table.channels, scalars);
        }
      }
    });
    rows.kept(steps) = {.decay = scalars.decay,
                        .step_size = scalars.step_size,
                        .root_correction2 = scalars.root_correction2,
                        .applied = static_cast<T>(applied ? 1 : 0)};
    *table.steps = steps + 1;
  });
}

namespace {

// The sum of squares of elements [from, from + n) of a tensor or a row gradient.
template <class T>
double squares_of(const GradNormTensor& tensor, std::int64_t from, std::int64_t n) {
  const T* data = static_cast<const T*>(tensor.data);
  if (tensor.marks == nullptr) return vectorized<sum_of_squares<T>>(data + from, n);
  std::vector<T> dense;
  for (std::int64_t i = from; i < from + n;) {
    const std::int64_t row = i / tensor.channels, end = std::min((row + 1) * tensor.channels, from + n);
    if (const std::int32_t mark = tensor.marks[row]; mark >= kFirstSlot) {
      dense.resize(static_cast<std::size_t>(n));
      const T* values = data + (mark - kFirstSlot - row) * tensor.channels;
      std::copy(values + i, values + end, dense.begin() + (i - from));
    }
    i = end;
  }
  return dense.empty() ? 0 : vectorized<sum_of_squares<T>>(dense.data(), n);
}

}  // namespace

void grad_squares(const CpuContext&, const GradSquares& args) {
  static_assert(kNormPiece == kElementGrain);
  for_pieces(args.tensors, first_pieces(args.tensors),
             [&](const GradNormTensor& tensor, std::int64_t from, std::int64_t n, std::int64_t piece) {
               args.sums[piece] = dispatch_float(tensor.dtype, "gradient norm",
                                                 [&]<class T>() { return squares_of<T>(tensor, from, n); });
             });
}

void norm_of_squares(const CpuContext&, const NormOfSquares& args) {
  double sum = 0;
  for (std::int64_t i = 0; i < args.pieces; ++i) sum += args.sums[i];
  *args.norm = std::sqrt(sum);
}

void grad_norm(const CpuContext& context, const GradNorm& args) {
  std::vector<double> sums(static_cast<std::size_t>(first_pieces(args.tensors).back()));
  grad_squares(context, {.sums = sums.data(), .tensors = args.tensors});
  norm_of_squares(context, {.norm = args.norm, .sums = sums.data(), .pieces = std::ssize(sums)});
}

void stop_at_loss(const CpuContext&, const StopAtLoss& args) {
  dispatch_float(args.dtype, "stop at a loss", [&]<class T>() {
    if (!std::isfinite(*static_cast<const T*>(args.loss))) *args.stop = std::numeric_limits<double>::quiet_NaN();
  });
}

void clip_scale(const CpuContext&, const ClipScale& args) {
  const double scale = clip_scale(*args.norm, args.max_norm);
  if (std::isnan(scale)) *args.stop = scale;
  *args.scale = std::isnan(*args.stop) ? *args.stop : scale;
}

}  // namespace attune::kernels
