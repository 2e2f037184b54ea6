// What a batch's tensors must be is checked before anything is gathered; what is gathered, tests/kernels/batch_ops_test.cpp.
#include "engine/ops/gather_batch.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Ids = std::vector<std::int32_t>;

// Two examples of three and one tokens, both chosen, in three padded rows each.
struct Case {
  ops::TokenStore from{.ids = Tensor::from(Ids{1, 2, 3, 4}, {4}),
                       .starts = Tensor::from(std::vector<std::int64_t>{0, 3, 4}, {3}),
                       .type_ids = Tensor::from(Ids{0, 0, 1, 0}, {4}),
                       .labels = Tensor::from(std::vector<float>{0.5F, 1, 2, 3}, {2, 2})};
  ops::ChosenExamples chosen{Tensor::from(Ids{1, 0}, {2}), Tensor::from(Ids{1, 0}, {2})};
  ops::GatheredBatch to{.ids = ints(6),
                        .type_ids = ints(6),
                        .positions = ints(6),
                        .row_keys = ints(6),
                        .offsets = ints(3),
                        .key_lengths = ints(2),
                        .lengths = ints(2),
                        .labels = Tensor::zeros({2, 2}, DType::kFloat32)};
  ops::GatherLayout layout{.padded_length = 3, .max_length = 0, .pad_id = 9};

  static Tensor ints(std::int64_t n) { return Tensor::zeros({n}, DType::kInt32); }
  void run() const { ops::gather_batch(to, from, chosen, layout); }
};

TEST(GatherBatchOp, Gathers) {
  const Case batch;
  batch.run();
  const auto ids = batch.to.ids.values<std::int32_t>(), types = batch.to.type_ids.values<std::int32_t>();
  EXPECT_EQ(Ids(ids.begin(), ids.end()), (Ids{4, 9, 9, 1, 2, 3}));
  EXPECT_EQ(Ids(types.begin(), types.end()), (Ids{0, 0, 0, 0, 0, 1}));
  const auto labels = batch.to.labels.values<float>();
  EXPECT_EQ(std::vector<float>(labels.begin(), labels.end()), (std::vector<float>{2, 3, 0.5F, 1}));
}

// Both examples are windows of one text, the third of those that have labels.
TEST(GatherBatchOp, LabelsMayBelongToOthers) {
  Case batch;
  batch.from.labels = Tensor::from(std::vector<float>{0, 1, 2, 3, 4, 5}, {3, 2});
  batch.chosen.labelled = Tensor::from(Ids{2}, {1});
  batch.to.labels = Tensor::zeros({1, 2}, DType::kFloat32);
  batch.run();
  const auto labels = batch.to.labels.values<float>();
  EXPECT_EQ(std::vector<float>(labels.begin(), labels.end()), (std::vector<float>{4, 5}));
}

TEST(GatherBatchOp, MistakesAreNamed) {
  const auto expect = [](const std::function<void(Case&)>& mistake, const std::string& what) {
    Case batch;
    mistake(batch);
    EXPECT_NE(message_of([&] { batch.run(); }).find(what), std::string::npos) << message_of([&] { batch.run(); });
  };
  expect([](Case& c) { c.to.ids = Case::ints(5); }, "5 rows for 2 sequences of 3");
  expect([](Case& c) { c.to.positions = Case::ints(5); }, "positions has shape [5] where [6] is needed");
  expect([](Case& c) { c.layout.padded_length = 0; }, "offsets has shape [3] where [4] is needed");
  expect([](Case& c) { c.to.lengths = {}; }, "lengths is missing");
  expect([](Case& c) { c.from.starts = Case::ints(3); }, "starts has dtype int32 where int64 is needed");
  expect([](Case& c) { c.chosen.labelled = Case::ints(1); }, "labels has shape [2, 2] where [1, 2] is needed");
  expect([](Case& c) { c.chosen.labelled = {}; }, "choice of labels is missing");
  expect(
      [](Case& c) {
        c.from.labels = Tensor::zeros({2, 2}, DType::kFloat64);
      },
      "labels of float64 are not of 4 bytes");
  expect([](Case& c) { c.to.labels = Case::ints(2); }, "labels has shape [2] where [2, 2] is needed");
  expect([](Case& c) { c.to.labels = {}; }, "labels are given but have no place");
  expect([](Case& c) { c.from.labels = {}; }, "labels are wanted but there are none");
  expect([](Case& c) { c.to.type_ids = {}; }, "segments are in the store but not in the batch");
  expect([](Case& c) { c.from.type_ids = {}; }, "segments are in the batch but not in the store");
}

}  // namespace
}  // namespace attune::testing
