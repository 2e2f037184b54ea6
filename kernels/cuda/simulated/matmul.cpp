// Matrix products of the simulated device. They replace a library and not a kernel of attune: plain loops on the host,
// queued on the stream like a launch.
#include "kernels/cuda/matmul.h"

#include <algorithm>
#include <vector>

#include "base/bfloat16.h"
#include "base/parallel.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/simulated/device.h"
#include "kernels/cuda/simulated/launch.h"
#include "kernels/cuda/simulated/memory.h"

namespace attune::cuda {
namespace {

// Operands as the product takes them: bfloat16 exactly, float32 whole or rounded to TF32.
float operand(float x, bool tf32) {
  return tf32 ? device::bits_float(device::float_to_tf32(x)) : x;
}
float operand(BFloat16 x, bool) {
  return to_float(x);
}

float value_of(float x) {
  return x;
}
float value_of(BFloat16 x) {
  return to_float(x);
}
void assign(float& to, float x) {
  to = x;
}
void assign(BFloat16& to, float x) {
  to = to_bfloat16(x);
}

void check_operand(const void* data, std::int64_t elements, std::size_t size, const char* what) {
  simulated::check_device_memory(data, static_cast<std::size_t>(elements) * size, what);
}

constexpr std::int64_t kBlock = 64;

template <class T>
void run(const Matmul& args, bool tf32) {
  check_operand(args.a, args.m * args.k, sizeof(T), "matmul: a");
  check_operand(args.b, args.k * args.n, sizeof(T), "matmul: b");
  check_operand(args.c, args.m * args.n, sizeof(T), "matmul: c");
  if (args.bias != nullptr) check_operand(args.bias, args.n, sizeof(T), "matmul: bias");
  const T* a = static_cast<const T*>(args.a);
  const T* b = static_cast<const T*>(args.b);
  std::vector<float> rows_of_b(static_cast<std::size_t>(args.k * args.n));
  for (std::int64_t k = 0; k < args.k; ++k)
    for (std::int64_t n = 0; n < args.n; ++n)
      rows_of_b[static_cast<std::size_t>(k * args.n + n)] =
          operand(args.transpose_b ? b[n * args.k + k] : b[k * args.n + n], tf32);
  parallel_for(args.m, 8, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> sums(static_cast<std::size_t>(args.n)), block(sums.size());
    for (std::int64_t m = begin; m < end; ++m) {
      T* c = static_cast<T*>(args.c) + m * args.n;
      for (std::int64_t n = 0; n < args.n; ++n)
        sums[static_cast<std::size_t>(n)] = args.bias == nullptr ? 0.0f : value_of(static_cast<const T*>(args.bias)[n]);
      for (std::int64_t first = 0; first < args.k; first += kBlock) {  // sums of sums lose less
        std::fill(block.begin(), block.end(), 0.0f);
        for (std::int64_t k = first; k < std::min(first + kBlock, args.k); ++k) {
          const float x = operand(args.transpose_a ? a[k * args.m + m] : a[m * args.k + k], tf32);
          const float* row = rows_of_b.data() + k * args.n;
          for (std::int64_t n = 0; n < args.n; ++n) block[static_cast<std::size_t>(n)] += x * row[n];
        }
        for (std::size_t n = 0; n < sums.size(); ++n) sums[n] += block[n];
      }
      for (std::int64_t n = 0; n < args.n; ++n)
        assign(c[n], args.accumulate ? value_of(c[n]) + sums[static_cast<std::size_t>(n)]
                                     : sums[static_cast<std::size_t>(n)]);
    }
  });
}

}  // namespace

struct MatmulPlans {};

std::shared_ptr<MatmulPlans> make_matmul_plans() {
  return std::make_shared<MatmulPlans>();
}

void matmul(const kernels::CudaContext& context, const Matmul& args) {
  const bool tf32 = context.matmul_precision() == MatmulPrecision::kTensorFloat32;
  dispatch_device_float(args.dtype, "matmul", [&]<class T>() {
    enqueue(context.stream(),
            {.run = [args, tf32] { run<T>(args, tf32); }, .kind = simulated::Piece::Kind::kProduct, .product = args});
  });
}

}  // namespace attune::cuda
