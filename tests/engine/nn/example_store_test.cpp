// Batches of a store are those put together row by row, on the CPU and, where there is one, on the CUDA device.
#include "engine/nn/example_store.h"

#include <gtest/gtest.h>

#include "kernels/cuda/runtime.h"
#include "tests/support/collator.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Ids = std::vector<std::int32_t>;

Dataset examples() {
  return {.name = "examples", .ids = {{1, 2, 3}, {}, {4}, {5, 6, 7, 8, 9}, {3, 3}}, .labels = {0, 1, 2, 3, 4}};
}
ExampleStore store_of(const BatchForm& form, Device device = Device::kCpu) {
  const Dataset all = examples();
  return ExampleStore(all.ids, all.labels, form, device);
}
Ids values(const Tensor& x) {
  const Tensor host = x.to(Device::kCpu);
  return {host.values<std::int32_t>().begin(), host.values<std::int32_t>().end()};
}

std::vector<Device> devices() {
  std::vector<Device> out = {Device::kCpu};
  if (cuda::available()) out.push_back(Device::kCuda);
  return out;
}

TEST(ExampleStores, BatchesAreTheCollators) {
  const Ids chosen = {3, 1, 4, 0};
  for (const Device device : devices())
    for (const bool packed : {false, true})
      for (const std::int64_t max_length : {0, 2, 8}) {
        const Batch expected = Collator{.max_length = max_length, .pad_id = 99, .packed = packed}(examples(), chosen);
        const ExampleStore store =
            store_of({.max_length = max_length, .pad_id = 99, .packed = packed, .mask = true}, device);
        const LabelledBatch found = store.batch(chosen);
        EXPECT_EQ(values(found.tokens.ids), expected.ids);
        EXPECT_EQ(values(found.tokens.lengths), expected.lengths);
        EXPECT_EQ(values(found.labels), expected.labels);
        EXPECT_EQ(found.tokens.count(), 4);
        EXPECT_EQ(found.shape.rows, static_cast<std::int64_t>(expected.ids.size()));
        EXPECT_EQ(found.shape.padded_length, expected.padded_length);
      }
}

TEST(ExampleStores, PackedBatchesAreFilledUpToAMultiple) {
  for (const Device device : devices()) {
    const ExampleStore store = store_of({.pad_id = 99, .packed = true, .row_multiple = 4}, device);
    const LabelledBatch batch = store.batch(Ids{0, 2});
    EXPECT_EQ(values(batch.tokens.ids), (Ids{1, 2, 3, 4}));  // just full
    const LabelledBatch filled = store.batch(Ids{3});
    EXPECT_EQ(values(filled.tokens.ids), (Ids{5, 6, 7, 8, 9, 99, 99, 99}));
    EXPECT_EQ(values(filled.tokens.sequences.offsets), (Ids{0, 5, 8}));
    EXPECT_EQ(values(filled.tokens.sequences.key_lengths), (Ids{5, 0}));
    EXPECT_EQ(filled.shape, store.shape_of(Ids{3}));
    EXPECT_NE(filled.shape, batch.shape);
  }
  // No more than the longest example may be rows that only fill up.
  EXPECT_EQ(store_of({.packed = true, .row_multiple = 64}).shape_of(Ids{2}).rows, 5);
}

TEST(ExampleStores, AMaskOnlyWhereAskedFor) {
  EXPECT_FALSE(store_of({.mask = false}).batch(Ids{0, 1}).tokens.sequences.key_lengths.defined());
  EXPECT_TRUE(store_of({.mask = true}).batch(Ids{0, 1}).tokens.sequences.key_lengths.defined());
}

TEST(ExampleStores, CountsTokens) {
  EXPECT_EQ(store_of({}).tokens_of(Ids{0, 1, 3}), 8);
  EXPECT_EQ(store_of({.max_length = 2}).tokens_of(Ids{0, 1, 3}), 4);
}

TEST(ExampleStores, Mistakes) {
  const Dataset all = examples();
  EXPECT_NE(message_of([&] {
              ExampleStore(all.ids, Ids{1, 2}, {}, Device::kCpu);
            }).find("2 labels for 5 examples"),
            std::string::npos);
  EXPECT_NE(message_of([] { (void)store_of({}).batch(Ids{5}); }).find("no example 5 of 5"), std::string::npos);
  EXPECT_THROW((void)store_of({}).batch(Ids{}), Error);
  // Beyond what row keys can name.
  EXPECT_NO_THROW((void)store_of({.packed = true}).shape_of(Ids(65536, 0)));
  EXPECT_THROW((void)store_of({.packed = true}).shape_of(Ids(65537, 0)), Error);
  EXPECT_NO_THROW((void)store_of({.max_length = 65536}).shape_of(Ids{0}));
  EXPECT_THROW((void)store_of({.max_length = 65537}).shape_of(Ids{0}), Error);
}

}  // namespace
}  // namespace attune::testing
