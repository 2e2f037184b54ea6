// Matrix products of kernels/cuda/nvidia: every form against plain loops, and the choice of the algorithm.
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/bfloat16.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/matmul.h"
#include "tests/cuda/nvidia_fixture.h"
#include "tests/fake_cuda/blaslt_algorithms.h"
#include "tests/support/message_of.h"

namespace attune {
namespace {

using fake_cuda::Algorithm;

struct Form {
  DType dtype = DType::kFloat32;
  bool transpose_a = false, transpose_b = false, bias = false, accumulate = false;
  std::int64_t m = 5, n = 8, k = 70;
  std::size_t offset = 0;  // elements before every operand: 1 is no multiple of 16 bytes
};

// Operands of small numbers that bfloat16 has, on the device and on the host.
class Operand {
 public:
  Operand(std::int64_t elements, const Form& form, unsigned seed, const cuda::Stream& stream)
      : dtype_(form.dtype),
        offset_(form.offset),
        buffer_((static_cast<std::size_t>(elements) + form.offset) * size_of(form.dtype)) {
    std::vector<std::byte> bytes(buffer_.bytes());
    for (std::int64_t i = 0; i < elements; ++i) {
      seed = seed * 1664525u + 1013904223u;
      values.push_back(static_cast<float>(static_cast<int>(seed >> 24) - 128) / 16.0f);
      const BFloat16 rounded = to_bfloat16(values.back());
      const void* from = form.dtype == DType::kFloat32 ? static_cast<const void*>(&values.back()) : &rounded;
      std::memcpy(bytes.data() + (static_cast<std::size_t>(i) + offset_) * size_of(dtype_), from, size_of(dtype_));
    }
    cuda::copy_to_device(buffer_.data(), bytes.data(), bytes.size(), stream);
  }
  void* data() const { return static_cast<std::byte*>(buffer_.data()) + offset_ * size_of(dtype_); }
  std::vector<float> fetch(const cuda::Stream& stream) const {
    std::vector<std::byte> bytes(buffer_.bytes());
    cuda::copy_to_host(bytes.data(), buffer_.data(), bytes.size(), stream);
    stream.synchronize();
    std::vector<float> out(values.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::byte* at = bytes.data() + (i + offset_) * size_of(dtype_);
      BFloat16 rounded;
      if (dtype_ == DType::kFloat32)
        std::memcpy(&out[i], at, sizeof(float));
      else
        std::memcpy(&rounded, at, sizeof rounded), out[i] = to_float(rounded);
    }
    return out;
  }

  std::vector<float> values;

 private:
  DType dtype_;
  std::size_t offset_;
  cuda::Buffer buffer_;
};

// A product on the device; the largest error against plain loops in double, relative to the sum of the terms' sizes.
double error_of(const kernels::CudaContext& context, const Form& form) {
  const auto [m, n, k] = std::array{form.m, form.n, form.k};
  const Operand a(m * k, form, 1, context.stream()), b(k * n, form, 2, context.stream());
  const Operand c(m * n, form, 3, context.stream()), bias(n, form, 4, context.stream());
  cuda::matmul(context, {.c = c.data(),
                         .a = a.data(),
                         .b = b.data(),
                         .m = m,
                         .n = n,
                         .k = k,
                         .transpose_a = form.transpose_a,
                         .transpose_b = form.transpose_b,
                         .bias = form.bias ? bias.data() : nullptr,
                         .accumulate = form.accumulate,
                         .dtype = form.dtype});
  const std::vector<float> out = c.fetch(context.stream());
  double worst = 0;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(i * n + j);
      double sum = 0, size = 0;
      const auto add = [&](double x) { sum += x, size += std::abs(x); };
      for (std::int64_t l = 0; l < k; ++l)
        add(static_cast<double>(a.values[static_cast<std::size_t>(form.transpose_a ? l * m + i : i * k + l)]) *
            b.values[static_cast<std::size_t>(form.transpose_b ? j * k + l : l * n + j)]);
      if (form.bias) add(bias.values[static_cast<std::size_t>(j)]);
      if (form.accumulate) add(c.values[at]);
      worst = std::max(worst, std::abs(out[at] - sum) / std::max(size, 1.0));
    }
  return worst;
}

class NvidiaMatmul : public testing::NvidiaTest {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "attune_nvidia_choices_" + std::to_string(getpid());
    std::filesystem::remove(path_);
    before_ = std::getenv("ATTUNE_MATMUL_CACHE");
    setenv("ATTUNE_MATMUL_CACHE", path_.c_str(), 1);
    NvidiaTest::SetUp();
  }
  void TearDown() override {
    NvidiaTest::TearDown();
    for (int i = 0; i < fake_cuda::kAlgorithms; ++i) fake_cuda::set_algorithm_ms(i, 1);
    setenv("ATTUNE_MATMUL_CACHE", before_.c_str(), 1);
    std::filesystem::remove(path_);
  }
  /// The algorithm of one product in a context of its own.
  static int algorithm_of(const Form& form = {}) {
    const kernels::CudaContext context;
    return algorithm_in(context, form);
  }
  static int algorithm_in(const kernels::CudaContext& context, const Form& form = {}) {
    EXPECT_LT(error_of(context, form), 1e-6);  // chooses
    std::array<std::int64_t, fake_cuda::kAlgorithms> counts{};
    for (int i = 0; i < fake_cuda::kAlgorithms; ++i) counts[static_cast<std::size_t>(i)] = fake_cuda::products_by(i);
    EXPECT_LT(error_of(context, form), 1e-6);
    int found = -1;
    for (int i = 0; i < fake_cuda::kAlgorithms; ++i)
      if (fake_cuda::products_by(i) != counts[static_cast<std::size_t>(i)]) found = i;
    return found;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  std::string path_;

 private:
  std::string before_;
};

TEST_F(NvidiaMatmul, EveryFormIsTheProductOfPlainLoops) {
  setenv("ATTUNE_MATMUL_TUNING", "0", 1);
  const kernels::CudaContext exact;
  kernels::CudaContext rounded;
  unsetenv("ATTUNE_MATMUL_TUNING");
  rounded.set_matmul_precision(cuda::MatmulPrecision::kTensorFloat32);
  for (int bits = 0; bits < 32; ++bits) {
    Form form{.transpose_a = (bits & 1) != 0,
              .transpose_b = (bits & 2) != 0,
              .bias = (bits & 4) != 0,
              .accumulate = (bits & 8) != 0,
              .offset = (bits & 16) != 0 ? 1u : 0u};
    if (form.bias && form.accumulate) continue;
    SCOPED_TRACE(bits);
    EXPECT_LT(error_of(exact, form), 1e-6);
    EXPECT_LT(error_of(rounded, form), 1e-3);  // the operands have few digits: TF32 keeps them, the sum is float32's
    form.dtype = DType::kBFloat16;
    EXPECT_LT(error_of(exact, form), 0x1p-8);
  }
  const Form none{.m = 0};
  EXPECT_EQ(error_of(exact, none), 0);
}

TEST_F(NvidiaMatmul, TheFastestAlgorithmIsTakenAndNoted) {
  EXPECT_EQ(algorithm_of(), Algorithm::kVectors);  // all are equally fast: the library's best
  std::filesystem::remove(path_);
  fake_cuda::set_algorithm_ms(Algorithm::kSplit, 0.5);
  EXPECT_EQ(algorithm_of(), Algorithm::kSplit);
  EXPECT_EQ(lines().size(), 1u);
  fake_cuda::set_algorithm_ms(Algorithm::kElements, 0.1);
  EXPECT_EQ(algorithm_of(), Algorithm::kSplit);  // as the run before
  EXPECT_EQ(lines().size(), 1u);
  EXPECT_EQ(algorithm_of({.bias = true}), Algorithm::kElements);
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(NvidiaMatmul, PartsOfASumAreNeverJoinedInTheOutputsType) {
  for (const int split : {Algorithm::kSplitOutputType, Algorithm::kSplitInPlace})
    fake_cuda::set_algorithm_ms(split, 0.1);
  EXPECT_EQ(algorithm_of(), Algorithm::kSplitInPlace);  // float32: the output is as exact as the sum
  const kernels::CudaContext context;
  error_of(context, {.dtype = DType::kBFloat16});
  const std::int64_t before = fake_cuda::products_by(Algorithm::kVectors);
  error_of(context, {.dtype = DType::kBFloat16});
  EXPECT_EQ(fake_cuda::products_by(Algorithm::kVectors), before + 1);
}

TEST_F(NvidiaMatmul, AFileThatIsNoneCostsNothingButTheTiming) {
  std::ofstream(path_) << "nonsense\nmore: of it\n";
  fake_cuda::set_algorithm_ms(Algorithm::kElements, 0.5);
  EXPECT_EQ(algorithm_of(), Algorithm::kElements);
  ASSERT_EQ(lines().size(), 3u);
  // The choice of a library that had other algorithms.
  const std::string line = lines()[2], key = line.substr(0, line.find(": ") + 2);
  std::ofstream(path_) << key << std::string(128, '0') << "\n";
  EXPECT_EQ(algorithm_of(), Algorithm::kElements);
  EXPECT_EQ(lines().size(), 2u);

  setenv("ATTUNE_MATMUL_CACHE", (path_ + "/no/folder").c_str(), 1);
  EXPECT_EQ(algorithm_of(), Algorithm::kElements);
}

// Another card, library or driver has other algorithms; a file may be shared by machines.
TEST_F(NvidiaMatmul, AChoiceIsThatOfADeviceLibraryAndDriver) {
  algorithm_of();
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_NE(lines()[0].find("fake-device-120400-12040"), std::string::npos) << lines()[0];
}

TEST_F(NvidiaMatmul, NothingIsTimedOnRequest) {
  setenv("ATTUNE_MATMUL_TUNING", "0", 1);
  fake_cuda::set_algorithm_ms(Algorithm::kElements, 0.5);
  EXPECT_EQ(algorithm_of(), Algorithm::kVectors);
  unsetenv("ATTUNE_MATMUL_TUNING");
  EXPECT_TRUE(lines().empty());
}

TEST_F(NvidiaMatmul, WithoutRoomForTrialsTheFirstProposalIsTaken) {
  fake_cuda::set_algorithm_ms(Algorithm::kElements, 0.5);
  fake_cuda::set_memory((std::size_t{32} << 20) + 65536);
  EXPECT_EQ(algorithm_of(), Algorithm::kVectors);
  fake_cuda::set_memory(std::size_t{1} << 30);
  EXPECT_TRUE(lines().empty());
}

// An algorithm that ran once and then does not would have the shortest time.
TEST_F(NvidiaMatmul, AnAlgorithmThatFailsInALaterRoundIsNotTaken) {
  fake_cuda::set_algorithm_ms(Algorithm::kElements, 0.9);
  // Round 0: 6 products of each of 4 algorithms and the first trial of the refused one; round 1 begins with the first.
  fake_cuda::fail_call("cublasLtMatmul", 4 * 6 + 1 + 1);
  EXPECT_EQ(algorithm_of(), Algorithm::kElements);
  EXPECT_EQ(fake_cuda::failed_call(), "cublasLtMatmul");
}

TEST_F(NvidiaMatmul, AlgorithmsAreTimedOnAnIdleDevice) {
  const kernels::CudaContext context;
  const std::int64_t before = fake_cuda::disturbed_times();
  const cuda::Buffer work(1024);
  cuda::set_zero(work.data(), work.bytes(), context.stream());
  algorithm_in(context);
  EXPECT_EQ(fake_cuda::disturbed_times(), before);

  // The same in a capture, before which steps were started.
  cuda::set_zero(work.data(), work.bytes(), context.stream());
  context.stream().begin_capture();
  const cuda::Buffer operands(65536);
  cuda::matmul(context, {.c = operands.data(),
                         .a = operands.data(),
                         .b = operands.data(),
                         .m = 16,
                         .n = 8,
                         .k = 4,
                         .dtype = DType::kFloat32});
  context.stream().abandon_capture();
  EXPECT_EQ(fake_cuda::disturbed_times(), before);
}

TEST_F(NvidiaMatmul, ErrorsNameTheProduct) {
  const kernels::CudaContext context;
  const cuda::Buffer x(1024);
  const cuda::Matmul args{
      .c = x.data(), .a = x.data(), .b = x.data(), .m = 2, .n = 3, .k = 4, .dtype = DType::kFloat32};
  fake_cuda::fail_call("cublasLtMatmulAlgoGetHeuristic", 1, 15);
  EXPECT_EQ(testing::message_of([&] { cuda::matmul(context, args); }),
            "cuda: cublasLtMatmulAlgoGetHeuristic of [2, 4] and [4, 3]: CUBLAS_STATUS_NOT_SUPPORTED");
  cuda::Matmul integers = args;
  integers.dtype = DType::kInt32;
  EXPECT_NE(testing::message_of([&] { cuda::matmul(context, integers); }).find("no CUDA implementation for dtype"),
            std::string::npos);
}

TEST_F(NvidiaMatmul, ASumOfNothingIsZero) {
  const kernels::CudaContext context;
  EXPECT_EQ(error_of(context, {.k = 0}), 0);
  EXPECT_EQ(error_of(context, {.accumulate = true, .k = 0}), 0);
}

TEST_F(NvidiaMatmul, EachFailingCallIsReportedAndLeavesNothing) {
  fake_cuda::set_compute(false);
  const auto run = [&] {
    std::filesystem::remove(path_);
    const kernels::CudaContext context;
    error_of(context, {.bias = true, .m = 2, .n = 2, .k = 2});
  };
  // An allocation is tried again. A trial that does not run, and a choice that cannot be checked, are left out.
  const auto silent = [](const std::string& call) {
    return call == "cudaMalloc" || call == "cublasLtMatmul" || call == "cublasLtMatmulDescSetAttribute" ||
           call == "cublasLtMatmulAlgoCheck";
  };
  EXPECT_EQ(testing::unreported_failures(run, silent), std::vector<std::string>{});
  fake_cuda::set_compute(true);
}

}  // namespace
}  // namespace attune
