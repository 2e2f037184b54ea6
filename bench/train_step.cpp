// Times one training step (forward, cross-entropy, backward, AdamW on every parameter) of a GPT classifier from random
// weights. Its peer is bench/pytorch/train_step.py with the same options; scripts/bench_train_step.sh runs both in
// turn.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <random>

#include "base/parallel.h"
#include "engine/autograd/functions.h"
#include "engine/optim/adamw.h"
#include "models/gpt2/gpt2.h"

namespace attune {
namespace {

struct Options {
  Gpt2Config model{.vocab_size = 50257, .n_positions = 1024, .n_embd = 256, .n_layer = 2, .n_head = 4, .n_inner = 0};
  std::int64_t batch_size = 8, length = 256;
  int steps = 30, warmup = 5, threads = 0;
};

std::vector<std::int32_t> random_integers(std::int64_t n, std::int64_t below, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < n; ++i)
    out.push_back(static_cast<std::int32_t>(engine() % static_cast<std::uint64_t>(below)));
  return out;
}

// Milliseconds of each counted step.
std::vector<double> run(const Options& options) {
  const Gpt2Classifier model(options.model, {.num_labels = 2, .position = HeadPosition::kLast});
  TorchGenerator generator(123);
  model.initialize(generator, Initializer::kGpt2);
  model.initialize_head(generator);
  AdamWOptimizer optimizer(parameters_of(model, true), {});
  const auto ids = random_integers(options.batch_size * options.length, options.model.vocab_size, 1);
  const auto labels = random_integers(options.batch_size, 2, 2);
  const std::vector<std::int32_t> lengths(static_cast<std::size_t>(options.batch_size),
                                          static_cast<std::int32_t>(options.length));

  std::vector<double> milliseconds;
  for (int step = 0; step < options.warmup + options.steps; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    Tape tape;
    Variable loss;
    {
      const Tape::Recording recording(tape);
      const Variable logits =
          model.forward(TokenBatch::padded(ids, lengths, false), {.training = true, .seed = 123, .step = 0});
      loss = cross_entropy(logits, Tensor::from(labels, {options.batch_size}));
    }
    tape.backward(loss);
    optimizer.step(5e-5);
    optimizer.zero_grad();
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - begin;
    if (step >= options.warmup) milliseconds.push_back(elapsed.count());
  }
  return milliseconds;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  attune::Options options;
  CLI::App app("Times one GPT training step on the CPU");
  app.add_option("--layers", options.model.n_layer, "Transformer blocks")->capture_default_str();
  app.add_option("--width", options.model.n_embd, "Embedding width")->capture_default_str();
  app.add_option("--heads", options.model.n_head, "Attention heads")->capture_default_str();
  app.add_option("--vocabulary", options.model.vocab_size, "Vocabulary size")->capture_default_str();
  app.add_option("--batch_size", options.batch_size, "Sequences per step")->capture_default_str();
  app.add_option("--length", options.length, "Tokens per sequence")->capture_default_str();
  app.add_option("--steps", options.steps, "Counted steps")->capture_default_str();
  app.add_option("--warmup", options.warmup, "Steps before the counted ones")->capture_default_str();
  app.add_option("--threads", options.threads, "Threads (0: all cores)")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.threads > 0) attune::set_num_threads(options.threads);
    options.model.n_inner = 4 * options.model.n_embd;
    std::vector<double> milliseconds = attune::run(options);
    std::ranges::sort(milliseconds);
    std::printf(
        "{\"system\": \"attune\", \"threads\": %d, \"median_ms\": %.2f, \"min_ms\": %.2f, \"max_ms\": %.2f, \"steps\": "
        "%zu}\n",
        attune::num_threads(), milliseconds[milliseconds.size() / 2], milliseconds.front(), milliseconds.back(),
        milliseconds.size());
  } catch (const attune::Error& error) {
    std::cerr << "train_step: error: " << error.what() << "\n";
    return 1;
  }
}
