// Matrix products by cuBLASLt. For it our row-major matrices are transposed column-major matrices, so the call computes
// c^T = op(b)^T op(a)^T. The bias of a column of c is then the bias of a row, and its epilogue adds it.
//
// For each shape the library proposes up to 16 algorithms, best first. They are timed once, on separate operands (a
// product of zeros would be faster than real data) and on a separate stream, so that an active capture is not
// disturbed, after the work that the device still had. The process uses the fastest and stores it in a file, because
// another algorithm may add in another order: the next run on this machine uses the same algorithm and gives the same
// bits. Algorithms that split a sum over blocks and add the parts in the output's type are excluded; the others add in
// a fixed order.
//   ATTUNE_MATMUL_TUNING=0      the library's first guess, nothing is timed
//   ATTUNE_MATMUL_CACHE=FILE    the file of choices; default: $XDG_CACHE_HOME or ~/.cache, attune/matmul-*.txt
#include "kernels/cuda/matmul.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/bfloat16.h"
#include "base/check.h"
#include "base/math.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/matmul_choices.h"
#include "kernels/cuda/nvidia/stream_state.h"

namespace attune::cuda {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what Hopper's kernels need

cudaDataType_t type_of(DType dtype) {
  if (dtype == DType::kFloat32) return CUDA_R_32F;
  CHECK(dtype == DType::kBFloat16, "matmul: no CUDA implementation for dtype ", name_of(dtype));
  return CUDA_R_16BF;
}

// The key of the choice of algorithm.
using Shape = std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, bool, bool, bool, DType, bool, bool>;

bool all_aligned(const Matmul& args) {
  const auto bits = reinterpret_cast<std::uintptr_t>(args.a) | reinterpret_cast<std::uintptr_t>(args.b) |
                    reinterpret_cast<std::uintptr_t>(args.c) | reinterpret_cast<std::uintptr_t>(args.bias);
  return bits % 16 == 0;
}

// How the parts of a split sum may be joined. "In place" joins them in the output, in its type.
std::uint32_t reductions_of(cudaDataType_t type) {
  return CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | (type == CUDA_R_32F ? CUBLASLT_REDUCTION_SCHEME_INPLACE : 0);
}

// Objects of cuBLASLt.
struct Destroy {
  void operator()(cublasLtHandle_t x) const { report(cublasLtDestroy(x), "cublasLtDestroy"); }
  void operator()(cublasLtMatmulDesc_t x) const { report(cublasLtMatmulDescDestroy(x), "cublasLtMatmulDescDestroy"); }
  void operator()(cublasLtMatrixLayout_t x) const {
    report(cublasLtMatrixLayoutDestroy(x), "cublasLtMatrixLayoutDestroy");
  }
  void operator()(cublasLtMatmulPreference_t x) const {
    report(cublasLtMatmulPreferenceDestroy(x), "cublasLtMatmulPreferenceDestroy");
  }
};
template <class Pointer>
using Owned = std::unique_ptr<std::remove_pointer_t<Pointer>, Destroy>;

// What create(&pointer) makes.
template <class Pointer, class Create>
Owned<Pointer> owned(Create&& create) {
  Pointer made = nullptr;
  create(&made);
  return Owned<Pointer>(made);
}

std::string name_of_product(const Matmul& args) {
  return str_cat("[", args.m, ", ", args.k, "] and [", args.k, ", ", args.n, "]");
}
// As CUDA_CHECK, for a call whose success depends on the product.
void check_product(cublasStatus_t status, const char* call, const Matmul& args) {
  if (status != CUBLAS_STATUS_SUCCESS) check(status, str_cat(call, " of ", name_of_product(args)).c_str());
}

// One shape's descriptors and algorithm.
struct Plan {
  Owned<cublasLtMatmulDesc_t> product;
  Owned<cublasLtMatrixLayout_t> first, second, result;
  std::vector<cublasLtMatmulAlgo_t> candidates;  // the library's best proposal first
  cublasLtMatmulAlgo_t chosen{};

  Plan(cublasLtHandle_t handle, const Matmul& args, bool tf32) {
    const cudaDataType_t type = type_of(args.dtype);
    product = owned<cublasLtMatmulDesc_t>([&](auto* out) {
      CUDA_CHECK(cublasLtMatmulDescCreate(out, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    });
    set(CUBLASLT_MATMUL_DESC_TRANSA, args.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, args.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (args.bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
    }
    const auto layout = [&](std::int64_t rows, std::int64_t columns) {
      return owned<cublasLtMatrixLayout_t>([&](auto* out) {
        CUDA_CHECK(cublasLtMatrixLayoutCreate(out, type, static_cast<std::uint64_t>(rows),
                                              static_cast<std::uint64_t>(columns), rows));
      });
    };
    first = args.transpose_b ? layout(args.k, args.n) : layout(args.n, args.k);
    second = args.transpose_a ? layout(args.m, args.k) : layout(args.k, args.m);
    result = layout(args.n, args.m);
    ask(handle, args, type);
    chosen = candidates.front();
  }

  template <class V>
  void set(cublasLtMatmulDescAttributes_t attribute, const V& value) {
    CUDA_CHECK(cublasLtMatmulDescSetAttribute(product.get(), attribute, &value, sizeof value));
  }

  /// Whether an algorithm that another process has chosen can run here.
  bool allows(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm) const {
    cublasLtMatmulHeuristicResult_t found{};
    const cublasStatus_t status = cublasLtMatmulAlgoCheck(handle, product.get(), first.get(), second.get(),
                                                          result.get(), result.get(), &algorithm, &found);
    return status == CUBLAS_STATUS_SUCCESS && found.workspaceSize <= kWorkspaceBytes;
  }

  /// Puts the product on a stream. An algorithm may turn out to be none for it.
  cublasStatus_t run(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm, const Matmul& args,
                     void* workspace, const Stream& stream) {
    if (args.bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
    const float alpha = 1, beta = args.accumulate ? 1 : 0;
    return cublasLtMatmul(handle, product.get(), &alpha, args.b, first.get(), args.a, second.get(), &beta, args.c,
                          result.get(), args.c, result.get(), &algorithm, workspace, kWorkspaceBytes,
                          stream.state().stream);
  }

 private:
  void ask(cublasLtHandle_t handle, const Matmul& args, cudaDataType_t type) {
    const auto preference =
        owned<cublasLtMatmulPreference_t>([](auto* out) { CUDA_CHECK(cublasLtMatmulPreferenceCreate(out)); });
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      CUDA_CHECK(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions_of(type));
    const std::uint32_t alignment = all_aligned(args) ? 16 : static_cast<std::uint32_t>(size_of(args.dtype));
    for (auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, alignment);
    std::array<cublasLtMatmulHeuristicResult_t, 16> found{};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, product.get(), first.get(), second.get(), result.get(), result.get(),
                                       preference.get(), static_cast<int>(found.size()), found.data(), &count);
    check_product(status, "cublasLtMatmulAlgoGetHeuristic", args);
    for (int i = 0; i < count; ++i)
      if (found[static_cast<std::size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
        candidates.push_back(found[static_cast<std::size_t>(i)].algo);
    CHECK(!candidates.empty(), "cuda: cuBLASLt has no algorithm for a product of ", name_of_product(args));
  }
};

// The shape as the file of choices has it, with what else the library's proposals depend on.
std::string text_of(const Shape& shape) {
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // as in str_cat
  std::apply([&](auto... part) { ((out << part << " "), ...); }, shape);
  out << kWorkspaceBytes << " " << reductions_of(type_of(std::get<DType>(shape)));
  return out.str();
}

// The operands of trial products, values of mixed sizes and signs, the same on every run: several sets, so that a
// product finds what it reads in memory and not in the cache, as in a step.
class TrialOperands {
 public:
  TrialOperands(const Matmul& args, const Stream& stream) : args_(args) {
    constexpr std::size_t kCache = std::size_t{100} << 20, kMaxSets = 8;  // twice the L2 cache of an H100
    const auto bytes_of = [&](std::int64_t elements) {
      return ceil_div<std::size_t>(static_cast<std::size_t>(elements) * size_of(args.dtype), 256) * 256;
    };
    a_ = bytes_of(args.m * args.k), b_ = bytes_of(args.k * args.n), c_ = bytes_of(args.m * args.n),
    bias_ = bytes_of(args.n);
    sets_ = std::min(kCache / set_bytes() + 1, kMaxSets);
    while (memory_.bytes() == 0) {
      try {
        memory_ = Buffer(sets_ * set_bytes());
      } catch (const OutOfMemory&) {
        if (sets_ == 1) throw;
        sets_ /= 2;
      }
    }
    fill(stream);
  }
  /// The product with the next set.
  Matmul next() {
    std::byte* at = static_cast<std::byte*>(memory_.data()) + next_++ % sets_ * set_bytes();
    Matmul trial = args_;
    trial.a = at, trial.b = at + a_, trial.c = at + a_ + b_;
    if (args_.bias != nullptr) trial.bias = at + a_ + b_ + c_;
    return trial;
  }

 private:
  std::size_t set_bytes() const { return a_ + b_ + c_ + bias_; }

  // A pattern from the host, which copies double until it is everywhere.
  void fill(const Stream& stream) {
    std::vector<std::byte> pattern(std::min<std::size_t>(memory_.bytes(), (1 << 16) * sizeof(float)));
    std::uint32_t state = 12345;
    const std::size_t size = size_of(args_.dtype);
    for (std::size_t at = 0; at < pattern.size(); at += size) {
      state = state * 1664525u + 1013904223u;
      const float value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
      const BFloat16 rounded = to_bfloat16(value);
      std::memcpy(pattern.data() + at, size == sizeof value ? static_cast<const void*>(&value) : &rounded, size);
    }
    copy_to_device(memory_.data(), pattern.data(), pattern.size(), stream);
    for (std::size_t done = pattern.size(); done < memory_.bytes(); done *= 2)
      copy_on_device(static_cast<std::byte*>(memory_.data()) + done, memory_.data(),
                     std::min(done, memory_.bytes() - done), stream);
  }

  Matmul args_;
  std::size_t a_ = 0, b_ = 0, c_ = 0, bias_ = 0;  // bytes of a set's parts
  std::size_t sets_ = 0, next_ = 0;
  Buffer memory_;
};

// Which candidate is fastest: each is timed in every round, and its best time counts. Throws OutOfMemory if there is no
// room to try.
cublasLtMatmulAlgo_t fastest(cublasLtHandle_t handle, Plan& plan, const Matmul& args) {
  constexpr int kRounds = 3, kRepeats = 4;
  const Stream stream;
  TrialOperands operands(args, stream);
  const Buffer workspace(kWorkspaceBytes);
  const auto run = [&](std::size_t candidate, int times) {
    bool all = true;
    for (int t = 0; t < times; ++t)
      all = all && plan.run(handle, plan.candidates[candidate], operands.next(), workspace.data(), stream) ==
                       CUBLAS_STATUS_SUCCESS;
    return all;
  };
  std::vector<double> times(plan.candidates.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < times.size(); ++i) {
      Event begin, end;
      if (round == 0 && !run(i, 2)) continue;
      if (round > 0 && times[i] == std::numeric_limits<double>::infinity()) continue;  // it cannot run
      begin.record(stream);
      const bool ran = run(i, kRepeats);
      end.record(stream);
      stream.synchronize();
      times[i] = ran ? std::min(times[i], Event::elapsed_ms(begin, end)) : std::numeric_limits<double>::infinity();
    }
  std::size_t best = 0;  // a later candidate must be clearly faster: the order is the library's judgement
  for (std::size_t i = 1; i < times.size(); ++i)
    if (times[i] < 0.98 * times[best]) best = i;
  return plan.candidates[best];
}

// While a stream is captured, the device may not be waited for: then only for what was put on the stream before.
void wait_for_earlier_work(const Stream& stream) {
  if (const auto& capture = stream.state().capture)
    CUDA_CHECK(cudaEventSynchronize(capture->before));
  else
    CUDA_CHECK(cudaDeviceSynchronize());
}

}  // namespace

struct MatmulPlans {
  Owned<cublasLtHandle_t> handle = owned<cublasLtHandle_t>([](auto* out) { CUDA_CHECK(cublasLtCreate(out)); });
  std::mutex mutex;
  std::map<Shape, Plan> plans;
  Buffer workspace{kWorkspaceBytes};     // for the context's stream
  std::optional<MatmulChoices> choices;  // none: nothing is timed

  MatmulPlans() {
    const char* tuning = std::getenv("ATTUNE_MATMUL_TUNING");
    if (tuning == nullptr || std::string(tuning) != "0") choices.emplace();
  }

  Plan& plan_for(const Shape& shape, const Matmul& args, bool tf32, const Stream& stream) {
    const auto [at, fresh] = plans.try_emplace(shape, handle.get(), args, tf32);
    Plan& plan = at->second;
    if (!fresh || !choices || plan.candidates.size() == 1) return plan;
    const auto known = [&] {
      return choices->find(text_of(shape),
                           [&](const cublasLtMatmulAlgo_t& choice) { return plan.allows(handle.get(), choice); });
    };
    if (const auto before = known()) {
      plan.chosen = *before;
      return plan;
    }
    try {
      wait_for_earlier_work(stream);  // what runs meanwhile would be timed as well
      const cublasLtMatmulAlgo_t own = fastest(handle.get(), plan, args);
      choices->note(text_of(shape), own);
      plan.chosen = known().value_or(own);
    } catch (const OutOfMemory&) {  // no room to try: the first proposal
    }
    return plan;
  }
};

std::shared_ptr<MatmulPlans> make_matmul_plans() {
  return std::make_shared<MatmulPlans>();
}

void matmul(const kernels::CudaContext& context, const Matmul& args) {
  if (args.m == 0 || args.n == 0) return;
  if (args.k == 0 && args.bias == nullptr) {  // a sum of nothing, which cuBLASLt does not take
    if (!args.accumulate)
      set_zero(args.c, static_cast<std::size_t>(args.m * args.n) * size_of(args.dtype), context.stream());
    return;
  }
  MatmulPlans& kept = context.matmul_plans();
  const std::scoped_lock lock(kept.mutex);
  const bool tf32 = args.dtype == DType::kFloat32 && context.matmul_precision() == MatmulPrecision::kTensorFloat32;
  const Shape shape{args.m,
                    args.n,
                    args.k,
                    args.transpose_a,
                    args.transpose_b,
                    args.bias != nullptr,
                    args.accumulate,
                    args.dtype,
                    all_aligned(args),
                    tf32};
  Plan& plan = kept.plan_for(shape, args, tf32, context.stream());
  check_product(plan.run(kept.handle.get(), plan.chosen, args, kept.workspace.data(), context.stream()),
                "cublasLtMatmul", args);
}

}  // namespace attune::cuda
