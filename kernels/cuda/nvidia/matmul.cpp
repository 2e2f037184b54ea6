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
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iomanip>
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
#include "base/math.h"
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

// How the parts of a split sum may be joined. "In place" joins them in the output, in its type.
std::uint32_t reductions_of(cudaDataType_t type) {
  return CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | (type == CUDA_R_32F ? CUBLASLT_REDUCTION_SCHEME_INPLACE : 0);
}

// One shape's descriptors and algorithm.
struct Plan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  std::vector<cublasLtMatmulAlgo_t> candidates;  // the library's best proposal first
  cublasLtMatmulAlgo_t chosen{};

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
    chosen = candidates.front();
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

  /// Whether an algorithm that another process has chosen can run here.
  bool allows(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm) const {
    cublasLtMatmulHeuristicResult_t found{};
    return cublasLtMatmulAlgoCheck(handle, product, first, second, result, result, &algorithm, &found) ==
               CUBLAS_STATUS_SUCCESS &&
           found.workspaceSize <= kWorkspaceBytes;
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
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions_of(type));
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
      int driver = 0;
      CUDA_CHECK(cudaDriverGetVersion(&driver));
      path_ = std::filesystem::path(cache) / "attune" /
              str_cat("matmul-", device, "-", cublasLtGetVersion(), "-", driver, ".txt");
    }
    read();
  }

  /// The first choice noted for the shape that is usable.
  template <class Usable>
  std::optional<cublasLtMatmulAlgo_t> find(const Shape& shape, Usable&& usable) const {
    const auto [begin, end] = known_.equal_range(text_of(shape));
    const auto found = std::find_if(begin, end, [&](const auto& line) { return usable(line.second); });
    return found == end ? std::nullopt : std::optional(found->second);
  }
  /// Notes a choice. Of processes that choose at the same time the first to note it has chosen for all: find it. A file
  /// that cannot be written costs the next run its own timing, nothing else.
  void note(const Shape& shape, const cublasLtMatmulAlgo_t& choice) {
    if (path_.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(path_.parent_path(), ignored);
    std::ofstream(path_, std::ios::app) << text_of(shape) + ": " + text_of(choice) + "\n";
    read();
  }

 private:
  void read() {
    known_.clear();
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);)
      if (const auto colon = line.rfind(": "); colon != std::string::npos)
        if (const auto algorithm = algorithm_of(line.substr(colon + 2)))
          known_.emplace(line.substr(0, colon), *algorithm);
  }
  // With what else the library's proposals depend on.
  static std::string text_of(const Shape& shape) {
    std::ostringstream out;
    out.exceptions(std::ios::badbit);  // as in str_cat
    std::apply([&](auto... part) { ((out << part << " "), ...); }, shape);
    out << kWorkspaceBytes << " " << reductions_of(type_of(std::get<DType>(shape)));
    return out.str();
  }
  // The words of an algorithm, in hexadecimal digits.
  static std::string text_of(const cublasLtMatmulAlgo_t& algorithm) {
    std::ostringstream out;
    out.exceptions(std::ios::badbit);  // as in str_cat
    for (const std::uint64_t word : algorithm.data) out << std::hex << std::setw(16) << std::setfill('0') << word;
    return out.str();
  }
  static std::optional<cublasLtMatmulAlgo_t> algorithm_of(const std::string& text) {
    cublasLtMatmulAlgo_t out{};
    if (text.size() != 16 * std::size(out.data) || text.find_first_not_of("0123456789abcdef") != std::string::npos)
      return std::nullopt;
    for (std::size_t i = 0; i < std::size(out.data); ++i)
      out.data[i] = std::strtoull(text.substr(16 * i, 16).c_str(), nullptr, 16);
    return out;
  }
  std::filesystem::path path_;
  std::multimap<std::string, cublasLtMatmulAlgo_t> known_;  // by shape, in the file's order
};

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
      run(i, kRepeats);
      end.record(stream);
      stream.synchronize();
      times[i] = std::min(times[i], Event::elapsed_ms(begin, end));
    }
  std::size_t best = 0;  // a later candidate must be clearly faster: the order is the library's judgement
  for (std::size_t i = 1; i < times.size(); ++i)
    if (times[i] < 0.98 * times[best]) best = i;
  return plan.candidates[best];
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

  Plan& plan_for(const Shape& shape, const Matmul& args, bool tf32, const Stream& stream) {
    const auto [at, fresh] = plans.try_emplace(shape, handle, args, tf32);
    Plan& plan = at->second;
    if (!fresh || !choices || plan.candidates.size() == 1) return plan;
    const auto known = [&] {
      return choices->find(shape, [&](const cublasLtMatmulAlgo_t& choice) { return plan.allows(handle, choice); });
    };
    if (const auto before = known()) {
      plan.chosen = *before;
      return plan;
    }
    try {
      if (!stream.capturing()) CUDA_CHECK(cudaDeviceSynchronize());  // what runs meanwhile would be timed as well
      const cublasLtMatmulAlgo_t own = fastest(handle, plan, args);
      choices->note(shape, own);
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
  const cublasStatus_t status = plan.run(kept.handle, plan.chosen, args, kept.workspace.data(), context.stream());
  if (status != CUBLAS_STATUS_SUCCESS)
    check(status, str_cat("cublasLtMatmul of [", args.m, ", ", args.k, "] and [", args.k, ", ", args.n, "]").c_str());
}

}  // namespace attune::cuda
