// Work on the second stream: it is done when the scope ends, what it reads lives until then, and graphs hold it.
#include "engine/tensor/side_work.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/tensor/captured_work.h"
#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

class SideWorkTest : public OnDevice {
 protected:
  static Tensor on_device(float value) { return Tensor::from(std::vector<float>{value}, {1}).to(Device::kCuda); }
  static void copy_aside(const Tensor& to, const Tensor& from) {
    SideWork::current()->run({from}, [&](const kernels::CudaContext& side) {
      cuda::copy_on_device(to.raw(), from.raw(), from.bytes(), side.stream());
    });
  }
  /// To one sum, of two rows of one column.
  static void sum_rows(SideWork& side, const Tensor& sum, const Tensor& x,
                       kernels::GradMode mode = kernels::GradMode::kWrite) {
    side.sum_columns({.out = {sum.raw(), mode},
                      .second = {},
                      .x = x.raw(),
                      .rows = 2,
                      .channels = 1,
                      .row_stride = 1,
                      .dtype = DType::kFloat32},
                     x);
  }
};

TEST_F(SideWorkTest, IsDoneAfterTheScope) {
  EXPECT_EQ(SideWork::current(), nullptr);
  std::vector<Tensor> copies;
  {
    SideWork outer;
    SideWork inner;  // adds to the outer one
    for (int i = 0; i < 20; ++i) {
      copies.push_back(on_device(-1));
      copy_aside(copies.back(), on_device(static_cast<float>(i)));  // the source dies at once
      on_device(100);                                               // and its memory is wanted again
    }
  }
  EXPECT_EQ(SideWork::current(), nullptr);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(copies[static_cast<std::size_t>(i)].to(Device::kCpu).item(), i);
}

TEST_F(SideWorkTest, FollowsWhatTheMainStreamWasGivenBefore) {
  const Tensor x = on_device(1), y = on_device(0);
  {
    const SideWork side;
    x.copy_from(on_device(7));
    copy_aside(y, x);
  }
  EXPECT_EQ(y.to(Device::kCpu).item(), 7);
}

TEST_F(SideWorkTest, IsWaitedForAfterAnErrorToo) {
  const Tensor y = on_device(0);
  try {
    SideWork side;
    const Tensor x = on_device(3);  // dies before the scope does
    side.run({x}, [&](const kernels::CudaContext& context) {
      cuda::copy_on_device(y.raw(), x.raw(), x.bytes(), context.stream());
      throw Error("planted");
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "planted");
  }
  EXPECT_EQ(SideWork::current(), nullptr);
  EXPECT_EQ(y.to(Device::kCpu).item(), 3);
}

TEST_F(SideWorkTest, MayNotAllocate) {
  SideWork side;
  EXPECT_THROW(
      side.run({}, [](const kernels::CudaContext& context) { const cuda::Scratch scratch(4, context.stream()); }),
      Error);
}

TEST_F(SideWorkTest, SumsWaitForEachOtherAndForTheEnd) {
  std::vector<Tensor> sums;
  {
    SideWork side;
    for (int i = 0; i < 20; ++i) {
      sums.push_back(on_device(-1));
      const Tensor x = Tensor::from(std::vector<float>{static_cast<float>(i), 100}, {2, 1}).to(Device::kCuda);
      sum_rows(side, sums.back(), x);  // dies at once
      on_device(7);                    // and its memory is wanted again
    }
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].to(Device::kCpu).item(), 100 + i);
}

// Two sums into one output are one after the other: the second adds.
TEST_F(SideWorkTest, SumsOfOneOutputAreInOrder) {
  const Tensor sum = on_device(-1);
  const Tensor x = Tensor::from(std::vector<float>{3, 4}, {2, 1}).to(Device::kCuda);
  {
    SideWork side;
    using kernels::GradMode;
    for (const GradMode mode : {GradMode::kWrite, GradMode::kAccumulate, GradMode::kAccumulate})
      sum_rows(side, sum, x, mode);
  }
  EXPECT_EQ(sum.to(Device::kCpu).item(), 21);
}

TEST_F(SideWorkTest, SumsArePartOfACapture) {
  const Tensor sum = on_device(0), x = Tensor::from(std::vector<float>{3, 4}, {2, 1}).to(Device::kCuda);
  const CapturedWork work([&] {
    SideWork side;
    sum_rows(side, sum, x);
  });
  EXPECT_EQ(sum.to(Device::kCpu).item(), 0);  // only recorded
  work.replay();
  EXPECT_EQ(sum.to(Device::kCpu).item(), 7);
  x.copy_from(Tensor::from(std::vector<float>{5, 6}, {2, 1}).to(Device::kCuda));
  work.replay();
  EXPECT_EQ(sum.to(Device::kCpu).item(), 11);
}

TEST_F(SideWorkTest, IsPartOfACapture) {
  const Tensor x = on_device(1), y = on_device(0), z = on_device(0);
  const CapturedWork twice([&] {
    {
      const SideWork side;
      copy_aside(y, x);
    }
    z.copy_from(y);
  });
  EXPECT_EQ(y.to(Device::kCpu).item(), 0);  // only recorded
  twice.replay();
  EXPECT_EQ(z.to(Device::kCpu).item(), 1);
  x.copy_from(on_device(5));
  twice.replay();
  EXPECT_EQ(z.to(Device::kCpu).item(), 5);
}

}  // namespace
}  // namespace attune::testing
