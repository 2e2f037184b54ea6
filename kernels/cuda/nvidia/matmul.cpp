// Matrix products by cuBLASLt. For it our row-major matrices are transposed column-major matrices, so the call computes
// c^T = op(b)^T op(a)^T. The bias of a column of c is then the bias of a row, and its epilogue adds it.
//
// For each shape the library proposes up to 16 algorithms, best first. They are timed once, on separate operands (a
// product of zeros would be faster than real data) and on a separate stream, so that an active capture is not
// disturbed. The process uses the fastest and stores the choice in a file, because another algorithm may add in another
// order: the next run on this machine uses the same algorithm and gives the same bits. Algorithms that split a sum over
// blocks and add the parts in the output's type are excluded; the others add in a fixed order.
//   ATTUNE_MATMUL_TUNING=0      the library's first guess, nothing is timed
//   ATTUNE_MATMUL_CACHE=FILE    the file of choices; default: $XDG_CACHE_HOME or ~/.cache, attune/matmul-*.txt
#include "kernels/cuda/matmul.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "base/bfloat16.h"
#include "base/check.h"
#include "base/environment.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/nvidia/cuda_check.h"
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

// One shape's descriptors and algorithm.
struct Plan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  std::vector<cublasLtMatmulAlgo_t> candidates;  // the library's best proposal first
  std::size_t chosen = 0;

  Plan(cublasLtHandle_t handle, const Matmul& args, bool tf32) {
    const cudaDataType_t type = type_of(args.dtype);
    CUDA_CHECK(
        cublasLtMatmulDescCreate(&product, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, args.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, args.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (args.bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
    }
    const auto layout = [&](cublasLtMatrixLayout_t& out, std::int64_t rows, std::int64_t columns) {
      CUDA_CHECK(cublasLtMatrixLayoutCreate(&out, type, static_cast<std::uint64_t>(rows),
                                            static_cast<std::uint64_t>(columns), rows));
    };
    args.transpose_b ? layout(first, args.k, args.n) : layout(first, args.n, args.k);
    args.transpose_a ? layout(second, args.m, args.k) : layout(second, args.k, args.m);
    layout(result, args.n, args.m);
    ask(handle, type, all_aligned(args) ? 16 : static_cast<std::uint32_t>(size_of(args.dtype)));
  }
  ~Plan() {
    report(cublasLtMatrixLayoutDestroy(result), "cublasLtMatrixLayoutDestroy");
    report(cublasLtMatrixLayoutDestroy(second), "cublasLtMatrixLayoutDestroy");
    report(cublasLtMatrixLayoutDestroy(first), "cublasLtMatrixLayoutDestroy");
    report(cublasLtMatmulDescDestroy(product), "cublasLtMatmulDescDestroy");
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  template <class V>
  void set(cublasLtMatmulDescAttributes_t attribute, const V& value) {
    CUDA_CHECK(cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value));
  }

  /// Puts the product on a stream. An algorithm may turn out to be none for it.
  cublasStatus_t run(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm, const Matmul& args,
                     void* workspace, const Stream& stream) {
    if (args.bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
    const float alpha = 1, beta = args.accumulate ? 1 : 0;
    return cublasLtMatmul(handle, product, &alpha, args.b, first, args.a, second, &beta, args.c, result, args.c, result,
                          &algorithm, workspace, kWorkspaceBytes, stream.state().stream);
  }

 private:
  void ask(cublasLtHandle_t handle, cudaDataType_t type, std::uint32_t alignment) {
    cublasLtMatmulPreference_t preference;
    CUDA_CHECK(cublasLtMatmulPreferenceCreate(&preference));
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      CUDA_CHECK(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    // "In place" joins the parts in the output, in its type.
    const std::uint32_t reductions =
        CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | (type == CUDA_R_32F ? CUBLASLT_REDUCTION_SCHEME_INPLACE : 0);
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
    for (auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, alignment);
    std::array<cublasLtMatmulHeuristicResult_t, 16> found{};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, product, first, second, result, result, preference,
                                       static_cast<int>(found.size()), found.data(), &count);
    report(cublasLtMatmulPreferenceDestroy(preference), "cublasLtMatmulPreferenceDestroy");
    CUDA_CHECK(status);
    for (int i = 0; i < count; ++i)
      if (found[static_cast<std::size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
        candidates.push_back(found[static_cast<std::size_t>(i)].algo);
    CHECK(!candidates.empty(), "cuda: cuBLASLt has no algorithm for a matrix product of ", name_of_product());
  }

  std::string name_of_product() const {
    std::uint64_t columns = 0, rows = 0;
    CUDA_CHECK(
        cublasLtMatrixLayoutGetAttribute(result, CUBLASLT_MATRIX_LAYOUT_ROWS, &columns, sizeof columns, nullptr));
    CUDA_CHECK(cublasLtMatrixLayoutGetAttribute(result, CUBLASLT_MATRIX_LAYOUT_COLS, &rows, sizeof rows, nullptr));
    return str_cat("[", rows, ", ", columns, "]");
  }
};

// Device memory with values of mixed sizes and signs, the same on every run.
Buffer filled(std::int64_t elements, DType dtype, const Stream& stream) {
  constexpr std::int64_t kPattern = 1 << 16;
  const std::size_t size = size_of(dtype);
  std::vector<std::byte> pattern(static_cast<std::size_t>(std::min(elements, kPattern)) * size);
  std::uint32_t state = 12345;
  for (std::size_t at = 0; at < pattern.size(); at += size) {
    state = state * 1664525u + 1013904223u;
    const float value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
    if (dtype == DType::kFloat32) {
      std::memcpy(pattern.data() + at, &value, size);
    } else {
      const BFloat16 rounded = to_bfloat16(value);
      std::memcpy(pattern.data() + at, &rounded, size);
    }
  }
  Buffer buffer(static_cast<std::size_t>(elements) * size);
  for (std::size_t at = 0; at < buffer.bytes(); at += pattern.size())
    copy_to_device(static_cast<std::byte*>(buffer.data()) + at, pattern.data(),
                   std::min(pattern.size(), buffer.bytes() - at), stream);
  return buffer;
}

// The choices of earlier runs on this machine.
class Choices {
 public:
  Choices() {
    if (const char* named = std::getenv("ATTUNE_MATMUL_CACHE")) {
      path_ = named;
    } else {
      const std::string cache = user_cache_folder();
      if (cache.empty()) return;
      std::string device = device_info().name;
      for (char& c : device) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
      path_ = std::filesystem::path(cache) / "attune" / str_cat("matmul-", device, "-", cublasLtGetVersion(), ".txt");
    }
    read();
  }

  std::optional<std::size_t> find(const Shape& shape) const {
    const auto found = known_.find(text_of(shape));
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }
  /// Notes a choice. Of processes that choose at the same time the first to note it has chosen for all. Returns what is
  /// chosen. A file that cannot be written costs the next run its own timing, nothing else.
  std::size_t note(const Shape& shape, std::size_t choice) {
    if (!path_.empty()) {
      std::error_code ignored;
      std::filesystem::create_directories(path_.parent_path(), ignored);
      std::ofstream(path_, std::ios::app) << text_of(shape) + ": " + std::to_string(choice) + "\n";
      read();
    }
    return known_.try_emplace(text_of(shape), choice).first->second;
  }

 private:
  // The first line of a shape holds.
  void read() {
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);)
      if (const auto colon = line.rfind(": "); colon != std::string::npos)
        known_.try_emplace(line.substr(0, colon), std::strtoul(line.c_str() + colon + 2, nullptr, 10));
  }
  static std::string text_of(const Shape& shape) {
    std::ostringstream out;
    std::apply([&](auto... part) { ((out << (out.tellp() > 0 ? " " : "") << part), ...); }, shape);
    return out.str();
  }
  std::filesystem::path path_;
  std::map<std::string, std::size_t> known_;
};

// Which candidate is fastest. Throws OutOfMemory if there is no room to try.
std::size_t fastest(cublasLtHandle_t handle, Plan& plan, const Matmul& args) {
  constexpr int kRepeats = 5;
  const Stream stream;
  const Buffer a = filled(args.m * args.k, args.dtype, stream), b = filled(args.k * args.n, args.dtype, stream),
               c = filled(args.m * args.n, args.dtype, stream), bias = filled(args.n, args.dtype, stream),
               workspace(kWorkspaceBytes);
  Matmul trial = args;
  trial.a = a.data(), trial.b = b.data(), trial.c = c.data();
  if (args.bias != nullptr) trial.bias = bias.data();
  std::size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < plan.candidates.size(); ++i) {
    const auto runs = [&](int times) {
      bool all = true;
      for (int t = 0; t < times; ++t)
        all = all && plan.run(handle, plan.candidates[i], trial, workspace.data(), stream) == CUBLAS_STATUS_SUCCESS;
      return all;
    };
    if (!runs(2)) continue;
    Event begin, end;
    begin.record(stream);
    runs(kRepeats);
    end.record(stream);
    stream.synchronize();
    // A later candidate must be clearly faster: the order is the library's judgement.
    if (const double ms = Event::elapsed_ms(begin, end); ms < 0.98 * least) {
      least = ms;
      best = i;
    }
  }
  return best;
}

}  // namespace

struct MatmulPlans {
  cublasLtHandle_t handle = nullptr;
  std::mutex mutex;
  std::map<Shape, Plan> plans;
  Buffer workspace{kWorkspaceBytes};  // for the context's stream
  std::optional<Choices> choices;     // none: nothing is timed

  MatmulPlans() {
    CUDA_CHECK(cublasLtCreate(&handle));
    const char* tuning = std::getenv("ATTUNE_MATMUL_TUNING");
    if (tuning == nullptr || std::string(tuning) != "0") choices.emplace();
  }
  ~MatmulPlans() {
    plans.clear();
    report(cublasLtDestroy(handle), "cublasLtDestroy");
  }

  Plan& plan_for(const Shape& shape, const Matmul& args, bool tf32) {
    const auto [at, fresh] = plans.try_emplace(shape, handle, args, tf32);
    Plan& plan = at->second;
    if (!fresh || !choices || plan.candidates.size() == 1) return plan;
    if (const auto known = choices->find(shape); known && *known < plan.candidates.size()) {
      plan.chosen = *known;
    } else {
      try {
        const std::size_t own = fastest(handle, plan, args), noted = choices->note(shape, own);
        plan.chosen = noted < plan.candidates.size() ? noted : own;
      } catch (const OutOfMemory&) {  // no room to try: the first proposal
      }
    }
    return plan;
  }
};

std::shared_ptr<MatmulPlans> make_matmul_plans() {
  return std::make_shared<MatmulPlans>();
}

void matmul(const kernels::CudaContext& context, const Matmul& args) {
  if (args.m == 0 || args.n == 0) return;
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
  Plan& plan = kept.plan_for(shape, args, tf32);
  CUDA_CHECK(plan.run(kept.handle, plan.candidates[plan.chosen], args, kept.workspace.data(), context.stream()));
}

}  // namespace attune::cuda
