// Graphs of many shapes on the CUDA device, a GPU or the simulator: they share the memory of what they record, and each
// replay leaves the others' results behind. Every bit must be that of the work itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/train/step_runner.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

class DeviceGraphs : public OnDevice {};

std::vector<std::int32_t> examples_from(std::int32_t first, std::int32_t count) {
  std::vector<std::int32_t> chosen(static_cast<std::size_t>(count));
  std::iota(chosen.begin(), chosen.end(), first);
  return chosen;
}

// Batches of 1 to 5 texts in turn, with two graphs: what was dropped is captured again, and results stay right.
TEST_F(DeviceGraphs, GraphsOfManyShapesAreDropped) {
  const Dataset examples = invented_examples(5, 6, 11, 3);
  const auto model = started_model(tiny_config(), DType::kFloat32);
  place(*model, Device::kCuda, DType::kFloat32);
  const ExampleStore store(examples, {.max_length = 6, .pad_id = 11}, Device::kCuda);
  CapturedShapes limited(2), unlimited;
  const NoGrad no_grad;
  const auto logits = [&](CapturedShapes& shapes, std::int32_t count) {
    const std::vector<Tensor>& results = shapes.run(
        store, examples_from(5 - count, count), true, [&](const LabelledBatch& batch) -> std::vector<Tensor> {
          store.gather(batch);
          return {model->forward(batch.tokens, {.training = false}).value()};
        });
    const Tensor host = results.front().to(Device::kCpu);
    return std::vector<float>(host.values<float>().begin(), host.values<float>().end());
  };
  for (const std::int32_t count : {1, 1, 2, 1, 3, 1, 4, 2, 5, 3, 3, 1, 5}) {
    EXPECT_EQ(logits(limited, count), logits(unlimited, count)) << count;
    EXPECT_LE(limited.graphs(), 2);
  }
  EXPECT_EQ(limited.graphs(), 2);
  EXPECT_EQ(unlimited.graphs(), 5);
}

// Training steps of three shapes and evaluations of two more, in changing order, each from a graph that shares its memory
// with the others, and work between them that is not captured: every bit is that of the work itself.
void expect_graphs_in_changing_order(DType dtype) {
  const Dataset examples = invented_examples(5, 6, 11, 3);
  struct Bits {
    std::vector<float> losses, logits;
    std::vector<double> norms;
    std::vector<std::byte> weights;
    std::int64_t graphs = 0;
  };
  const auto run = [&](bool graphs) {
    const auto model = started_model(tiny_config(), DType::kFloat32);
    place(*model, Device::kCuda, dtype);
    const ExampleStore store(examples, {.max_length = 6, .pad_id = 11}, Device::kCuda);
    AdamWOptimizer optimizer(parameters_of(*model, true), {.max_grad_norm = 1});
    StepRunner runner([&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
                      two_classes(), optimizer, {.seed = 3, .graphs = graphs});
    CapturedShapes evaluations;
    Bits out;
    const auto evaluate = [&](std::int32_t count) {
      const NoGrad no_grad;
      const std::vector<Tensor>& results = evaluations.run(
          store, examples_from(0, count), graphs, [&](const LabelledBatch& batch) -> std::vector<Tensor> {
            store.gather(batch);
            return {model->forward(batch.tokens, {.training = false}).value().cast(DType::kFloat32)};
          });
      const Tensor host = results.front().to(Device::kCpu);
      out.logits.insert(out.logits.end(), host.values<float>().begin(), host.values<float>().end());
    };
    const auto take = [&] {
      for (const StepResult& result : runner.take(true)) {
        out.losses.push_back(static_cast<float>(result.loss));
        out.norms.push_back(result.grad_norm.value());
      }
    };
    std::int64_t step = 0;
    for (const std::int32_t count : {3, 1, 3, 5, 1, 5, 3, 1, 1, 5}) {
      runner.start(store, {examples_from(0, count)}, step++, 1e-2);
      if (step % 2 == 0) evaluate(count == 5 ? 2 : 4);
      const Tensor between = Tensor::zeros({200 * step}, DType::kFloat32, Device::kCuda).clone();
      if (step % 3 == 0) take();
    }
    take();
    out.weights = bits_of(*model);
    out.graphs = runner.graphs() + evaluations.graphs();
    return out;
  };
  const Bits captured = run(true), direct = run(false);
  EXPECT_EQ(captured.graphs, 5);
  EXPECT_EQ(direct.graphs, 0);
  EXPECT_EQ(captured.losses, direct.losses);
  EXPECT_EQ(captured.norms, direct.norms);
  EXPECT_EQ(captured.logits, direct.logits);
  EXPECT_TRUE(captured.weights == direct.weights);
  EXPECT_TRUE(std::ranges::all_of(captured.losses, [](float loss) { return std::isfinite(loss); }));
}

TEST_F(DeviceGraphs, GraphsThatShareMemoryInChangingOrder) {
  expect_graphs_in_changing_order(DType::kBFloat16);
}

TEST_F(DeviceGraphs, GraphsThatShareMemoryInChangingOrderInEveryKindOfRun) {
  expect_graphs_in_changing_order(DType::kFloat32);
}

}  // namespace
}  // namespace attune::testing
