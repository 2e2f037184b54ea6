// The common parts of every kernel call: its context, how it writes gradients, and the letters for sizes.
//
// One header per op (<op>.h) holds its formula, one plain struct per direction and an overload of each direction per
// context. Pointers are untyped; `dtype` gives their element type (float32 or float64 on the CPU, float32 or bfloat16
// on a GPU; integers are int32). Dims: N rows (tokens of the whole batch), C channels, B sequences, H heads, D head
// size, V vocabulary, O outputs, L classes. All tensors are dense and row-major unless a stride is named. Statistics
// and losses (mean, rstd, lse, loss, losses, dloss) are float32 if the dtype is bfloat16 (statistics_dtype).
#pragma once

#include <cstdint>

namespace attune::kernels {

/// Runs on the calling process's CPU cores (base/parallel.h).
struct CpuContext {
  /// Whether linear's products of float32 matrices round their operands to bfloat16. Sums stay float32.
  bool bfloat16_products = false;
};

/// Whether products of bfloat16 numbers are faster here than those of float32: processor, compiler and ATTUNE_CPU_LEVEL
/// must each have the instructions.
bool fast_bfloat16_products();

/// Runs on a GPU, or on the simulator that stands in for one: kernels/cuda/device_info.h.
class CudaContext;

/// Whether the build has the ops that take a CudaContext. Without them (ATTUNE_CUDA=none) none may be called, and there
/// is no such context.
#ifdef ATTUNE_NO_CUDA
constexpr bool kHasCudaOps = false;
#else
constexpr bool kHasCudaOps = true;
#endif

/// Whether a gradient replaces what its buffer holds or is added to it.
enum class GradMode : std::uint8_t { kWrite, kAccumulate };

/// Where a gradient goes; no data means that it is not needed and not computed.
struct GradOut {
  void* data = nullptr;
  GradMode mode = GradMode::kWrite;

  explicit operator bool() const { return data != nullptr; }
  bool accumulate() const { return mode == GradMode::kAccumulate; }
};

}  // namespace attune::kernels
