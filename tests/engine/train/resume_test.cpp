// Runs that are left and gone on with on the CPU end with the bits of those that were not.
#include <gtest/gtest.h>

#include <set>

#include "engine/autograd/tape.h"
#include "tests/engine/train/resume_case.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TEST(Resuming, AfterEveryBatch) {
  for (const bool packed : {false, true}) expect_resumes({.packed = packed, .options = eventful()});
}

// Some of the batches lie inside of a group, whose gradients are kept; an epoch ends with a short group.
TEST(Resuming, InsideOfAccumulationGroups) {
  for (const std::int64_t group : {2, 3, 4}) {
    ResumeCase how{.options = eventful(), .examples = 23};
    how.options.accumulation_steps = group;
    expect_resumes(how);
  }
}

TEST(Resuming, WithBatchesOfSimilarLengths) {
  ResumeCase how{.packed = true, .options = eventful()};
  Life plain(how);
  plain.trainer().run(plain.recorder, never);
  how.options.group_by_length = true;
  expect_resumes(how);
  Life grouped(how);
  grouped.trainer().run(grouped.recorder, never);
  EXPECT_NE(reports(grouped.recorder, 0), reports(plain.recorder, 0));
}

// The epochs have different numbers of batches, groups of batches count by their texts.
TEST(Resuming, WithBatchesByTokens) {
  for (const bool grouped : {false, true})
    for (const std::int64_t accumulation : {1, 2, 3}) {
      ResumeCase how{.packed = true, .options = eventful(), .examples = 23};
      how.options.epochs = 3;
      how.options.batch_tokens = 26;
      how.options.group_by_length = grouped;
      how.options.accumulation_steps = accumulation;
      how.options.independent_evaluation = grouped && accumulation == 2;
      expect_resumes(how);
    }
  ResumeCase cut{.packed = true, .options = eventful(), .examples = 23};
  cut.options.batch_tokens = 26;
  cut.options.accumulation_steps = 3;
  cut.options.max_steps = 8;
  expect_resumes(cut);
}

TEST(Resuming, WithLateRows) {
  for (const std::int64_t group : {1, 3}) {
    ResumeCase how{.options = eventful(), .examples = 23};
    how.options.accumulation_steps = group;
    Life plain(how);
    plain.trainer().run(plain.recorder, never);
    how.options.adamw.late_tables = LateTables::kAll;
    expect_resumes(how);
    Life late(how);
    late.trainer().run(late.recorder, never);
    EXPECT_EQ(ending(late), ending(plain));
  }
}

TEST(Resuming, WithEverySchedule) {
  for (const auto kind : {LrSchedule::Kind::kConstant, LrSchedule::Kind::kLinear}) {
    ResumeCase how{.options = eventful()};
    how.options.schedule.kind = kind;
    how.options.adamw.max_grad_norm = 0;
    how.options.eval_every = kind == LrSchedule::Kind::kLinear ? 1 : 0;
    expect_resumes(how);
  }
}

TEST(Resuming, OfARunThatIsCutShort) {
  ResumeCase how{.options = eventful(), .examples = 20};
  how.options.max_steps = 7;  // inside of an epoch and of a group
  how.options.accumulation_steps = 3;
  expect_resumes(how);
}

// The rate does not depend on the number of batches: a finished run is the beginning of a longer one.
TEST(Resuming, ALongerRunGoesOnFromAFinishedOne) {
  ResumeCase longer{.options = eventful()};
  longer.options.schedule.kind = LrSchedule::Kind::kConstant;
  longer.options.max_steps = 5;
  longer.options.epochs = 3;
  ResumeCase shorter = longer;
  shorter.options.max_steps = 4;
  ResumeCase epochs = longer;
  epochs.options.epochs = 1;
  Life whole(longer);
  whole.trainer().run(whole.recorder, never);
  const Lines end = ending(whole);
  for (const ResumeCase& first : {shorter, epochs}) {
    Life finished(first), resumed(longer);
    finished.trainer().run(finished.recorder, never);
    EXPECT_TRUE(finished.trainer().state().finished);
    resumed.trainer().restore(finished.trainer().state());
    resumed.trainer().run(resumed.recorder, never);
    EXPECT_EQ(ending(resumed), end);
  }
}

// Two weights, of which the second has a gradient only at every third batch. A moment that stays, and its own count of
// steps, are part of the state.
class SeldomUsed : public Module {
 public:
  void for_each_parameter(const Visitor& visit) const override {
    visit("always", always_);
    visit("seldom", seldom_);
  }
  Variable logits(const TokenBatch& batch, const ForwardPass& pass) const {
    const Variable out(Tensor::zeros({batch.count(), 2}, DType::kFloat32), true);
    if (!pass.training) return out;
    Tape::current()->record({out.grad()}, [this, step = pass.step] {
      const auto gradient = [&](float x) {
        return Tensor::from(std::vector<float>{x + static_cast<float>(step)}, {1});
      };
      always_.grad().add(gradient(1));
      if (step % 3 == 0) seldom_.grad().add(gradient(-2));
    });
    return out;
  }

 private:
  Parameter always_{Tensor::zeros({1}, DType::kFloat32), Parameter::Rounding::kNever},
      seldom_{Tensor::zeros({1}, DType::kFloat32), Parameter::Rounding::kNever};
};

TEST(Resuming, AParameterThatSeldomHasAGradient) {
  const Dataset examples = invented_examples(14, 6, 11, 3);
  const auto trainer_of = [&](const SeldomUsed& model) {
    return Trainer(
        model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model.logits(batch, pass); },
        two_classes(), {examples, examples, {}}, eventful());
  };
  const auto values = [](const RunState& state) {
    std::vector<float> out;
    for (const RunState::Parameter& p : state.parameters)
      for (const Tensor& x : {p.value, p.m, p.v}) out.push_back(x.values<float>()[0]);
    for (const RunState::Parameter& p : state.parameters) out.push_back(static_cast<float>(p.missed));
    return out;
  };
  const SeldomUsed model;
  Trainer whole = trainer_of(model);
  Recorder recorder;
  std::vector<RunState> states;
  const TempDir dir;
  whole.run(recorder, never, {1, [&](const RunState& state) {
                                write_run_state(dir / "state", state);
                                states.push_back(read_run_state(dir / "state"));
                              }});
  EXPECT_EQ(states.back().parameters[1].missed, 4);
  for (const RunState& state : states) {
    const SeldomUsed again;
    Trainer resumed = trainer_of(again);
    resumed.restore(state);
    resumed.run(recorder, never);
    EXPECT_EQ(values(resumed.state()), values(whole.state())) << state.step;
  }
}

TEST(Resuming, AStateOfAnotherRunIsRefused) {
  const ResumeCase how{.options = eventful()};
  Life life(how);
  int left = 2;
  life.trainer().run(life.recorder, [&] { return --left == 0; });
  const RunState state = life.trainer().state();
  const auto refusal = [&](const std::function<void(RunState&)>& change) {
    RunState changed = state;
    change(changed);
    return message_of([&] { Life(how).trainer().restore(changed); });
  };
  EXPECT_EQ(refusal([](RunState&) {}), "");
  EXPECT_EQ(refusal([](RunState& s) { s.world = 2; }),
            "the checkpoint is of rank 0 of 2, but checkpoints are of whole runs");
  EXPECT_EQ(refusal([](RunState& s) { s.step = 7; }),
            "the checkpoint was made after 7 batches, but this run has only 6");
  EXPECT_EQ(refusal([](RunState& s) { s.batch = 1; }),
            "the checkpoint was made after 2 batches, 1 of epoch 1, which is not a place in epochs of 3");
  EXPECT_EQ(refusal([](RunState& s) { s.parameters.pop_back(); }),
            str_cat("the checkpoint is of a model with ", state.parameters.size() - 1, " parameters, this one has ",
                    state.parameters.size()));
  EXPECT_EQ(refusal([](RunState& s) { s.parameters[0].name = "other"; }),
            "the checkpoint has the parameter other where the model has " + state.parameters[0].name);
  EXPECT_EQ(refusal([](RunState& s) { s.parameters[0].m = s.parameters[0].v = Tensor(); }),
            "the parameter " + state.parameters[0].name + " is frozen in the checkpoint, and not here");
  EXPECT_TRUE(refusal([](RunState& s) {
                s.parameters[0].value = Tensor::zeros({3}, DType::kFloat32);
              }).starts_with("the parameter " + state.parameters[0].name + " is float32 [3] in the checkpoint, "));
  EXPECT_EQ(refusal([](RunState& s) { s.generator += " 1"; }), "the state of a random generator is malformed");

  // An epoch so large that the batches before it have no number of 64 bits.
  const ResumeCase even{.options = eventful(), .examples = 16};
  RunState late = Life(even).trainer().state();
  late.epoch = (std::int64_t{1} << 62) + 1;
  EXPECT_EQ(message_of([&] { Life(even).trainer().restore(late); }),
            str_cat("the checkpoint was made after 0 batches, 0 of epoch ", late.epoch,
                    ", which is not a place in epochs of 4"));

  ResumeCase grouped = how;
  grouped.options.accumulation_steps = 2;
  grouped.options.max_steps = 1;
  Life cut(grouped);
  cut.trainer().run(cut.recorder, never);
  grouped.options.max_steps = 2;
  EXPECT_EQ(
      message_of([&] { Life(grouped).trainer().restore(cut.trainer().state()); }),
      "the run that the checkpoint is of ended inside of 2 batches of one optimizer step; it cannot be made longer");
}

}  // namespace
}  // namespace attune::testing
