// Batches of a store are those put together row by row, on the CPU and, where there is one, on the CUDA device.
#include "engine/train/example_store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/cuda/device_info.h"
#include "tests/kernels/oracles/gather_batch.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Ids = std::vector<std::int32_t>;

Dataset examples() {
  return Dataset::from("examples", {{1, 2, 3}, {}, {4}, {5, 6, 7, 8, 9}, {3, 3}},
                       Tensor::from(Ids{0, 1, 2, 3, 4}, {5}));
}
ExampleStore store_of(const BatchForm& form, Device device = Device::kCpu, std::int64_t row_multiple = 1) {
  return ExampleStore(examples(), form, device, row_multiple);
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

TEST(ExampleStores, BatchesAreThosePutTogetherOnTheHost) {
  const Ids chosen = {3, 1, 4, 0};
  for (const Device device : devices())
    for (const bool packed : {false, true})
      for (const std::int64_t max_length : {0, 2, 8}) {
        const BatchForm form{.max_length = max_length, .pad_id = 99, .packed = packed, .mask = true};
        const oracle::Batch expected = oracle::gather_batch(examples(), form, chosen);
        const ExampleStore store = store_of(form, device);
        const LabelledBatch found = store.batch(chosen);
        EXPECT_EQ(values(found.tokens.ids), expected.ids);
        EXPECT_EQ(values(found.tokens.lengths), expected.lengths);
        EXPECT_EQ(values(found.labels), expected.labels);
        EXPECT_FALSE(found.tokens.type_ids.defined());
        EXPECT_EQ(found.tokens.count(), 4);
        EXPECT_EQ(found.shape.rows, static_cast<std::int64_t>(expected.ids.size()));
        EXPECT_EQ(found.shape.padded_length, expected.padded_length);
      }
}

TEST(ExampleStores, PackedBatchesAreFilledUpToAMultiple) {
  for (const Device device : devices()) {
    const ExampleStore store = store_of({.pad_id = 99, .packed = true}, device, 4);
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
  EXPECT_EQ(store_of({.packed = true}, Device::kCpu, 64).shape_of(Ids{2}).rows, 5);
}

TEST(ExampleStores, LabelsKeepTheirTypeAndWidth) {
  Dataset dataset = examples();
  dataset.labels = Tensor::from(std::vector<float>{0, 1, 1, 0.5F, -2, 3, 4, 5, 6, 7}, {5, 2});
  dataset.type_ids = Tensor::from(Ids{0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1}, {11});
  for (const Device device : devices()) {
    const LabelledBatch batch = ExampleStore(dataset, {.packed = true}, device).batch(Ids{3, 1, 0});
    EXPECT_EQ(batch.labels.shape(), (Shape{3, 2}));
    const Tensor labels = batch.labels.to(Device::kCpu);
    EXPECT_TRUE(std::ranges::equal(labels.values<float>(), std::vector<float>{4, 5, 1, 0.5F, 0, 1}));
    EXPECT_EQ(values(batch.tokens.type_ids), (Ids{0, 0, 1, 1, 1, 0, 0, 0, 1}));
  }
  dataset.labels = {};
  EXPECT_FALSE(ExampleStore(dataset, {}, Device::kCpu).batch(Ids{0}).labels.defined());
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
  Dataset damaged = examples();
  damaged.labels = Tensor::from(Ids{1, 2}, {2});
  EXPECT_NE(message_of([&] { ExampleStore(damaged, {}, Device::kCpu); }).find("labels of shape [2] for 5 examples"),
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
