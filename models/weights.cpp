#include "models/weights.h"

#include <re2/re2.h>
#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/join.h"
#include "base/parallel.h"
#include "engine/io/sha256.h"
#include "engine/ops/scale.h"
#include "engine/tensor/finite.h"
#include "models/model_folder.h"
#include "models/weight_files.h"

namespace attune {
namespace {

// [rows, columns] -> [columns, rows].
Tensor transposed(const Tensor& x) {
  const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
  const Tensor out = Tensor::empty({columns, rows}, x.dtype());
  dispatch_float(x.dtype(), "transpose", [&]<class T>() {
    const T* from = x.values<T>().data();
    T* to = out.values<T>().data();
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  });
  return out;
}

// A row's part of a parameter's tensor as the file has it.
Tensor in_file(const ParameterRow& row, const Tensor& part) {
  return row.transposed ? transposed(part) : part;
}

// What the layer multiplies with, of this row: the exact value, with its low-rank change.
Tensor merged_part(const ParameterRow& row) {
  Tensor exact = row.part_of(row.parameter.exact()).to(Device::kCpu);
  if (row.change == nullptr || !row.change->a.defined()) return exact;
  LowRank change = *row.change;
  change.b = Parameter(row.part_of(change.b.exact()), Parameter::Rounding::kNever);
  const Tensor sum = exact.clone();
  ops::scale({sum, GradMode::kAccumulate}, change.product());
  return sum;
}

// One spelling for all that a name may have: no prefix, LayerNorm.weight / bias.
std::string canonical_name(std::string name, const HfFiles& files) {
  if (name.starts_with(files.prefix)) name.erase(0, files.prefix.size());
  for (const auto& [legacy, modern] : {std::pair<std::string, std::string>{"LayerNorm.gamma", "LayerNorm.weight"},
                                       {"LayerNorm.beta", "LayerNorm.bias"}})
    if (name.ends_with(legacy)) name.replace(name.size() - legacy.size(), legacy.size(), modern);
  return name;
}

bool is_ignored(const std::string& name, const HfFiles& files) {
  return std::ranges::any_of(files.ignored, [&](const std::string& pattern) { return RE2::FullMatch(name, pattern); });
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return "[" + join(shape, [](std::int64_t size) { return std::to_string(size); }) + "]";
}

std::string first_part(const std::string& name) {
  return name.substr(0, name.find('.'));
}

// Whether a tensor lies where those of the model lie, its head aside: "encoder.layer.12. ..." of a model of 12 layers.
bool of_backbone(const std::string& name, const Classifier& model, const HfFiles& files) {
  return std::ranges::any_of(model.table().rows(), [&](const ParameterRow& row) {
    return !row.optional && row.role != Role::kLowRank &&
           first_part(canonical_name(row.hf_name, files)) == first_part(name);
  });
}

// A tensor of a file, and where its values go.
struct Source {
  const SafetensorsFile* file;
  const SafetensorsEntry* entry;
  Tensor target = {};
  bool transposed = false;
};

// Reads a tensor into its target [rows, ...], or transposed, piece by piece on all threads.
void read_weight(const Source& source) {
  const Tensor& target = source.target;
  if (target.numel() == 0) return;
  constexpr std::int64_t kPiece = 65536;  // values: they stay in a core's cache
  const std::int64_t rows = source.entry->shape[0], width = target.numel() / rows;
  parallel_for(rows, std::max<std::int64_t>(kPiece / width, 16) / 16 * 16, [&](std::int64_t begin, std::int64_t end) {
    const Tensor piece = source.file->read_rows(*source.entry, target.dtype(), begin, end);
    CHECK(all_finite(piece), source.file->path(), ": the tensor '", source.entry->name,
          "' holds values that are not finite");
    if (!source.transposed) {
      target.rows(begin, end).copy_from(piece);
      return;
    }
    dispatch_float(target.dtype(), "transpose", [&]<class T>() {
      const T* from = piece.values<T>().data();
      T* to = target.values<T>().data() + begin;
      for (std::int64_t c = 0; c < width; ++c)
        for (std::int64_t r = 0; r < end - begin; ++r) to[c * rows + r] = from[r * width + c];
    });
  });
}

}  // namespace

void for_each_hf_tensor(const Classifier& model, const std::function<Tensor(const Parameter&)>& select,
                        const std::function<void(const std::string& hf_name, const Tensor& values)>& visit) {
  for (const ParameterRow& row : model.table().rows()) {
    if (row.role == Role::kLowRank) continue;
    const Tensor selected = select(row.parameter);
    if (selected.defined()) visit(row.hf_name, in_file(row, row.part_of(selected)));
  }
}

void initialize_rows(const Classifier& model, const std::vector<std::string>& hf_names, TorchGenerator& generator) {
  for (const ParameterRow& row : model.table().rows())
    if (std::ranges::find(hf_names, row.hf_name) != hf_names.end())
      model.initialize_row(row, row.part_of(row.parameter.value()), generator);
}

LoadReport load_weights(const Classifier& model, const std::string& folder, const json::Value& config, Head head) {
  const WeightFiles weights(folder);
  const HfFiles files = model.hf_files();
  LoadReport report;
  std::map<std::string, Source> entries;  // by canonical name
  for (const SafetensorsFile& file : weights.files()) {
    check_same_save(config, file);
    for (const SafetensorsEntry& entry : file.entries()) {
      const auto [same, fresh] = entries.emplace(canonical_name(entry.name, files), Source{&file, &entry});
      CHECK(fresh, file.path(), ": the tensors '", same->second.entry->name, "' and '", entry.name,
            "' are two spellings of one");
    }
  }

  std::vector<Source> sources;
  for (const ParameterRow& row : model.table().rows()) {
    if (row.role == Role::kLowRank) continue;
    const auto found = entries.find(canonical_name(row.hf_name, files));
    if (row.head && head == Head::kFresh) {
      if (found != entries.end()) entries.erase(found);
      continue;
    }
    if (found == entries.end()) {
      CHECK(row.optional, weights.files().front().path(), ": the tensor '", row.hf_name, "' is missing");
      report.missing.push_back(row.hf_name);
      continue;
    }
    Source source = found->second;
    source.target = row.part_of(row.parameter.value());
    source.transposed = row.transposed;
    Shape expected = source.target.shape();
    if (row.transposed) expected = {expected[1], expected[0]};
    CHECK(shape_text(source.entry->shape) == expected.str(), source.file->path(), ": the tensor '", source.entry->name,
          "' has shape ", shape_text(source.entry->shape), " where ", expected, " is needed");
    sources.push_back(std::move(source));
    entries.erase(found);
  }
  for (const auto& [name, found] : entries) {
    if (is_ignored(name, files)) continue;
    CHECK(!of_backbone(name, model, files), found.file->path(), ": the tensor '", found.entry->name,
          "' has no place in the model that config.json describes");
    report.unused.push_back(found.entry->name);
  }
  parallel_for(std::ssize(sources), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Source& source = sources[static_cast<std::size_t>(i)];
      source.file->check(*source.entry);
    }
  });
  for (const Source& source : sources) read_weight(source);
  return report;
}

std::string weights_digest(const Classifier& model, bool frozen_only) {
  std::vector<NamedParameter> parameters = parameters_of(model);
  if (frozen_only) std::erase_if(parameters, [](const NamedParameter& each) { return each.parameter.requires_grad(); });
  // In turns of about so many bytes: what lies on a device is copied by this thread alone, and not all at once.
  constexpr std::size_t kTurn = std::size_t{256} << 20;
  Sha256 all;
  for (auto next = parameters.begin(); next != parameters.end();) {
    std::vector<Tensor> turn;
    for (std::size_t bytes = 0; next != parameters.end() && bytes < kTurn; ++next) {
      turn.push_back(next->parameter.exact().to(Device::kCpu));
      bytes += turn.back().bytes();
    }
    std::vector<std::string> digests(turn.size());
    parallel_for(std::ssize(turn), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
        digests[i] = sha256_hex(std::span(static_cast<const std::byte*>(turn[i].raw()), turn[i].bytes()));
    });
    for (const std::string& digest : digests) all.update(digest);
  }
  return all.hex();
}

void save_weights(const Classifier& model, AtomicFile& file, const Metadata& metadata) {
  std::map<std::string, Tensor> values;
  for (const ParameterRow& row : model.table().rows()) {
    if (row.role == Role::kLowRank) continue;
    const Tensor tensor = in_file(row, merged_part(row));
    CHECK(all_finite(tensor), file.path(), ": not written: the tensor '", row.hf_name,
          "' holds values that are not finite");
    values.emplace(row.hf_name, tensor);
  }
  model.adapt_for_export(values);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : values) tensors.push_back({name, tensor});
  write_safetensors_with_digests(file, tensors, metadata);
}

}  // namespace attune
