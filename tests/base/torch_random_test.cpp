// PyTorch's and NumPy's streams against golden/streams.json (shuffles with their evaluations: tests/engine/data; heads
// and initialisers with their digests: tests/engine/nn).
#include "base/torch_random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <string>

#include "base/check.h"
#include "base/parallel.h"
#include "json/value.h"
#include "tests/support/data.h"
#include "tests/support/failing_allocation.h"

namespace attune {
namespace {

// Doubles the permutation: p[p[k]].
std::vector<std::int32_t> doubled(const std::vector<std::int32_t>& p) {
  std::vector<std::int32_t> out;
  for (std::int32_t i : p) out.push_back(p[static_cast<std::size_t>(i)]);
  return out;
}

void expect_prefix(const std::vector<std::int32_t>& actual, const json::Value& golden) {
  const auto expected = golden.items();
  ASSERT_GE(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(actual[i], expected[i].integer()) << "at " << i;
}

class Streams : public ::testing::Test {
 protected:
  void SetUp() override {
    ATTUNE_DATA_OR_SKIP(data);
    golden_ = json::read((data / "golden" / "streams.json").string());
  }
  json::Value golden_;
};

TEST_F(Streams, Int64Draws) {
  TorchGenerator generator(123);
  for (const json::Value& expected : golden_["int64_draws"].items())
    EXPECT_EQ(generator.random_int64(), expected.integer());
}

TEST_F(Streams, UniformIsExact) {
  TorchGenerator generator(123);
  const auto expected = golden_["rand"].items();
  std::vector<float> x(expected.size());
  generator.uniform(x, 0, 1);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i], static_cast<float>(expected[i].number()));
}

TEST_F(Streams, NormalsWithinTheLastBits) {
  for (const char* name : {"normal_64", "normal_37", "normal_8", "trunc_normal_64"}) {
    const auto expected = golden_[name].items();
    const float stddev = 0.02f;
    TorchGenerator generator(123);
    std::vector<float> x(expected.size());
    if (std::string(name).starts_with("trunc"))
      generator.trunc_normal(x, stddev);
    else
      generator.normal(x, 0, stddev);
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(x[i], static_cast<float>(expected[i].number()), 6e-7f * stddev) << name << " " << i;
  }
}

// Many pieces of the parallel loop, with and without a last block of its own.
TEST(TorchRandom, TruncatedNormalsAreThoseOfWholeRedraws) {
  const int before = num_threads();
  for (const std::size_t size : {9u, 16u, 40000u, 50009u}) {
    set_num_threads(1);
    TorchGenerator generator(7);
    std::vector<float> expected(size), redrawn(size);
    const auto outside = [](float x) { return x < -1.0f || x > 1.0f; };
    generator.normal(expected, 0, 0.5f);
    while (std::any_of(expected.begin(), expected.end(), outside)) {
      generator.normal(redrawn, 0, 0.5f);
      for (std::size_t i = 0; i < size; ++i)
        if (outside(expected[i])) expected[i] = redrawn[i];
    }
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      TorchGenerator again(7);
      std::vector<float> x(size);
      again.trunc_normal(x, 0.5f);
      EXPECT_EQ(x, expected) << size << " with " << threads << " threads";
      EXPECT_EQ(again.state(), generator.state()) << size;
    }
  }
  set_num_threads(before);
}

TEST_F(Streams, Permutations) {
  expect_prefix(TorchGenerator(0).permutation(10), golden_["randperm_seed0_n10"]);
  const auto reviews = numpy_permutation(123, 50000);
  expect_prefix(reviews, golden_["numpy"]["permutation_50000"]["first"]);
  expect_prefix(doubled(reviews), golden_["numpy"]["permutation_50000"]["doubly_first"]);
  expect_prefix(numpy_permutation(123, 4825), golden_["numpy"]["permutation_4825"]);
  expect_prefix(numpy_permutation(123, 1494), golden_["numpy"]["permutation_1494"]);
}

TEST(TorchRandom, PublishedPermutations) {
  EXPECT_EQ(TorchGenerator(0).permutation(10), (std::vector<std::int32_t>{4, 1, 7, 5, 3, 9, 0, 8, 6, 2}));
  EXPECT_EQ(numpy_permutation(42, 10), (std::vector<std::int32_t>{8, 1, 5, 0, 7, 2, 9, 4, 3, 6}));
  EXPECT_TRUE(TorchGenerator(1).permutation(0).empty());
}

TEST(TorchGenerators, GoOnFromTheirState) {
  TorchGenerator generator(5);
  std::vector<float> draws(3), again(3);
  generator.random32();
  generator.normal(draws, 0, 1);  // leaves a cached normal
  const std::string state = generator.state();
  TorchGenerator other(6);
  other.restore(state);
  EXPECT_EQ(other.state(), state);
  generator.normal(draws, 0, 1);
  other.normal(again, 0, 1);
  EXPECT_EQ(draws, again);
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(generator.random32(), other.random32());
  const std::string end = other.state();
  for (const std::string& text :
       {std::string(), std::string("1 2 3"), state + " 1", state + " x", state.substr(0, state.size() / 2)})
    EXPECT_THROW(other.restore(text), Error) << text;
  std::string beyond = state;  // a position that the words do not have
  beyond.replace(beyond.rfind(' ', beyond.rfind(' ', beyond.rfind(' ') - 1) - 1), 1, " 900");
  EXPECT_THROW(other.restore(beyond), Error);
  EXPECT_EQ(other.state(), end);
}

// A cut state would be saved, and found only when the run is resumed.
TEST(TorchGenerators, AStateIsWholeOrThereIsNoMemory) {
  const TorchGenerator generator(5);
  const std::string whole = generator.state();
  int failures = 0;
  for (;; ++failures) {
    testing::fail_allocation(failures);
    try {
      const std::string state = generator.state();
      testing::fail_allocation(-1);
      ASSERT_TRUE(state == whole) << state << " when allocation " << failures << " failed";
      break;
    } catch (const std::bad_alloc&) {
    }
  }
  EXPECT_GE(failures, 2);
}

}  // namespace
}  // namespace attune
