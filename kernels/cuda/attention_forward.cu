// Attention forward (kernels/attention.h), flash style: the scores never leave the multiprocessor.
//
// A block owns 64 queries of one head of one sequence, a warp 16 of them; it walks over tiles of keys that any of its
// queries may see. Q stays in shared memory, K and V pass through one tile each by cp.async: V arrives while Q K^T is
// computed, the next K while P V is. Softmax runs in base 2 on the accumulators, with the running maximum and sum of
// FlashAttention-2; P goes to the second product from registers, in bfloat16 (in split tf32 for float32: tile.cuh).
// Only tiles at the edge of the mask are masked element by element. Sums in float32; deterministic.
//
// Shared memory for D = 64: 27 KiB in bfloat16 (34 KiB float32), for D = 128 51 KiB (66 KiB). An sm_80 multiprocessor
// has shared memory for five D = 64 blocks of 4 warps, but registers (128 per thread) for only four: 16 warps; D = 128
// with dropout needs 168, which allows three blocks. Moves Q, O once and K, V once per 64 queries, mostly from the L2 cache; 4 N T D
// flops per head: bound by tensor cores from T of a few hundred on.
//
// Dao: "FlashAttention-2", arXiv 2307.08691.
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/context.h"
#include "kernels/cuda/cudnn_attention.h"

namespace attune::kernels {
namespace {

using namespace device;

constexpr float kLn2 = 0.6931471805599453f;
constexpr float kLargeExponent = 0x1p16f;

template <class T>
struct AttentionForwardArguments {
  T* out;
  float* lse;
  const T* q;
  const T* k;
  const T* v;
  AttentionPlan plan;
};

// Running maximum and sum of the lane's rows g and g + 8, in base 2.
struct OnlineSoftmax {
  float largest[2] = {-INFINITY, -INFINITY};  // of the scores times `scale`
  float sum[2] = {0, 0};                      // of the lane's own columns

  // Turns scores into probabilities 2^(scale score - maximum) relative to the new maximum; returns what older sums are
  // to be multiplied with.
  template <int N>
  __device__ __forceinline__ void update(float (&s)[N][4], float scale, float (&rescale)[2]) {
    float base[2], factor[2] = {scale, scale};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = s[0][2 * half];
#pragma unroll
      for (int n = 0; n < N; ++n) top = fmaxf(top, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
      top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 1));
      top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 2));
      const float now = fmaxf(largest[half], top * scale);
      base[half] = now == -INFINITY ? 0.0f : now;  // no key yet: all probabilities are 2^-inf = 0
      rescale[half] = fast_exp2(largest[half] - base[half]);
      largest[half] = now;
      sum[half] *= rescale[half];
    }
    // The exponent is one fused multiply-add. It is off by the rounding of `base`, as are the sum and lse. Where that
    // might be a whole unit, the product is rounded too.
    if (fmaxf(fabsf(base[0]), fabsf(base[1])) > kLargeExponent)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const bool large = fabsf(base[half]) > kLargeExponent;
#pragma unroll
        for (int n = 0; n < N; ++n)
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i) s[n][i] *= large ? scale : 1.0f;
        factor[half] = large ? 1.0f : scale;
      }
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[n][i] = fast_exp2(s[n][i] * factor[half] - base[half]);
          sum[half] += s[n][i];
        }
  }
};

template <class T, int D, bool kVector, bool kDropout>
__global__ void __launch_bounds__(AttentionTraits<T, D>::kThreads, AttentionTraits<T, D>::kForwardBlocks)
    attention_forward_kernel(AttentionForwardArguments<T> args) {
  using Traits = AttentionTraits<T, D>;
  constexpr int kKeys = Traits::kWalked, kStride = Traits::kStride;
  const AttentionPlan& plan = args.plan;
  const Sequence s(plan, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x));
  const int block_query = static_cast<int>(gridDim.z - 1 - blockIdx.z) * Traits::kOwn;
  if (block_query >= s.length) return;
  const int first_query = block_query + static_cast<int>(threadIdx.x / kWarp) * 16;

  T* q_tile = reinterpret_cast<T*>(dynamic_shared());
  T* k_tile = q_tile + Traits::kOwn * kStride;
  T* v_tile = k_tile + kKeys * kStride;
  T* own_q = q_tile + (first_query - block_query) * kStride;
  const auto row = [&](int i) { return s.row(i, plan.row_stride, plan.head_size); };

  const PositionRange keys =
      s.keys_of(plan, {block_query, block_query + Traits::kOwn < s.length ? block_query + Traits::kOwn : s.length});
  const int begin = keys.begin / kKeys * kKeys;
  load_tile<Traits::kOwn, D, Traits::kThreads, kVector>(q_tile, args.q + row(block_query), plan.row_stride,
                                                        s.length - block_query, plan.head_size);
  if (begin < keys.end)
    load_tile<kKeys, D, Traits::kThreads, kVector>(k_tile, args.k + row(begin), plan.row_stride, s.key_length - begin,
                                                   plan.head_size);
  cp_async_commit();

  const bool dropping = drops<kVector, kDropout>(plan);
  std::uint32_t row_keys[2] = {};
  if (dropping)
    for (int half = 0; half < 2; ++half) row_keys[half] = query_key(plan, s, first_query + lane_id() / 4 + 8 * half);

  OnlineSoftmax softmax;
  float out[D / 8][4] = {};
  for (int j = begin; j < keys.end; j += kKeys) {
    cp_async_wait<0>();
    __syncthreads();  // K is there; no thread reads the last V
    load_tile<kKeys, D, Traits::kThreads, kVector>(v_tile, args.v + row(j), plan.row_stride, s.key_length - j,
                                                   plan.head_size);
    cp_async_commit();

    float scores[kKeys / 8][4] = {};
    multiply_transposed<D>(scores, own_q, k_tile, kStride);
    mask_keys(scores, plan, s, first_query, j);

    cp_async_wait<0>();
    __syncthreads();  // V is there; no thread reads this K
    if (j + kKeys < keys.end)
      load_tile<kKeys, D, Traits::kThreads, kVector>(k_tile, args.k + row(j + kKeys), plan.row_stride,
                                                     s.key_length - j - kKeys, plan.head_size);
    cp_async_commit();

    float rescale[2];
    softmax.update(scores, plan.scale * kLog2E, rescale);
#pragma unroll
    for (int n = 0; n < D / 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) out[n][e] *= rescale[e / 2];
    if (dropping)
#pragma unroll
      for (int n = 0; n < kKeys / 8; n += 2) {
        float factors[2][4];
        dropout_of_queries(factors, plan, s, row_keys, j + 8 * n);
#pragma unroll
        for (int e = 0; e < 8; ++e) scores[n + e / 4][e % 4] *= factors[e / 4][e % 4];
      }
    multiply_accumulators<T>(out, scores, v_tile, kStride);
  }
  cp_async_wait<0>();
  __syncthreads();  // Q has arrived even without a key to walk over; its rows are reused

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float sum = softmax.sum[half];
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    const float inverse = sum > 0 ? 1.0f / sum : 0.0f;
#pragma unroll
    for (int n = 0; n < D / 8; ++n)
#pragma unroll
      for (int e = 2 * half; e < 2 * half + 2; ++e) out[n][e] *= inverse;
    const int i = first_query + lane_id() / 4 + 8 * half;
    if (args.lse != nullptr && lane_id() % 4 == 0 && i < s.length)
      store_global(args.lse + s.statistic(plan, i), sum > 0 ? (softmax.largest[half] + log2f(sum)) * kLn2 : -INFINITY);
  }
  const std::int64_t dense = static_cast<std::int64_t>(plan.heads) * plan.head_size;
  store_accumulators<D, kVector, kStride>(args.out + s.row(first_query, dense, plan.head_size), dense,
                                          s.length - first_query, plan.head_size, own_q, out);
}

}  // namespace

void attention_forward(const CudaContext& context, const AttentionForward& args) {
  if (auto* cudnn = context.cudnn_attention()) return cuda::cudnn_attention_forward(context, *cudnn, args);
  const AttentionLayout& layout = args.layout;
  cuda::dispatch_device_float(args.dtype, "attention", [&]<class T>() {
    const AttentionForwardArguments<T> arguments{.out = static_cast<T*>(args.out),
                                                 .lse = static_cast<float*>(args.lse),
                                                 .q = static_cast<const T*>(args.q),
                                                 .k = static_cast<const T*>(args.k),
                                                 .v = static_cast<const T*>(args.v),
                                                 .plan = plan_of(layout, args.row_stride)};
    const bool pointers = cuda::aligned(args.out, args.q, args.k, args.v);
    cuda::dispatch_head<T>("attention", layout, args.row_stride, pointers, [&](auto size, auto vectors, auto dropout) {
      constexpr int D = decltype(size)::value;
      using Traits = AttentionTraits<T, D>;
      cuda::launch("attention_forward",
                   attention_forward_kernel<T, D, decltype(vectors)::value, decltype(dropout)::value>,
                   cuda::attention_grid(layout, Traits::kOwn), {Traits::kThreads}, Traits::kForwardBytes,
                   context.stream(), arguments);
    });
  });
}

}  // namespace attune::kernels
