#include "engine/nn/parameter_table.h"

#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "engine/nn/init.h"
#include "engine/ops/fill.h"

namespace attune {
namespace {

// Blocks are trained from the end.
TrainableLayers trained_from(std::int64_t layer, std::int64_t blocks, TrainableLayers section) {
  if (layer < 0 || layer >= blocks) return section;
  if (layer == blocks - 1) return std::min(section, TrainableLayers::kLastBlock);
  if (layer == blocks - 2) return std::min(section, TrainableLayers::kLastTwoBlocks);
  return section;
}

}  // namespace

TrainableLayers trainable_layers(const std::string& name) {
  if (name == "all") return TrainableLayers::kAll;
  if (name == "last_block") return TrainableLayers::kLastBlock;
  if (name == "last_layer") return TrainableLayers::kLastLayer;
  if (name == "last_two_blocks") return TrainableLayers::kLastTwoBlocks;
  throw UsageError("--trainable_layers '" + name +
                   "' is unknown; the choices are all, last_block, last_two_blocks, last_layer");
}

ParameterTable::ParameterTable(std::int64_t blocks, DType dtype, double parameters) : blocks_(blocks), dtype_(dtype) {
  constexpr double kGigabyte = 1e9;
  const double needed = parameters * static_cast<double>(size_of(dtype));
  const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed > memory)
    throw OutOfMemory(str_cat("out of memory: the parameters of the model have about ", needed / kGigabyte,
                              " GB, the memory of this machine has ", memory / kGigabyte, " GB"));
}

Section Section::block(std::int64_t index, const std::string& hf_blocks) {
  const std::string at = std::to_string(index) + ".";
  return {.name = "blocks." + at, .hf_name = hf_blocks + at, .layer = index};
}

Embedding ParameterTable::embedding(const Section& section, const LayerName& name, std::int64_t rows,
                                    std::int64_t channels, std::int64_t padding_id) {
  const Parameter weight(Tensor::zeros({rows, channels}, dtype_), Parameter::Rounding::kNever, Parameter::Reads::kRows);
  add(section, name, weight, {}, Role::kEmbedding);
  return {weight, padding_id};
}

LayerNorm ParameterTable::norm(const Section& section, const LayerName& name, std::int64_t channels, double eps) {
  const auto parameter = [&] { return Parameter(Tensor::zeros({channels}, dtype_), Parameter::Rounding::kNever); };
  const Parameter weight = parameter(), bias = section.bias ? parameter() : Parameter();
  ops::fill(InPlace(weight.value()), 1);
  add(section, name, weight, bias, Role::kNorm);
  return {weight, bias, eps};
}

Linear ParameterTable::linear(const Section& section, const LayerName& name, std::int64_t inputs, std::int64_t outputs,
                              Role role) {
  const bool in_block = section.layer >= 0 && section.layer < blocks_;
  const auto parameter = [&](const Shape& shape) {
    return Parameter(Tensor::zeros(shape, dtype_),
                     in_block ? Parameter::Rounding::kAllowed : Parameter::Rounding::kNever);
  };
  const Parameter weight = parameter({outputs, inputs}), bias = section.bias ? parameter({outputs}) : Parameter();
  std::shared_ptr<LowRank> change;
  if (in_block) {
    change = std::make_shared<LowRank>();
    linears_.push_back({section.name, name.name, section.layer, change, weight.shape()});
  }
  add(section, name, weight, bias, role, change);
  return {weight, bias, change};
}

void ParameterTable::add_low_rank(const LowRankSpec& spec, TorchGenerator& generator) {
  // Sites that no model hands out (DropoutSites), so that other dropout is what it is without the change.
  constexpr std::uint32_t kFirstSite = 1U << 30;
  for (const std::string& name : spec.layers)
    CHECK(std::ranges::any_of(linears_, [&](const BlockLinear& linear) { return linear.name == name; }),
          "no block of the model has a linear layer '", name, "'");
  for (std::size_t i = 0; i < linears_.size(); ++i) {
    const auto& [section, name, layer, change, shape] = linears_[i];
    if (std::ranges::find(spec.layers, name) == spec.layers.end()) continue;
    CHECK(!change->a.defined(), section, name, " has a low-rank change already");
    const auto parameter = [&](const Shape& matrix) {
      return Parameter(Tensor::zeros(matrix, dtype_), Parameter::Rounding::kAllowed);
    };
    *change = {.a = parameter({spec.rank, shape[1]}),
               .b = parameter({shape[0], spec.rank}),
               .scale = spec.alpha / static_cast<double>(spec.rank),
               .dropout = spec.dropout,
               .site = kFirstSite + static_cast<std::uint32_t>(i)};
    init::torch_linear(generator, change->a.value(), {});
    for (const auto& [kind, matrix] : {std::pair{"lora_a", change->a}, {"lora_b", change->b}}) {
      const std::string full = section + name + "." + kind;
      matrix.set_names({full});
      rows_.push_back({.name = full,
                       .hf_name = "",
                       .parameter = matrix,
                       .row_begin = 0,
                       .row_end = matrix.shape()[0],
                       .layer = layer,
                       .role = Role::kLowRank});
    }
  }
}

void ParameterTable::add(const Section& section, const LayerName& name, const Parameter& weight, const Parameter& bias,
                         Role role, const std::shared_ptr<const LowRank>& change) {
  const bool linear = role == Role::kLinear || role == Role::kOutput;
  const std::int64_t parts = std::ssize(name.hf_names), rows = weight.shape()[0] / parts;
  CHECK(rows * parts == weight.shape()[0], name.name, ": ", weight.shape()[0], " rows are not ", parts, " equal parts");
  const auto published = [&](const char* kind) {
    std::vector<std::string> names;
    for (const std::string& part : name.hf_names) names.push_back(section.hf_name + part + kind);
    return names;
  };
  weight.set_names(published(".weight"));
  if (bias.defined()) bias.set_names(published(".bias"));
  for (std::size_t part = 0; part < name.hf_names.size(); ++part) {
    ParameterRow row{.name = section.name + name.name + ".weight",
                     .hf_name = weight.names()[part],
                     .parameter = weight,
                     .row_begin = static_cast<std::int64_t>(part) * rows,
                     .row_end = static_cast<std::int64_t>(part + 1) * rows,
                     .transposed = linear && section.transposed,
                     .layer = section.layer,
                     .role = role,
                     .trained_from = trained_from(section.layer, blocks_, section.trained_from),
                     .head = section.head,
                     .optional = section.optional,
                     .change = change};
    rows_.push_back(row);
    if (!bias.defined()) continue;
    row.name = section.name + name.name + ".bias";
    row.hf_name = bias.names()[part];
    row.parameter = bias;
    row.transposed = false;
    row.role = Role::kBias;
    row.change = {};
    rows_.push_back(std::move(row));
  }
}

void ParameterTable::for_each_parameter(const Visitor& visit) const {
  for (const ParameterRow& row : rows_)
    if (row.row_begin == 0) visit(row.name, row.parameter);
}

}  // namespace attune
