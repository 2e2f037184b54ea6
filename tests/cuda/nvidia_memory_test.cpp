// Memory, copies and streams of kernels/cuda/nvidia.
#include <numeric>

#include "tests/cuda/nvidia_fixture.h"

namespace attune {
namespace {

using NvidiaMemory = testing::NvidiaTest;

std::vector<int> counted(std::size_t count) {
  std::vector<int> out(count);
  std::iota(out.begin(), out.end(), 1);
  return out;
}

TEST_F(NvidiaMemory, CopiesArriveWhenTheStreamIsWaitedFor) {
  const cuda::Stream stream;
  const std::vector<int> host = counted(1000);
  const std::size_t bytes = host.size() * sizeof(int);
  const cuda::Buffer first(bytes), second(bytes);
  std::vector<int> out(host.size());
  cuda::copy_to_device(first.data(), host.data(), bytes, stream);
  cuda::copy_on_device(second.data(), first.data(), bytes, stream);
  cuda::set_zero(first.data(), 4, stream);
  cuda::copy_to_host(out.data(), second.data(), bytes, stream);
  EXPECT_EQ(out, std::vector<int>(host.size(), -1));  // nothing ran yet
  stream.synchronize();
  EXPECT_EQ(out, host);
}

TEST_F(NvidiaMemory, TheSourceOfACopyMayChangeAtOnce) {
  const cuda::Stream stream;
  for (const std::size_t count :
       {std::size_t{1}, std::size_t{16} << 10, (std::size_t{16} << 10) + 1, std::size_t{1} << 20}) {
    const std::vector<int> expected = counted(count);
    std::vector<int> host = expected, out(count);
    const cuda::Buffer buffer(count * sizeof(int));
    cuda::copy_to_device(buffer.data(), host.data(), buffer.bytes(), stream);
    host.assign(count, 0);
    host = {};
    cuda::copy_to_host(out.data(), buffer.data(), buffer.bytes(), stream);
    stream.synchronize();
    EXPECT_TRUE(out == expected) << count;
  }
}

TEST_F(NvidiaMemory, EachFailingCallIsReportedAndLeavesNothing) {
  const std::vector<int> host = counted(100000);
  std::vector<int> out(host.size());
  const auto run = [&] {
    const cuda::Stream stream;
    const cuda::Buffer first(host.size() * sizeof(int)), second(first.bytes());
    cuda::copy_to_device(first.data(), host.data(), first.bytes(), stream);
    cuda::copy_on_device(second.data(), first.data(), first.bytes(), stream);
    cuda::set_zero(first.data(), first.bytes(), stream);
    cuda::copy_to_host(out.data(), second.data(), first.bytes(), stream);
    stream.synchronize();
    cuda::free_bytes();
  };
  const auto silent = [](const std::string& call) { return call == "cudaMalloc"; };  // it is tried again
  EXPECT_EQ(testing::unreported_failures(run, silent), std::vector<std::string>{});
}

}  // namespace
}  // namespace attune
