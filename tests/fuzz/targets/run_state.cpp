// Checkpoints of a run: read with all their digests, compared with a run's options, and restored into a trainer.
#include "engine/train/run_state.h"
#include "apps/support/run_history.h"
#include "apps/support/run_keeper.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {
namespace {

// Checkpoints are small if the model is.
struct SmallModel : Module {
  SmallModel() { frozen.set_requires_grad(false); }
  void for_each_parameter(const Visitor& visit) const override {
    visit("head.weight", weight);
    visit("head.bias", bias);
    visit("head.frozen", frozen);
  }
  Parameter weight{Tensor::zeros({2, 2}, DType::kFloat32), Parameter::Rounding::kNever};
  Parameter bias{Tensor::zeros({2}, DType::kFloat32), Parameter::Rounding::kNever};
  Parameter frozen{Tensor::zeros({3}, DType::kFloat32), Parameter::Rounding::kNever};
};

struct SmallRun {
  Dataset examples = testing::invented_examples(6, 4, 8, 3);
  SmallModel model;
  Trainer trainer{model,
                  [](const TokenBatch&, const ForwardPass&) -> Variable { throw Error("this run does not go on"); },
                  testing::two_classes(),
                  {examples, examples, {.max_length = 4, .pad_id = 7}},
                  {.epochs = 2, .batch_size = 2}};
};

}  // namespace

void run(std::string_view input) {
  static MemoryFile file;
  static SmallRun small;
  file.replace(input);
  limit_tensors(std::size_t{1} << 24);
  const RunState state = read_run_state(file.path());
  for (const RunState::Parameter& parameter : state.parameters)
    require(parameter.value.defined(), "every parameter has a value");
  succeeds([&] { check_options(state, "input", {{"--lr_schedule", "constant"}, {"--learning_rate", "1e-4"}}); });
  succeeds([&] {
    RunHistory history, same;
    history.restore(state.history);
    same.restore(history.text());
    require(same.text() == history.text(), "a history that is restored is the same");
  });
  small.trainer.restore(state);
  accepted();
  const RunState again = small.trainer.state();
  require(again.step == state.step && again.batch == state.batch && again.optimizer_steps == state.optimizer_steps,
          "a restored run stands where the checkpoint was made");
  require(again.step <= small.trainer.total_steps(), "no run is past its end");
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kSealed)
