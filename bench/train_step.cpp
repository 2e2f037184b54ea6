// Times one training step (forward, cross-entropy, backward, AdamW on the trained parameters) of a classifier of a
// published shape from random weights, on the CPU or on a CUDA device. Its peer is bench/pytorch/train_step.py, which
// starts from the folder that --save writes; scripts/bench_rows.py runs both for every model.
//
// The step is the same as in training: StepRunner, which on a device captures it once and replays it. On the CPU every
// step is timed; on a device blocks of ten steps are, each until the losses of all ten are on the host.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <numeric>

#include "base/parallel.h"
#include "bench/bench_main.h"
#include "bench/step_case.h"
#include "engine/optim/adamw.h"
#include "engine/tensor/context.h"
#include "engine/train/step_runner.h"
#include "kernels/cuda/memory.h"

namespace attune {
namespace {

struct Options {
  CaseOptions step;
  std::string device = "cpu", precision = "fp32", attention = "own", save;
  bool graphs = true;
  int steps = 30, warmup = 5, threads = 0;

  void declare(CLI::App& app);
  bool cuda() const { return device == "cuda"; }
};

void Options::declare(CLI::App& app) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str();
  };
  step.declare(app);
  add("--trainable_layers", step.trainable_layers,
      "all, last_block, last_two_blocks or last_layer; without it the last block of roberta-large and all of others");
  add("--lengths", step.lengths, "full: every text has --length tokens; imdb: like the reviews, cut at --length")
      ->check(CLI::IsMember({"full", "imdb"}));
  app.add_flag("!--no_dropout", step.dropout, "Without the model's dropout");
  add("--device", device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}));
  add("--precision", precision, "fp32, bf16, or on cuda tf32")->check(CLI::IsMember({"fp32", "tf32", "bf16"}));
  add("--attention", attention, "own, or in bf16 cudnn")->check(CLI::IsMember({"own", "cudnn"}));
  app.add_flag("!--no_graphs", graphs, "On cuda: launch every kernel of every step from the host");
  add("--steps", steps, "Counted steps; 0: none, only --save")->check(CLI::NonNegativeNumber);
  add("--warmup", warmup, "Steps before the counted ones, at least one");
  add("--save", save, "Folder for the first weights and the batch, for the peer's --load");
  add("--threads", threads, "Threads (0: all cores)");
}

struct Timed {
  std::vector<double> milliseconds;  // of a step, as often as it was measured
  double first_loss = 0, last_loss = 0;
  std::int64_t graphs = 0;
  std::size_t peak_bytes = 0, reserved_bytes = 0;  // device memory; on the CPU the process's
};

void measure_memory(const Options& options, Timed& timed) {
  if (options.cuda()) {
    const cuda::ArenaUse use = cuda::arena_use();
    timed.peak_bytes = use.peak, timed.reserved_bytes = use.reserved;
    return;
  }
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  timed.peak_bytes = timed.reserved_bytes = 1024 * static_cast<std::size_t>(use.ru_maxrss);
}

Timed run(const Options& options, const StepCase& step) {
  const Device device = options.cuda() ? Device::kCuda : Device::kCpu;
  const bool bfloat16 = options.precision == "bf16";
  if (options.cuda()) {
    set_cudnn_attention(options.attention == "cudnn");
    set_tensor_float32(options.precision == "tf32");
  } else {
    set_bfloat16_products(bfloat16);
  }
  const Classifier& model = *step.model;
  place(model, device, options.cuda() && bfloat16 ? DType::kBFloat16 : DType::kFloat32);
  AdamWOptimizer optimizer(parameters_of(model, true), {});
  const auto task = make_task("single_label_classification", {.outputs = model.num_labels()});
  StepRunner runner([&](const TokenBatch& batch, const ForwardPass& pass) { return model.forward(batch, pass); }, *task,
                    optimizer, {.seed = 123, .graphs = options.graphs});
  const std::int64_t count = step.texts.size();
  const ExampleStore store(step.texts, step.form, device,
                           options.cuda() ? packed_row_multiple(count, step.texts.longest()) : 1);
  std::vector<std::int32_t> examples(static_cast<std::size_t>(count));
  std::iota(examples.begin(), examples.end(), 0);

  Timed out;
  std::int64_t steps_done = 0;
  const auto block = [&](int steps) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < steps; ++i) runner.start(store, {examples}, steps_done++, 5e-5);
    for (const StepResult& result : runner.take(true)) out.last_loss = result.loss;
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - begin;
    return elapsed.count() / steps;
  };
  block(1);
  out.first_loss = out.last_loss;
  for (int i = 1; i < options.warmup; ++i) block(1);
  const int size = options.cuda() ? std::min(10, options.steps) : 1;
  for (int i = 0; i < options.steps / size; ++i) out.milliseconds.push_back(block(size));
  std::ranges::sort(out.milliseconds);
  out.graphs = runner.graphs();
  measure_memory(options, out);
  return out;
}

void print(const Options& options, const StepCase& step, const Timed& timed) {
  const std::vector<double>& ms = timed.milliseconds;
  const auto rounded = [](double milliseconds) { return std::round(1e4 * milliseconds) / 1e4; };
  const json::Value line = json::Value::object({{"system", "attune"},
                                                {"device", options.device},
                                                {"precision", options.precision},
                                                {"variant", timed.graphs > 0 ? "graphs" : ""},
                                                {"attention", options.attention},
                                                {"model", step.description},
                                                {"rows", step.rows},
                                                {"threads", num_threads()},
                                                {"median_ms", rounded(ms[ms.size() / 2])},
                                                {"min_ms", rounded(ms.front())},
                                                {"max_ms", rounded(ms.back())},
                                                {"steps", options.steps},
                                                {"flops", step_flops(step)},
                                                {"first_loss", static_cast<float>(timed.first_loss)},
                                                {"last_loss", static_cast<float>(timed.last_loss)},
                                                {"peak_bytes", timed.peak_bytes},
                                                {"reserved_bytes", timed.reserved_bytes}});
  std::cout << line.dump() << "\n";
}

void bench(const Options& options) {
  if (!options.cuda() && options.precision == "tf32") throw UsageError("--precision tf32 needs --device cuda");
  if (options.attention != "own" && (!options.cuda() || options.precision != "bf16"))
    throw UsageError("--attention cudnn needs --device cuda --precision bf16");
  if (options.steps == 0 && options.save.empty()) throw UsageError("--steps 0 needs --save");
  if (options.threads > 0) set_num_threads(options.threads);
  const StepCase step = make_case(options.step);
  if (!options.save.empty()) save_case(step, options.save);
  if (options.steps > 0) print(options, step, run(options, step));
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  CLI::App app("Times one training step", "bench_train_step");
  attune::Options options;
  options.declare(app);
  return attune::bench_main(app, argc, argv, [&] { attune::bench(options); });
}
