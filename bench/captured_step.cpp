#include "bench/captured_step.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/check.h"
#include "engine/optim/adamw.h"
#include "engine/train/step_runner.h"
#include "kernels/cuda/simulated/memory.h"

namespace attune {
namespace {

constexpr std::int64_t kLateTable = std::int64_t{1} << 22;  // elements, as engine/optim/adamw.cpp has it
constexpr double kOptimizerBytes = 28;                      // of an element: master, moments, gradient, rounded value

// Parameters of the model, each once.
template <class F>
void each_parameter(const Classifier& model, F&& f) {
  std::set<const void*> seen;
  for (const ParameterRow& row : model.table().rows())
    if (seen.insert(row.parameter.late_value().raw()).second) f(row);
}

// Elements per token that a block must keep for backward: the inputs of its products, and in place of the last one's the
// values before the activation.
double saved_of(const ParameterRow& row) {
  if (row.role != Role::kLinear && row.role != Role::kOutput) return 0;
  const auto outputs = static_cast<double>(row.parameter.shape()[0]),
             inputs = static_cast<double>(row.parameter.shape()[1]);
  if (row.role == Role::kLinear) return inputs + outputs;
  return inputs == outputs ? inputs : 0;
}

double distinct_ids(const StepCase& step) {
  const auto ids = step.texts.ids.values<std::int32_t>();
  return static_cast<double>(std::set<std::int32_t>(ids.begin(), ids.end()).size());
}

StepNeeds needs_of(const StepCase& step, const std::vector<LedgerNode>& nodes) {
  StepNeeds out;
  for (const LedgerNode& node : nodes) (node.m > 0 ? out.product_flops : out.attention_flops) += node.work.operations;
  out.model_flops = step_flops(step);
  const ParameterTable& table = step.model->table();
  const auto rows = static_cast<double>(step.rows);
  out.layers = table.blocks();
  std::int64_t first_trained = table.blocks();
  each_parameter(*step.model, [&](const ParameterRow& row) {
    if (row.parameter.requires_grad()) first_trained = std::min(first_trained, row.layer);
  });
  each_parameter(*step.model, [&](const ParameterRow& row) {
    const Shape& shape = row.parameter.shape();
    const auto elements = static_cast<double>(shape.numel());
    if (row.parameter.requires_grad()) {
      const bool few_rows = row.role == Role::kEmbedding && shape.numel() >= kLateTable;
      out.optimizer_bytes +=
          kOptimizerBytes * (few_rows ? distinct_ids(step) * static_cast<double>(shape[1]) : elements);
    }
    if (row.layer < 0 || row.layer >= table.blocks()) return;
    if (row.layer >= first_trained) out.activation_bytes += 2 * 2 * rows * saved_of(row);
  });
  out.weight_bytes = out.model_flops / rows;  // two bytes where a product has two operations: read, read, written
  return out;
}

// The layers of a model's parameters and gradients, by their memory.
std::map<std::uint64_t, int> layers_by_memory(const Classifier& model) {
  std::map<std::uint64_t, int> out;
  for (const ParameterRow& row : model.table().rows()) {
    const bool block = row.layer >= 0 && row.layer < model.table().blocks();
    const int layer = block ? static_cast<int>(row.layer) : CapturedStep::kOutside;
    const auto add = [&](const Tensor& tensor) {
      if (tensor.defined()) out[simulated::memory_block(tensor.raw()).number] = layer;
    };
    add(row.parameter.late_value());
    if (row.parameter.grad().defined()) add(row.parameter.grad().kept().values);
  }
  return out;
}

// A node belongs to the layer whose parameters or gradients it uses. If it uses none, it belongs to that of the node before
// it; if it uses those of several, to no layer.
std::vector<int> layers_of(const std::vector<LedgerNode>& nodes, const Classifier& model) {
  const std::map<std::uint64_t, int> layers = layers_by_memory(model);
  std::set<int> every;
  for (const auto& [memory, layer] : layers) every.insert(layer);
  std::vector<int> out;
  int current = CapturedStep::kOutside;
  for (const LedgerNode& node : nodes) {
    std::set<int> used;
    for (const TensorUse& use : node.work.tensors)
      if (const auto found = layers.find(use.tensor); found != layers.end()) used.insert(found->second);
    if (used.size() == 1) current = *used.begin();
    if (used.size() == every.size()) current = CapturedStep::kOutside;  // the update begins
    out.push_back(used.size() > 1 ? CapturedStep::kOutside : current);
  }
  return out;
}

}  // namespace

double floor_seconds(const StepNeeds& needs, const Machine& machine) {
  return (needs.product_flops + needs.attention_flops) / machine.product + needs.optimizer_bytes / machine.memory;
}

double practical_seconds(const StepNeeds& needs, const Machine& machine) {
  constexpr double kAttention = 250.0 / 800, kNode = 0.6e-6;
  const auto nodes = static_cast<double>(20 * needs.layers + 12);
  return needs.product_flops / (0.95 * machine.product) + needs.attention_flops / (kAttention * machine.product) +
         needs.optimizer_bytes / (0.9 * machine.memory) + kNode * nodes;
}

std::vector<NodeWork> CapturedStep::work() const {
  std::vector<NodeWork> out;
  for (const LedgerNode& node : nodes) out.push_back(node.work);
  return out;
}

void check_update(const std::vector<LedgerNode>& nodes) {
  const auto writes = [](const LedgerNode& node) { return node.kernel == "adamw" && node.sectors_written > 0; };
  CHECK(std::ranges::any_of(nodes, writes),
        "the step has no update: its loss or the norm of its gradient is not finite");
}

CapturedStep capture_step(const CaseOptions& options, const Ledger::Options& sampling) {
  Ledger ledger(sampling);
  CaseOptions unfilled = options;
  unfilled.random = false;
  const StepCase step = make_case(unfilled);
  const Classifier& model = *step.model;
  place(model, Device::kCuda, DType::kBFloat16);
  AdamWOptimizer optimizer(parameters_of(model, true), {});
  const auto task = make_task("single_label_classification", {.outputs = model.num_labels()});
  StepRunner runner([&](const TokenBatch& batch, const ForwardPass& pass) { return model.forward(batch, pass); }, *task,
                    optimizer, {.seed = 123});
  const std::int64_t count = step.texts.size();
  const ExampleStore store(step.texts, step.form, Device::kCuda, packed_row_multiple(count, step.texts.longest()));
  std::vector<std::int32_t> examples(static_cast<std::size_t>(count));
  std::iota(examples.begin(), examples.end(), 0);
  for (int i = 0; i < 2; ++i) {  // the first step runs without a graph
    runner.start(store, {examples}, i, 5e-5);
    runner.take(true);
  }
  CHECK(runner.graphs() == 1, "the step was not captured");

  CapturedStep out;
  out.description = step.description;
  out.nodes = ledger.nodes();
  check_update(out.nodes);
  out.layers = layers_of(out.nodes, model);
  out.needs = needs_of(step, out.nodes);
  return out;
}

}  // namespace attune
