// A run that is left after some batch and gone on with in a fresh process, as it were: new model, new trainer, the state
// through a file. What must be equal is everything that was reported, and every bit of the state at the end.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/io/sha256.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/data.h"

namespace attune::testing {

struct ResumeCase {
  Device device = Device::kCpu;
  DType dtype = DType::kFloat32;
  bool packed = false, graphs = true;
  TrainOptions options = {};
  std::size_t examples = 14;
};

/// Dropout everywhere, evaluations every third batch, a rate that changes with every optimizer step, clipping; 2 epochs
/// of 3 batches.
inline TrainOptions eventful() {
  TrainOptions options;
  options.epochs = 2;
  options.batch_size = 4;
  options.eval_every = 3;
  options.eval_batches = 1;
  options.schedule = {.kind = LrSchedule::Kind::kCosine, .peak = 1e-2, .warmup_steps = 2};
  options.adamw.max_grad_norm = 0.5;
  return options;
}

/// A process of its own.
class Life {
 public:
  explicit Life(const ResumeCase& how)
      : examples_(invented_examples(how.examples, 12, 30, 5)), model_(placed_model(how)), trainer_(make(how)) {}

  Recorder recorder;
  Trainer& trainer() { return trainer_; }
  const Module& model() const { return *model_; }
  const Dataset& examples() const { return examples_; }

 private:
  static std::unique_ptr<Gpt2Classifier> placed_model(const ResumeCase& how) {
    Gpt2Config config{.vocab_size = 31, .n_positions = 12, .n_embd = 16, .n_layer = 1, .n_head = 2, .n_inner = 32};
    config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = 0.1F;
    auto model = started_model(config, DType::kFloat32);
    place(*model, how.device, how.dtype);
    return model;
  }
  Trainer make(const ResumeCase& how) {
    TrainOptions options = how.options;
    options.graphs = how.graphs;
    return Trainer(
        *model_, [this](const TokenBatch& batch, const ForwardPass& pass) { return model_->forward(batch, pass); },
        two_classes(),
        {examples_, examples_, {.max_length = 12, .pad_id = 30, .packed = how.packed, .mask = true}, how.device},
        options);
  }

  Dataset examples_;
  std::unique_ptr<Gpt2Classifier> model_;
  Trainer trainer_;
};

/// Lines of text in which every digit and bit counts.
class Lines {
 public:
  template <class... What>
  void add(const What&... what) {
    std::ostringstream line;
    line << std::hexfloat;
    ((line << what << ' '), ...);
    lines_.push_back(line.str());
  }
  bool operator==(const Lines&) const = default;
  friend void PrintTo(const Lines& lines, std::ostream* out) {
    for (const std::string& line : lines.lines_) *out << line << '\n';
  }

 private:
  std::vector<std::string> lines_;
};

/// Everything that was reported after `done` batches.
inline Lines reports(const Recorder& recorder, std::int64_t done) {
  // An epoch ends after its last batch; if no batch of it was reported, the run was resumed there.
  const auto ends = [&](std::int64_t epoch) {
    std::int64_t end = done;
    for (const StepRecord& r : recorder.steps)
      if (r.epoch == epoch) end = r.step + 1;
    return end;
  };
  Lines out;
  for (const StepRecord& r : recorder.steps)
    if (r.step >= done) out.add("step", r.step, r.epoch, r.loss, r.learning_rate, r.grad_norm.value_or(-1));
  for (const EvaluationRecord& r : recorder.evaluations)
    if (r.step >= done)
      out.add("evaluation", r.step, r.epoch, r.train_loss, r.validation_loss, r.measure ? r.measure->value : 0, r.best);
  for (const EpochRecord& r : recorder.epochs)
    if (ends(r.epoch) >= done) out.add("epoch", r.epoch, r.train.loss, r.train.measure("accuracy"), r.validation.loss);
  return out;
}

/// The state, and an evaluation with what it draws; the best model, if it is kept, has its value again.
inline Lines ending(Life& life) {
  Lines out;
  const auto bits = [](const Tensor& x) {
    if (!x.defined()) return std::string("none");
    const Tensor host = x.to(Device::kCpu);
    return sha256_hex({static_cast<const std::byte*>(host.raw()), host.bytes()});
  };
  const RunState s = life.trainer().state();
  out.add(s.step, s.epoch, s.batch, s.pass_seed.value_or(1), s.optimizer_steps, s.group_open, s.finished, s.generator);
  for (const RunState::Parameter& p : s.parameters)
    out.add(p.name, p.missed, bits(p.value), bits(p.m), bits(p.v), bits(p.gradient), bits(p.best), bits(p.average));
  if (s.best_model) out.add("since", s.best_model->evaluations_since);
  life.trainer().use_result();
  if (const BestModel* kept = life.trainer().best_model(); kept != nullptr && kept->best()) {
    out.add("best", kept->measure(), kept->best()->step, kept->best()->value);
    EXPECT_EQ(kept->value_in(life.trainer().evaluate_all(life.examples(), false, {})), kept->best()->value);
  }
  for (const auto& [name, parameter] : parameters_of(life.model())) out.add(name, bits(parameter.value()));
  const Evaluation end = life.trainer().evaluate_all(life.examples(), true, {});
  out.add("end", end.loss, end.measure("accuracy"));
  return out;
}

inline bool never() {
  return false;
}

/// Compares the uninterrupted run with one that saves every so many batches, with those that go on from each of these
/// files, and with one that is left after every batch and gone on with from its file.
inline void expect_resumes(const ResumeCase& how, std::int64_t every = 1) {
  const TempDir dir;
  const auto file = [&](std::int64_t step) { return dir / str_cat(step, ".safetensors"); };
  Life whole(how);
  ASSERT_TRUE(whole.trainer().run(whole.recorder, never));
  const Lines end = ending(whole);

  Life saving(how);
  std::vector<std::int64_t> saved;
  const SavePlan plan{every, [&](const RunState& state) {
                        saved.push_back(state.step);
                        write_run_state(file(state.step), state);
                      }};
  ASSERT_TRUE(saving.trainer().run(saving.recorder, never, plan));
  EXPECT_EQ(reports(saving.recorder, 0), reports(whole.recorder, 0));
  EXPECT_EQ(ending(saving), end) << "saving";
  EXPECT_EQ(std::ssize(saved), whole.trainer().state().step / every);

  for (const std::int64_t step : saved) {
    Life resumed(how);
    resumed.trainer().restore(read_run_state(file(step)));
    ASSERT_TRUE(resumed.trainer().run(resumed.recorder, never));
    EXPECT_EQ(resumed.recorder.first, step);
    EXPECT_EQ(reports(resumed.recorder, step), reports(whole.recorder, step));
    EXPECT_EQ(ending(resumed), end) << "from batch " << step;
  }

  write_run_state(file(0), Life(how).trainer().state());
  for (std::int64_t step = 0;; step += every) {
    Life part(how);
    part.trainer().restore(read_run_state(file(step)));
    const bool finished =
        part.trainer().run(part.recorder, [&] { return part.trainer().state().step == step + every; });
    if (finished) {
      EXPECT_EQ(ending(part), end) << "in parts";
      break;
    }
    write_run_state(file(step + every), part.trainer().state());
  }
}

}  // namespace attune::testing
