// AdamW on a table, its rows without gradient late (kernels/adamw_rows.h).
//
// A step that a row has missed costs about 40 instructions per element and no memory: the row is read and written once
// for all of them, 24 bytes per element. A row whose moments are zeros only decays.
//
// Catching up with the rows of a batch: a block owns a token. Tokens with the same id all ask for the row, by an atomic
// maximum on its mark; the first gets it, and it does not matter which is the first. The update and catching up with
// all rows: a warp owns a row. With 2048 tokens of GPT-2 that reads 50257 marks and moves 28 bytes per element of at
// most 2048 rows, and 24 of 785 that catch up. Lanes own 16-byte vectors if the pointers and the row allow it.
// Deterministic.
#include "kernels/adamw_rows.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/adamw.cuh"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct AdamWRowsTraits {
  static constexpr int kThreads = 256;
  static constexpr int kRows = kThreads / kWarp;  // of a block whose warps own rows
};

// What is kept of a step.
struct alignas(16) Kept {
  float decay, step_size, root_correction2, applied;
};

// The table as the kernels see it.
struct Rows {
  float *param, *m, *v;
  std::int32_t *marks, *steps;
  Kept* latest;
  std::int64_t channels;
  int rows;
  float one_minus_beta1, beta2, one_minus_beta2, eps;
};

// The steps after the first `from`, up to the first `to`, of the W elements at `at`.
template <int W>
__device__ void catch_up(const Rows& t, std::int64_t at, int from, int to) {
  float p[W], m[W], v[W];
  load(p, t.param + at);
  load(m, t.m + at);
  load(v, t.v + at);
  bool at_rest = t.eps > 0;
  for (int j = 0; j < W; ++j) at_rest = at_rest && m[j] == 0 && v[j] == 0;
  for (int step = from; step < to; ++step) {
    const Kept kept = load_global(t.latest + step % kLatestSteps);
    if (kept.applied == 0) continue;
    if (at_rest) {
      for (int j = 0; j < W; ++j) p[j] *= kept.decay;
      continue;
    }
    const AdamWFactors factors{.decay = kept.decay,
                               .one_minus_beta1 = t.one_minus_beta1,
                               .beta2 = t.beta2,
                               .one_minus_beta2 = t.one_minus_beta2,
                               .root_correction2 = kept.root_correction2,
                               .eps = t.eps,
                               .step_size = kept.step_size,
                               .grad_scale = 1};
    for (int j = 0; j < W; ++j) adamw_step(p[j], m[j], v[j], 0.0f, factors);
  }
  store(t.param + at, p);
  store(t.m + at, m);
  store(t.v + at, v);
}

template <int W>
__global__ void __launch_bounds__(AdamWRowsTraits::kThreads) catch_up_ids_kernel(Rows t, const std::int32_t* ids) {
  std::int32_t& mark = shared_variable<std::int32_t>();
  const int row = load_global(ids + blockIdx.x), steps = load_global(t.steps);
  if (threadIdx.x == 0) store_shared(&mark, atomicMax(t.marks + row, steps));
  __syncthreads();
  const int from = load_shared(&mark);
  if (from >= steps) return;
  for (std::int64_t c = threadIdx.x * W; c < t.channels; c += AdamWRowsTraits::kThreads * W)
    catch_up<W>(t, row * t.channels + c, from, steps);
}

// The row of this warp.
__device__ int own_row() {
  return static_cast<int>(blockIdx.x) * AdamWRowsTraits::kRows + static_cast<int>(threadIdx.x / kWarp);
}

// Makes the steps up to the first `steps` that this warp's row has missed.
template <int W>
__device__ void catch_up_row(const Rows& t, int row, int mark, int steps) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  if (mark >= steps) return;
  for (std::int64_t c = lane * W; c < t.channels; c += kWarp * W) catch_up<W>(t, row * t.channels + c, mark, steps);
  __syncwarp();  // all lanes have read the mark
  if (lane == 0) store_global(t.marks + row, steps);
}

template <int W>
__global__ void __launch_bounds__(AdamWRowsTraits::kThreads) catch_up_all_kernel(Rows t) {
  const int row = own_row();
  if (row < t.rows) catch_up_row<W>(t, row, load_global(t.marks + row), load_global(t.steps));
}

template <int W>
__global__ void __launch_bounds__(AdamWRowsTraits::kThreads)
    adamw_rows_kernel(Rows t, const float* values, AdamWRecipe recipe) {
  const int row = own_row();
  if (row >= t.rows) return;
  const int mark = load_global(t.marks + row), steps = load_global(t.steps);
  if (mark < kFirstSlot) {
    if (row % kLatestSteps == steps % kLatestSteps) catch_up_row<W>(t, row, mark, steps);
    return;
  }
  const AdamWFactors factors = factors_of(recipe);
  if (factors.grad_scale != factors.grad_scale) return;  // NaN
  const std::int64_t slot = mark - kFirstSlot;
  for (std::int64_t c = threadIdx.x % kWarp * W; c < t.channels; c += kWarp * W) {
    const std::int64_t at = row * t.channels + c;
    float g[W], p[W], m[W], v[W];
    load(g, values + slot * t.channels + c);
    load(p, t.param + at);
    load(m, t.m + at);
    load(v, t.v + at);
    for (int j = 0; j < W; ++j) adamw_step(p[j], m[j], v[j], g[j], factors);
    store(t.param + at, p);
    store(t.m + at, m);
    store(t.v + at, v);
  }
}

// Keeps the step and counts it.
__global__ void __launch_bounds__(1) keep_step_kernel(Rows t, AdamWRecipe recipe) {
  const AdamWFactors factors = factors_of(recipe);
  const int steps = load_global(t.steps);
  store_global(t.latest + steps % kLatestSteps,
               Kept{.decay = factors.decay,
                    .step_size = factors.step_size,
                    .root_correction2 = factors.root_correction2,
                    .applied = factors.grad_scale == factors.grad_scale ? 1.0f : 0.0f});
  store_global(t.steps, steps + 1);
}

Rows rows_of(const AdamWTable& table) {
  CHECK(table.dtype == DType::kFloat32, "adamw_rows: no CUDA implementation for dtype ", name_of(table.dtype));
  return {.param = static_cast<float*>(table.param),
          .m = static_cast<float*>(table.m),
          .v = static_cast<float*>(table.v),
          .marks = table.marks,
          .steps = table.steps,
          .latest = static_cast<Kept*>(table.latest),
          .channels = table.channels,
          .rows = narrow<int>(table.rows),
          .one_minus_beta1 = static_cast<float>(1 - table.beta1),
          .beta2 = static_cast<float>(table.beta2),
          .one_minus_beta2 = static_cast<float>(1 - table.beta2),
          .eps = static_cast<float>(table.eps)};
}

bool is_wide(const AdamWTable& table, const void* values = nullptr) {
  return table.channels % 4 == 0 && cuda::aligned(table.param, table.m, table.v, values);
}

}  // namespace

void adamw_catch_up(const CudaContext& context, const AdamWCatchUp& args) {
  const Rows rows = rows_of(args.table);
  cuda::with_width<float>(is_wide(args.table), [&](auto width) {
    constexpr int W = decltype(width)::value;
    if (args.ids == nullptr)
      cuda::launch("adamw_catch_up_all", catch_up_all_kernel<W>, {cuda::blocks_for(rows.rows, AdamWRowsTraits::kRows)},
                   {AdamWRowsTraits::kThreads}, 0, context.stream(), rows);
    else if (args.count > 0)
      cuda::launch("adamw_catch_up", catch_up_ids_kernel<W>, {narrow<unsigned>(args.count)},
                   {AdamWRowsTraits::kThreads}, 0, context.stream(), rows, args.ids);
  });
}

void adamw_rows(const CudaContext& context, const AdamWRows& args) {
  const AdamWTable& table = args.table;
  const Rows rows = rows_of(table);
  const auto recipe = AdamWRecipe::of(args.scalars, args.grad_scale, table.beta1, table.beta2, table.eps);
  cuda::with_width<float>(is_wide(table, args.values), [&](auto width) {
    cuda::launch("adamw_rows", adamw_rows_kernel<decltype(width)::value>,
                 {cuda::blocks_for(rows.rows, AdamWRowsTraits::kRows)}, {AdamWRowsTraits::kThreads}, 0,
                 context.stream(), rows, static_cast<const float*>(args.values), recipe);
  });
  cuda::launch("adamw_keep_step", keep_step_kernel, {1}, {1}, 0, context.stream(), rows, recipe);
}

}  // namespace attune::kernels
