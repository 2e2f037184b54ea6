// The ops that make a batch out of integers, on the CPU and, where there is one, on the CUDA device.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "kernels/position_ids.h"
#include "tests/ops/cuda_backend.h"
#include "tests/ops/device_array.h"

namespace attune::testing {
namespace {

using Ints = std::vector<std::int32_t>;

class BatchOps : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) return;
    if (!cuda::available()) GTEST_SKIP() << "no GPU, and ATTUNE_SIMULATE_GPU=1 is not set";
    cuda_ = std::make_unique<CudaBackend>();
  }
  Backend& backend() { return GetParam() ? *cuda_ : cpu_backend(); }

 private:
  std::unique_ptr<CudaBackend> cuda_;
};

TEST_P(BatchOps, PositionIdsCountWhatIsNotPadding) {
  std::mt19937 engine(5);
  for (const std::int32_t padding : {1, 0, 7})
    for (const Ints& lengths : {Ints{1}, Ints{0}, Ints{5, 0, 32, 31, 33, 1}, Ints{64, 513, 0, 200}}) {
      Ints ids, offsets{0}, expected;
      for (const std::int32_t length : lengths) {
        std::int32_t counted = 0;
        for (std::int32_t t = 0; t < length; ++t) {
          ids.push_back(engine() % 3 == 0 ? padding : static_cast<std::int32_t>(8 + engine() % 50));
          counted += ids.back() == padding ? 0 : 1;
          expected.push_back(ids.back() == padding ? padding : padding + counted);
        }
        offsets.push_back(static_cast<std::int32_t>(ids.size()));
      }
      const DeviceArray<std::int32_t> on_ids(backend(), ids), on_offsets(backend(), offsets), out(backend(), Ints(ids.size(), -1));
      run_on(backend(), [&](const auto& context) {
        position_ids(context, {.out = out.data(), .ids = on_ids.data(), .offsets = on_offsets.data(),
                               .sequences = static_cast<std::int64_t>(lengths.size()), .padding_id = padding});
      });
      EXPECT_EQ(out.values(), expected);
    }
}

INSTANTIATE_TEST_SUITE_P(Backends, BatchOps, ::testing::Values(false, true),
                         [](const auto& test) { return test.param ? "Cuda" : "Cpu"; });

}  // namespace
}  // namespace attune::testing
