// Blocks of host memory: alignment, reuse, and what happens where there is no more.
#include "engine/tensor/storage.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "base/check.h"

namespace attune::testing {
namespace {

TEST(Storage, IsAlignedAndApart) {
  std::vector<std::shared_ptr<Storage>> blocks;
  std::set<std::byte*> addresses;
  for (const std::size_t bytes : {0, 1, 63, 64, 65, 1000, 4097}) {
    blocks.push_back(Storage::allocate(bytes, Device::kCpu));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back()->data()) % 64, 0U);
    EXPECT_EQ(blocks.back()->device(), Device::kCpu);
    zero_bytes({blocks.back()->data(), Device::kCpu}, bytes);
    addresses.insert(blocks.back()->data());
  }
  EXPECT_EQ(addresses.size(), blocks.size());
}

#ifndef ATTUNE_SANITIZED
TEST(Storage, FreedBlocksAreHandedOutAgain) {
  constexpr std::size_t kBytes = 123456;
  std::byte* const before = Storage::allocate(kBytes, Device::kCpu)->data();
  EXPECT_EQ(Storage::allocate(kBytes, Device::kCpu)->data(), before);
}
#endif

TEST(Storage, BlocksOfSeveralThreadsAreApart) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      std::vector<std::shared_ptr<Storage>> blocks;
      for (std::size_t i = 1; i <= 1000; ++i) {
        const std::size_t bytes = i * 97 % 5000 + 1;
        blocks.push_back(Storage::allocate(bytes, Device::kCpu));
        std::memset(blocks.back()->data(), t, bytes);
        if (i % 3 == 0) blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(i * 31 % blocks.size()));
      }
      for (const auto& block : blocks) EXPECT_EQ(block->data()[0], static_cast<std::byte>(t));
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(Storage, ExhaustedMemoryNamesTheSize) {
  constexpr std::size_t kBytes = std::size_t{1} << 60;
  try {
    (void)Storage::allocate(kBytes, Device::kCpu);
    FAIL() << "2^60 bytes were allocated";
  } catch (const OutOfMemory& error) {
    EXPECT_NE(std::string(error.what()).find("1152921504606846976 bytes"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace attune::testing
