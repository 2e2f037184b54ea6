// Casts on the CUDA backend give the bits of the CPU's, for every bfloat16 and around every tie.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/bfloat16.h"
#include "kernels/cast.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"

namespace attune::testing {
namespace {

using namespace kernels;

// Every NaN counts as the same.
template <class T>
std::vector<float> as_floats(const std::vector<T>& x) {
  std::vector<float> out(x.size());
  cast(CpuContext{}, {.y = out.data(),
                      .x = x.data(),
                      .n = static_cast<std::int64_t>(x.size()),
                      .to = DType::kFloat32,
                      .from = dtype_of<T>::value});
  for (float& value : out)
    if (std::isnan(value)) value = 12345.0f;
  return out;
}

template <class To, class From>
void expect_same(const std::vector<From>& x) {
  const CudaContext context;
  const auto& stream = context.stream();
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<To> expected(x.size()), y(x.size());
  Cast args{.y = expected.data(), .x = x.data(), .n = n, .to = dtype_of<To>::value, .from = dtype_of<From>::value};
  cast(CpuContext{}, args);
  const cuda::Buffer in(x.size() * sizeof(From)), out(x.size() * sizeof(To));
  cuda::copy_to_device(in.data(), x.data(), in.bytes(), stream);
  args.x = in.data(), args.y = out.data();
  cast(context, args);
  cuda::copy_to_host(y.data(), out.data(), out.bytes(), stream);
  stream.synchronize();
  const std::vector<float> a = as_floats(y), b = as_floats(expected);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_TRUE(a[i] == b[i] && std::signbit(a[i]) == std::signbit(b[i])) << i;
}

TEST(CudaCast, SameBitsAsTheCpu) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  std::vector<BFloat16> all;
  std::vector<float> around;
  const std::uint32_t low[] = {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u};
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    all.push_back({static_cast<std::uint16_t>(bits)});
    around.push_back(std::bit_cast<float>(bits << 16 | low[bits % 5]));
  }
  all.pop_back(), around.pop_back();  // an odd number of them
  for (std::size_t n : {all.size(), all.size() / 8 * 8, std::size_t{8}, std::size_t{7}}) {
    all.resize(n), around.resize(n);
    expect_same<float>(all);
    expect_same<BFloat16>(all);
    expect_same<BFloat16>(around);
    expect_same<float>(around);
  }
}

TEST(CudaCast, NothingIsNoWork) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  const CudaContext context;
  cast(context, {.y = nullptr, .x = nullptr, .n = 0, .to = DType::kFloat32, .from = DType::kBFloat16});
  context.stream().synchronize();
}

}  // namespace
}  // namespace attune::testing
