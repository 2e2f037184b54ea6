// How examples become batches.
#include "engine/data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/oracles/gather_batch.h"
#include "tests/support/message_of.h"
#include "tests/support/words_of.h"

namespace attune::testing {
namespace {

using Ids = std::vector<std::int32_t>;

Dataset examples() {
  return Dataset::from("examples", {{1, 2, 3}, {}, {4}, {5, 6, 7, 8, 9}}, Tensor::from(Ids{0, 1, 2, 3}, {4}));
}

oracle::Batch batch_of(const BatchForm& form, const Ids& rows) {
  return oracle::gather_batch(examples(), form, rows);
}

TEST(Collator, PaddedToTheLongestOfTheBatch) {
  const oracle::Batch batch = batch_of({.pad_id = 99}, {2, 0});
  EXPECT_EQ(batch.ids, (Ids{4, 99, 99, 1, 2, 3}));
  EXPECT_EQ(batch.lengths, (Ids{1, 3}));
  EXPECT_EQ(batch.labels, (Ids{2, 0}));
  EXPECT_EQ(batch.padded_length, 3);
}

TEST(Collator, PaddedAndCutToAFixedLength) {
  const oracle::Batch batch = batch_of({.max_length = 4, .pad_id = 99}, {3, 0});
  EXPECT_EQ(batch.ids, (Ids{5, 6, 7, 8, 1, 2, 3, 99}));
  EXPECT_EQ(batch.lengths, (Ids{4, 3}));
  EXPECT_EQ(batch.padded_length, 4);
  EXPECT_EQ(batch_of({.max_length = 4, .pad_id = 99}, {2}).ids, (Ids{4, 99, 99, 99}));
}

TEST(Collator, Packed) {
  const oracle::Batch whole = batch_of({.pad_id = 99, .packed = true}, {3, 2, 0});
  EXPECT_EQ(whole.ids, (Ids{5, 6, 7, 8, 9, 4, 1, 2, 3}));
  EXPECT_EQ(whole.lengths, (Ids{5, 1, 3}));
  EXPECT_EQ(whole.padded_length, 0);
  const oracle::Batch cut = batch_of({.max_length = 2, .pad_id = 99, .packed = true}, {3, 2, 0});
  EXPECT_EQ(cut.ids, (Ids{5, 6, 4, 1, 2}));
  EXPECT_EQ(cut.lengths, (Ids{2, 1, 2}));
}

TEST(Collator, AnEmptyExampleIsPadding) {
  const oracle::Batch padded = batch_of({.pad_id = 99}, {1, 2});
  EXPECT_EQ(padded.ids, (Ids{99, 4}));
  EXPECT_EQ(padded.padded_length, 1);
  EXPECT_EQ(batch_of({.pad_id = 99}, {1}).ids, (Ids{99}));
  const oracle::Batch packed = batch_of({.pad_id = 99, .packed = true}, {1, 2});
  EXPECT_EQ(packed.ids, (Ids{99, 4}));
  EXPECT_EQ(packed.lengths, (Ids{1, 1}));
}

TEST(Collator, ExamplesWithoutLabels) {
  EXPECT_TRUE(oracle::gather_batch(Dataset::from("x", {{1}, {2}}), {}, Ids{0, 1}).labels.empty());
}

TEST(Datasets, AreFlat) {
  const Dataset dataset = examples();
  EXPECT_EQ(words_of(dataset.ids), (Ids{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_TRUE(std::ranges::equal(dataset.starts.values<std::int64_t>(), std::vector<std::int64_t>{0, 3, 3, 4, 9}));
  EXPECT_EQ(dataset.length(1), 0);
  EXPECT_EQ(dataset.length(3), 5);
  EXPECT_NO_THROW(dataset.check());
  EXPECT_NO_THROW(Dataset::from("none", {}).check());
}

TEST(Datasets, DamageIsNamed) {
  const auto complaint = [](const auto& damage) {
    Dataset dataset = examples();
    damage(dataset);
    return message_of([&] { dataset.check(); });
  };
  const auto expect = [&](const auto& damage, const char* what) {
    const std::string message = complaint(damage);
    EXPECT_TRUE(message.starts_with("examples: ")) << message;
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  expect([](Dataset& x) { x.ids = {}; }, "the ids of a data set");
  expect([](Dataset& x) { x.starts = x.ids; }, "the starts of a data set");
  expect([](Dataset& x) { x.ids = x.ids.rows(0, 8); }, "do not rise from 0 to the number of ids, 8");
  expect([](Dataset& x) { x.starts.values<std::int64_t>()[1] = 4; }, "do not rise");
  expect([](Dataset& x) { x.starts.values<std::int64_t>()[0] = 1; }, "do not rise");
  expect([](Dataset& x) { x.type_ids = x.ids.rows(0, 8); }, "segments of the ids have shape [8], the ids [9]");
  expect([](Dataset& x) { x.labels = x.labels.rows(0, 3); }, "labels of shape [3] for 4 examples");
  expect([](Dataset& x) { x.labels = Tensor::zeros({4, 2}, DType::kInt32); }, "not int32 [4, 2]");
  expect([](Dataset& x) { x.labels = Tensor::zeros({4}, DType::kFloat32); }, "not float32 [4]");
}

TEST(Datasets, TheLongestExample) {
  EXPECT_EQ(examples().longest(), 5);
  EXPECT_EQ(examples().size(), 4);
  EXPECT_EQ(Dataset{}.longest(), 0);
}

}  // namespace
}  // namespace attune::testing
