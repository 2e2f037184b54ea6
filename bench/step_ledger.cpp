// Lists what every node of a training step's graph does on a GPU, without a GPU: blocks, bytes, operations, and the time
// that a model of the GPU predicts (bench/machine_model.h). docs/performance.md explains the tables.
//
// The step is bench_train_step's, in bfloat16: forward, cross-entropy, backward, AdamW.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>

#include "bench/bench_main.h"
#include "bench/captured_step.h"
#include "json/value.h"

namespace attune {
namespace {

struct Options {
  CaseOptions step;
  std::string gpu = "h100";
  bool json = false, nodes = false;

  void declare(CLI::App& app) {
    step.declare(app);
    app.add_option("--trainable_layers", step.trainable_layers,
                   "all, last_block, last_two_blocks or last_layer; without it the last block of roberta-large and all "
                   "of others");
    app.add_flag("!--no_dropout", step.dropout, "Without the model's dropout");
    app.add_option("--gpu", gpu, "a100, h100 or h200: that of the tables by kernel and layer")->capture_default_str();
    app.add_flag("--nodes", nodes, "A line for every node, too");
    app.add_flag("--json", json, "One JSON object with every node, in place of tables");
  }
};

std::string percent(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.0f %%", 100 * share);
  return text.data();
}

// The nodes of a kernel, or of a layer.
struct Group {
  std::int64_t nodes = 0;
  double memory_bytes = 0, cache_bytes = 0, operations = 0, seconds = 0, launches = 0;
  double sectors = 0, requested = 0, wavefronts = 0, ideal_wavefronts = 0;  // of kernels that are not products

  void add(const LedgerNode& node, const NodeTime& time) {
    ++nodes;
    memory_bytes += time.memory_bytes, cache_bytes += time.cache_bytes;
    operations += node.work.operations;
    seconds += time.seconds(), launches += time.launch;
    requested += node.requested, sectors += node.requested > 0 ? node.sectors_read + node.sectors_written : 0;
    wavefronts += node.wavefronts, ideal_wavefronts += node.ideal_wavefronts;
  }
  // Of the bytes of sectors that warps access, the share that lanes ask for.
  std::string used() const { return sectors == 0 ? "" : percent(std::min(requested / sectors, 1.0)); }
  // Wavefronts of shared memory that bank conflicts add, by those without conflicts.
  std::string conflicts() const { return ideal_wavefronts == 0 ? "" : percent(wavefronts / ideal_wavefronts - 1); }
};

void print_row(const std::string& name, const Group& group, double all) {
  std::printf("| %s | %lld | %.1f | %.1f | %.1f | %.1f | %.1f %% | %s | %s |\n", name.c_str(),
              static_cast<long long>(group.nodes), group.memory_bytes / 1e6, group.cache_bytes / 1e6,
              group.operations / 1e9, 1e6 * group.seconds, 100 * group.seconds / all, group.used().c_str(),
              group.conflicts().c_str());
}

template <class Groups, class NameOf>
void print_groups(const char* title, const Groups& groups, const Group& all, NameOf&& name_of) {
  std::printf(
      "\n| %s | nodes | MB from and to memory | MB through L2 | GFLOP | predicted us | share | sectors used | bank "
      "conflicts |\n"
      "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
      title);
  for (const auto& [key, group] : groups) print_row(name_of(key), group, all.seconds);
  print_row("all", all, all.seconds);
}

void print_nodes(const CapturedStep& step, const std::vector<NodeTime>& times) {
  std::printf(
      "\n| node | layer | kernel | grid | threads | blocks a multiprocessor | warps | waves | blocks run | "
      "KB read | KB written | KB from and to memory | GFLOP | predicted us | limit |\n"
      "|--:|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n");
  for (std::size_t i = 0; i < step.nodes.size(); ++i) {
    const LedgerNode& node = step.nodes[i];
    const NodeTime& p = times[i];
    const std::string grid = node.m > 0 ? str_cat(node.m, " x ", node.n, " x ", node.k, ": ", p.tile)
                                        : str_cat(node.grid.x, " x ", node.grid.y, " x ", node.grid.z);
    const std::string layer = step.layers[i] < 0 ? "" : std::to_string(step.layers[i]);
    std::printf("| %zu | %s | %s | %s | %u | %d | %d | %lld | %llu | %.1f | %.1f | %.1f | %.3f | %.2f | %s |\n", i,
                layer.c_str(), node.kernel.c_str(), grid.c_str(), node.work.threads, p.resident_blocks,
                p.resident_blocks * static_cast<int>((node.work.threads + 31) / 32), static_cast<long long>(p.waves),
                static_cast<unsigned long long>(node.sampled), node.sectors_read / 1e3, node.sectors_written / 1e3,
                p.memory_bytes / 1e3, node.work.operations / 1e9, 1e6 * p.seconds(), p.limit.c_str());
  }
}

void print_machines(const CapturedStep& step) {
  const StepNeeds& needs = step.needs;
  std::printf(
      "\n| GPU | predicted ms | of which launches | MB from and to memory | floor ms | practical ms | floor's share |\n"
      "|---|--:|--:|--:|--:|--:|--:|\n");
  for (const Machine& machine : machines()) {
    Group all;
    const std::vector<NodeTime> times = predict(machine, step.work());
    for (std::size_t i = 0; i < step.nodes.size(); ++i) all.add(step.nodes[i], times[i]);
    const double floor = floor_seconds(needs, machine);
    std::printf("| %s | %.2f | %.2f | %.0f | %.2f | %.2f | %.0f %% |\n", machine.name, 1e3 * all.seconds,
                1e3 * all.launches, all.memory_bytes / 1e6, 1e3 * floor, 1e3 * practical_seconds(needs, machine),
                100 * floor / all.seconds);
  }
  std::printf(
      "\nFloor: %.1f GFLOP of products, %.1f of attention; %.0f MB of AdamW. Bytes that any step moves: %.0f MB, with "
      "%.0f of saved activations and %.0f of weights and their gradients. Model: %.1f GFLOP.\n",
      needs.product_flops / 1e9, needs.attention_flops / 1e9, needs.optimizer_bytes / 1e6, needs.bytes() / 1e6,
      needs.activation_bytes / 1e6, needs.weight_bytes / 1e6, needs.model_flops / 1e9);
}

// What a kernel belongs to in the list of what lies above the floor.
std::string part_of(const std::string& kernel) {
  constexpr std::array<std::array<const char*, 2>, 13> kParts = {{{"product", "products"},
                                                                  {"attention", "attention"},
                                                                  {"adamw", "AdamW"},
                                                                  {"layernorm", "layer norms"},
                                                                  {"column_sum", "sums of biases and norms"},
                                                                  {"grad_norm", "norm of the gradient"},
                                                                  {"activation", "activations"},
                                                                  {"glu", "activations"},
                                                                  {"rope", "rotary embedding"},
                                                                  {"embedding", "embeddings and their sort"},
                                                                  {"sort", "embeddings and their sort"},
                                                                  {"dropout", "dropout"},
                                                                  {"scale", "scale"}}};
  for (const auto& [prefix, part] : kParts)
    if (kernel.starts_with(prefix)) return part;
  return "others";
}

// The time of each part less what the floor has of it, launches apart, longest first.
void print_excess(const CapturedStep& step, const std::vector<NodeTime>& times, const Machine& machine) {
  std::map<std::string, double> parts;
  for (std::size_t i = 0; i < step.nodes.size(); ++i) {
    parts["launches"] += times[i].launch;
    parts[part_of(step.nodes[i].kernel)] +=
        times[i].seconds() - times[i].launch - step.nodes[i].work.operations / machine.product;
  }
  parts["AdamW"] -= step.needs.optimizer_bytes / machine.memory;
  std::vector<std::pair<std::string, double>> sorted(parts.begin(), parts.end());
  std::ranges::sort(sorted, std::greater<>(), [](const auto& part) { return part.second; });
  std::printf("\n| above the floor | us |\n|---|--:|\n");
  double all = 0;
  for (const auto& [name, seconds] : sorted) {
    std::printf("| %s | %.0f |\n", name.c_str(), 1e6 * seconds);
    all += seconds;
  }
  std::printf("| all | %.0f |\n", 1e6 * all);
}

void print_tables(const Options& options, const CapturedStep& step) {
  const Machine& machine = machine_of(options.gpu);
  const std::vector<NodeTime> times = predict(machine, step.work());
  std::map<std::string, Group> kernels;
  std::map<int, Group> layers;
  Group all;
  for (std::size_t i = 0; i < step.nodes.size(); ++i) {
    kernels[step.nodes[i].kernel].add(step.nodes[i], times[i]);
    layers[step.layers[i]].add(step.nodes[i], times[i]);
    all.add(step.nodes[i], times[i]);
  }
  std::vector<std::pair<std::string, Group>> by_time(kernels.begin(), kernels.end());
  std::ranges::sort(by_time, std::greater<>(), [](const auto& entry) { return entry.second.seconds; });
  std::printf("%s, bf16; kernels and layers on an %s\n", step.description.c_str(), machine.name);
  print_groups("kernel", by_time, all, [](const std::string& name) { return name; });
  print_groups("layer", layers, all, [](int layer) { return layer < 0 ? "outside" : std::to_string(layer); });
  print_machines(step);
  print_excess(step, times, machine);
  if (options.nodes) print_nodes(step, times);
}

json::Value json_of(const LedgerNode& node, int layer) {
  const auto dim = [](const simulated::Dim3& d) { return json::Value::array({d.x, d.y, d.z}); };
  json::Value out = json::Value::object({{"kernel", node.kernel}, {"layer", layer}});
  if (node.m > 0)
    out.set("product", json::Value::array({node.m, node.n, node.k}));
  else
    out.set("grid", dim(node.grid)), out.set("block", dim(node.block)), out.set("sampled", node.sampled),
        out.set("barriers", node.barriers), out.set("requests", node.requests), out.set("requested", node.requested),
        out.set("wavefronts", node.wavefronts), out.set("ideal_wavefronts", node.ideal_wavefronts);
  out.set("bytes_read", node.sectors_read), out.set("bytes_written", node.sectors_written);
  out.set("flops", node.work.operations);
  return out;
}

void print_json(const CapturedStep& step) {
  json::Value nodes = json::Value::array();
  for (std::size_t i = 0; i < step.nodes.size(); ++i) nodes.push_back(json_of(step.nodes[i], step.layers[i]));
  json::Value gpus = json::Value::object();
  for (const Machine& machine : machines()) {
    json::Value listed = json::Value::array();
    double all = 0;
    const std::vector<NodeTime> times = predict(machine, step.work());
    for (const NodeTime& p : times) {
      listed.push_back(json::Value::object({{"us", 1e6 * p.seconds()},
                                            {"limit", p.limit},
                                            {"memory_bytes", p.memory_bytes},
                                            {"cache_bytes", p.cache_bytes},
                                            {"resident_blocks", p.resident_blocks},
                                            {"waves", p.waves},
                                            {"tile", p.tile}}));
      all += p.seconds();
    }
    gpus.set(machine.name, json::Value::object({{"ms", 1e3 * all},
                                                {"floor_ms", 1e3 * floor_seconds(step.needs, machine)},
                                                {"practical_ms", 1e3 * practical_seconds(step.needs, machine)},
                                                {"nodes", listed}}));
  }
  std::cout << json::Value::object({{"model", step.description},
                                    {"product_flops", step.needs.product_flops},
                                    {"attention_flops", step.needs.attention_flops},
                                    {"model_flops", step.needs.model_flops},
                                    {"floor_bytes", step.needs.bytes()},
                                    {"nodes", nodes},
                                    {"gpus", gpus}})
                   .dump()
            << "\n";
}

void ledger(const Options& options) {
  machine_of(options.gpu);  // a wrong name is reported at once
  const CapturedStep step = capture_step(options.step, {});
  options.json ? print_json(step) : print_tables(options, step);
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  setenv("ATTUNE_SIMULATE_GPU", "1", 1);
  setenv("ATTUNE_SIMULATED_MEMORY", "80000000000", 1);
  CLI::App app("Lists what every kernel of a training step does and how long a model of a GPU takes for it",
               "bench_step_ledger");
  attune::Options options;
  options.declare(app);
  return attune::bench_main(app, argc, argv, [&] { attune::ledger(options); });
}
