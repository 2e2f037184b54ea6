#include "models/weights.h"

#include <re2/re2.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/check.h"
#include "engine/io/safetensors.h"

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

std::map<std::string, Parameter> parameters_by_name(const Classifier& model) {
  std::map<std::string, Parameter> out;
  for (const auto& [name, parameter] : parameters_of(model)) out.emplace(name, parameter);
  return out;
}

// The part of a parameter that an HF tensor holds; shares bytes.
Tensor part_of(const HfTensor& tensor, const Tensor& parameter) {
  return tensor.row_count < 0 ? parameter : parameter.rows(tensor.row_begin, tensor.row_begin + tensor.row_count);
}

// A file's spelling of a name -> ours: no prefix, LayerNorm.weight / bias.
std::string canonical_name(std::string name, const HfNaming& naming) {
  if (name.starts_with(naming.prefix)) name.erase(0, naming.prefix.size());
  for (const auto& [legacy, modern] : {std::pair<std::string, std::string>{"LayerNorm.gamma", "LayerNorm.weight"},
                                       {"LayerNorm.beta", "LayerNorm.bias"}})
    if (name.ends_with(legacy)) name.replace(name.size() - legacy.size(), legacy.size(), modern);
  return name;
}

bool is_ignored(const std::string& name, const HfNaming& naming) {
  for (const std::string& pattern : naming.ignored)
    if (RE2::FullMatch(name, pattern)) return true;
  return false;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return out + "]";
}

bool is_finite(const Tensor& tensor) {
  return dispatch_float(tensor.dtype(), "finiteness", [&]<class T>() {
    return std::ranges::all_of(tensor.values<T>(), [](T x) { return std::isfinite(x); });
  });
}

}  // namespace

Tensor to_hf_layout(const HfTensor& tensor, const Tensor& parameter) {
  const Tensor part = part_of(tensor, parameter);
  return tensor.transposed ? transposed(part) : part;
}

void for_each_hf_tensor(const Classifier& model, const std::function<Tensor(const Parameter&)>& select,
                        const std::function<void(const std::string&, const Tensor&)>& visit) {
  const auto parameters = parameters_by_name(model);
  for (const HfTensor& tensor : model.hf_naming().tensors)
    if (const Tensor selected = select(parameters.at(tensor.parameter)); selected.defined())
      visit(tensor.name, to_hf_layout(tensor, selected));
}

void initialize_tensors(const Classifier& model, const std::vector<std::string>& names, TorchGenerator& generator) {
  const auto parameters = parameters_by_name(model);
  for (const HfTensor& tensor : model.hf_naming().tensors)
    if (std::ranges::find(names, tensor.name) != names.end())
      model.initialize_tensor(tensor, part_of(tensor, parameters.at(tensor.parameter).value()), generator);
}

LoadReport load_weights(const Classifier& model, const std::string& path, Head head) {
  const SafetensorsFile file(path);
  const HfNaming naming = model.hf_naming();
  std::map<std::string, const SafetensorsEntry*> entries;
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::string name = canonical_name(entry.name, naming);
    const bool fresh = entries.emplace(name, &entry).second;
    CHECK(fresh, path, ": the tensors '", entries[name]->name, "' and '", entry.name, "' are two spellings of one");
  }

  LoadReport report;
  const auto parameters = parameters_by_name(model);
  for (const HfTensor& tensor : naming.tensors) {
    const auto found = entries.find(tensor.name);
    if (tensor.head && head == Head::kFresh) {
      if (found != entries.end()) entries.erase(found);
      continue;
    }
    if (found == entries.end()) {
      CHECK(tensor.optional, path, ": the tensor '", tensor.name, "' is missing");
      report.missing.push_back(tensor.name);
      continue;
    }
    const Tensor target = part_of(tensor, parameters.at(tensor.parameter).value());
    Shape expected = target.shape();
    if (tensor.transposed) expected = {target.shape()[1], target.shape()[0]};
    CHECK(shape_text(found->second->shape) == expected.str(), path, ": the tensor '", found->second->name,
          "' has shape ", shape_text(found->second->shape), " where ", expected, " is needed");
    const Tensor values = file.read(*found->second, target.dtype());
    target.copy_from(tensor.transposed ? transposed(values) : values);
    entries.erase(found);
  }
  for (const auto& [name, entry] : entries)
    if (!is_ignored(name, naming)) report.unused.push_back(entry->name);
  return report;
}

void save_weights(const Classifier& model, const std::string& path) {
  const HfNaming naming = model.hf_naming();
  std::map<std::string, Tensor> values;
  for_each_hf_tensor(
      model, [](const Parameter& parameter) { return parameter.exact().to(Device::kCpu); },
      [&](const std::string& name, const Tensor& tensor) {
        CHECK(is_finite(tensor), path, ": not written: the tensor '", name, "' holds values that are not finite");
        values.emplace(name, tensor);
      });
  model.adapt_for_export(values);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : values) {
    const bool bare = std::ranges::find(naming.unprefixed, name) != naming.unprefixed.end();
    tensors.push_back({bare ? name : naming.prefix + name, tensor});
  }
  write_safetensors(path, std::move(tensors), {{"format", "pt"}});
}

}  // namespace attune
