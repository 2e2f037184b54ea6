// Times one training step (forward, cross-entropy, backward, AdamW on every parameter) of a GPT classifier from random
// weights, on the CPU or on a CUDA device. Its peer is bench/pytorch/train_step.py with the same options;
// scripts/gpu_report.sh runs both in turn.
//
// The step is the same as in training: StepRunner, which on a device captures it once and replays it. On the CPU every
// step is timed; on a device blocks of ten steps are, each until the losses of all ten are on the host. With --save the
// peer can start from the same weights and read the same batch, so that the losses of both must agree.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <random>

#include "base/parallel.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/optim/adamw.h"
#include "engine/tensor/context.h"
#include "engine/train/step_runner.h"
#include "models/gpt2/gpt2.h"
#include "models/weights.h"

namespace attune {
namespace {

struct Options {
  Gpt2Config model{.vocab_size = 50257, .n_positions = 1024, .n_embd = 256, .n_layer = 2, .n_head = 4, .n_inner = 0};
  std::int64_t batch_size = 8, length = 256;
  std::string device = "cpu", precision = "fp32", attention = "own", save;
  bool graphs = true;
  int steps = 30, warmup = 5, threads = 0;
};

std::vector<std::int32_t> random_integers(std::int64_t n, std::int64_t below, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < n; ++i)
    out.push_back(static_cast<std::int32_t>(engine() % static_cast<std::uint64_t>(below)));
  return out;
}

// Multiplications and additions of a step's matrix products, heads and embeddings left out: of weights three times 2 T P,
// of attention one forward and two and a half backward over the pairs that may see each other.
double flops_of(const Options& options) {
  const auto width = static_cast<double>(options.model.n_embd), layers = static_cast<double>(options.model.n_layer);
  const auto batch = static_cast<double>(options.batch_size), length = static_cast<double>(options.length);
  const double pairs = batch * length * (length + 1) / 2;
  return layers * (6 * batch * length * 12 * width * width + 3.5 * 4 * width * pairs);
}

struct Timed {
  std::vector<double> milliseconds;  // of a step, as often as it was measured
  double first_loss = 0, last_loss = 0;
  std::int64_t graphs = 0;
};

// model.safetensors and batch.json, for the peer.
void save(const std::string& folder, const Classifier& model, const std::vector<std::vector<std::int32_t>>& texts,
          const std::vector<std::int32_t>& labels) {
  const auto list = [](const std::vector<std::int32_t>& values) {
    std::string out;
    for (const std::int32_t value : values) out += (out.empty() ? "[" : ", ") + std::to_string(value);
    return out + "]";
  };
  std::string ids;
  for (const auto& text : texts) ids += (ids.empty() ? "[" : ", ") + list(text);
  create_folders(folder);
  std::vector<NamedTensor> tensors;  // unchanged: save_weights() would move the head's bias
  for_each_hf_tensor(
      model, [](const Parameter& parameter) { return parameter.value(); },
      [&](const std::string& name, const Tensor& values) {
        tensors.push_back({name, values});
      });
  write_safetensors(folder + "/model.safetensors", std::move(tensors), {});
  write_file(folder + "/batch.json", "{\"ids\": " + ids + "], \"labels\": " + list(labels) + "}\n");
}

Timed run(const Options& options) {
  const Device device = options.device == "cuda" ? Device::kCuda : Device::kCpu;
  const Gpt2Classifier model(options.model, {.num_labels = 2, .position = HeadPosition::kLast});
  TorchGenerator generator(123);
  model.initialize(generator, Initializer::kGpt2);
  model.initialize_head(generator);
  std::vector<std::vector<std::int32_t>> texts;
  for (std::int64_t b = 0; b < options.batch_size; ++b)
    texts.push_back(random_integers(options.length, options.model.vocab_size, static_cast<std::uint64_t>(b) + 10));
  const std::vector<std::int32_t> labels = random_integers(options.batch_size, 2, 2);
  if (!options.save.empty()) save(options.save, model, texts, labels);
  if (device == Device::kCuda) {
    set_cudnn_attention(options.attention == "cudnn");
    set_tensor_float32(options.precision == "tf32");
  }
  place(model, device, options.precision == "bf16" ? DType::kBFloat16 : DType::kFloat32);
  AdamWOptimizer optimizer(parameters_of(model, true), {});
  const auto task = make_task("single_label_classification", {.outputs = 2});
  StepRunner runner([&](const TokenBatch& batch, const ForwardPass& pass) { return model.forward(batch, pass); }, *task,
                    optimizer, {.seed = 123, .graphs = options.graphs});

  const Dataset invented = Dataset::from("invented", texts, Tensor::from(labels, {options.batch_size}));
  const ExampleStore store(invented, {.max_length = options.length}, device);
  std::vector<std::int32_t> examples(texts.size());
  std::iota(examples.begin(), examples.end(), 0);

  Timed out;
  std::int64_t step = 0;
  const auto block = [&](int steps) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<StepResult> results;
    for (int i = 0; i < steps; ++i) runner.start(store, examples, step++, 5e-5);
    for (const StepResult& result : runner.take(true)) out.last_loss = result.loss;
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - begin;
    return elapsed.count() / steps;
  };
  block(1);
  out.first_loss = out.last_loss;
  for (int i = 1; i < options.warmup; ++i) block(1);
  const int size = device == Device::kCuda ? std::min(10, options.steps) : 1;
  for (int i = 0; i < options.steps / size; ++i) out.milliseconds.push_back(block(size));
  out.graphs = runner.graphs();
  return out;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  attune::Options options;
  CLI::App app("Times one GPT training step");
  app.add_option("--device", options.device, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--precision", options.precision, "fp32, or on cuda tf32 or bf16")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_option("--attention", options.attention, "own, or in bf16 cudnn")
      ->check(CLI::IsMember({"own", "cudnn"}))
      ->capture_default_str();
  app.add_option("--layers", options.model.n_layer, "Transformer blocks")->capture_default_str();
  app.add_option("--width", options.model.n_embd, "Embedding width")->capture_default_str();
  app.add_option("--heads", options.model.n_head, "Attention heads")->capture_default_str();
  app.add_option("--vocabulary", options.model.vocab_size, "Vocabulary size")->capture_default_str();
  app.add_option("--batch_size", options.batch_size, "Sequences per step")->capture_default_str();
  app.add_option("--length", options.length, "Tokens per sequence")->capture_default_str();
  app.add_option("--steps", options.steps, "Counted steps")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--warmup", options.warmup, "Steps before the counted ones, at least one")->capture_default_str();
  app.add_flag("!--no_graphs", options.graphs, "On cuda: launch every kernel of every step from the host");
  app.add_option("--save", options.save, "Folder for the first weights and the batch, for the peer's --load");
  app.add_option("--threads", options.threads, "Threads (0: all cores)")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    CHECK(options.device == "cuda" || options.precision == "fp32", "--precision ", options.precision,
          " needs --device cuda");
    CHECK(options.attention == "own" || options.precision == "bf16", "--attention cudnn needs --precision bf16");
    if (options.threads > 0) attune::set_num_threads(options.threads);
    options.model.n_inner = 4 * options.model.n_embd;
    attune::Timed timed = attune::run(options);
    std::vector<double>& ms = timed.milliseconds;
    std::ranges::sort(ms);
    std::printf(
        "{\"system\": \"attune%s\", \"device\": \"%s\", \"precision\": \"%s\", \"variant\": \"%s\", \"model\": \"gpt "
        "%lld x %lld, "
        "batch %lld x %lld\", \"threads\": %d, \"median_ms\": %.3f, \"min_ms\": %.3f, \"max_ms\": %.3f, \"steps\": %d, "
        "\"flops\": %.6g, \"first_loss\": %.7g, \"last_loss\": %.7g}\n",
        options.attention == "cudnn" ? ", attention by cuDNN" : "", options.device.c_str(), options.precision.c_str(),
        timed.graphs > 0 ? "graphs" : "", static_cast<long long>(options.model.n_layer),
        static_cast<long long>(options.model.n_embd), static_cast<long long>(options.batch_size),
        static_cast<long long>(options.length), attune::num_threads(), ms[ms.size() / 2], ms.front(), ms.back(),
        options.steps, attune::flops_of(options), timed.first_loss, timed.last_loss);
  } catch (const attune::Error& error) {
    std::cerr << "train_step: error: " << error.what() << "\n";
    return 1;
  }
}
