#include "models/linear/bag_of_words.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "base/check.h"
#include "base/printable.h"
#include "base/read_file.h"
#include "engine/tensor/finite.h"
#include "models/model_folder.h"

namespace attune {
namespace {

constexpr const char* kModelType = "bag_of_words";

std::string in(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

void read_config(const json::Value& config, BagOfWords& model) {
  if (const json::Value type = config["model_type"]; type.string() != kModelType)
    type.fail(str_cat("is '", printable(type.string()), "', not '", kModelType, "'"));
  auto& classes = model.classifier.classes;
  for (const json::Value& label : config["classes"].items()) {
    const std::int64_t least =
        classes.empty() ? std::numeric_limits<std::int32_t>::min() : std::int64_t{classes.back()} + 1;
    classes.push_back(static_cast<std::int32_t>(label.integer(least, std::numeric_limits<std::int32_t>::max())));
  }
  if (classes.size() < 2) config["classes"].fail(str_cat("has ", classes.size(), " entries, at least 2 are needed"));
  const json::Value names = config["label_names"];
  for (const json::Value& name : names.items()) model.label_names.push_back(name.string());
  if (!model.label_names.empty() &&
      (classes.front() < 0 || static_cast<std::size_t>(classes.back()) >= model.label_names.size()))
    names.fail("does not name every class");
}

// Returns the file's bytes.
std::string read_vocabulary(const std::string& path, WordTable& vocabulary) {
  std::string text = read_file(path, json::Limits{}.max_bytes, FileKind::kRegular);
  const json::Value words = json::parse(text, path);
  for (const json::Value& word : words.items()) {
    const std::int32_t column = vocabulary.size();
    if (vocabulary.insert(word.string()) != column) word.fail("'" + printable(word.string()) + "' comes twice");
  }
  if (vocabulary.size() == 0) words.fail("holds no words");
  return text;
}

std::vector<double> read_tensor(const SafetensorsFile& file, const char* name, const Shape& shape) {
  const Tensor tensor = file.read(name, DType::kFloat64);
  file.check(*file.find(name));
  CHECK(tensor.shape() == shape, file.path(), ": ", name, " is ", tensor.shape(), ", expected ", shape);
  CHECK(all_finite(tensor), file.path(), ": ", name, " has values that are not finite");
  const auto values = tensor.values<double>();
  return {values.begin(), values.end()};
}

}  // namespace

void save_bag_of_words(const BagOfWords& model, const std::string& folder) {
  const LogisticRegression& classifier = model.classifier;
  create_folders(folder);
  json::Value words = json::Value::array();
  for (std::int32_t i = 0; i < model.vocabulary.size(); ++i) words.push_back(model.vocabulary.word(i));
  const json::Value config = json::Value::object({{"model_type", kModelType},
                                                  {"classes", json::Value::array_of(classifier.classes)},
                                                  {"label_names", json::Value::array_of(model.label_names)}});
  const std::vector<NamedTensor> tensors = {
      {"weight", Tensor::from(classifier.weights, {classifier.outputs(), classifier.columns})},
      {"bias", Tensor::from(classifier.bias, {classifier.outputs()})}};
  for (const auto& [name, tensor] : tensors)
    CHECK(all_finite(tensor), folder, ": not written: ", name, " has values that are not finite");
  const auto write = [&](AtomicFile& file, const Metadata& metadata) {
    write_safetensors_with_digests(file, tensors, metadata);
  };
  model_files(folder, config, {{"vocabulary.json", words.dump() + "\n"}}, write).commit();
}

BagOfWords load_bag_of_words(const std::string& folder) {
  BagOfWords model;
  const json::Value config = read_model_config(folder);
  read_config(config, model);
  const std::string vocabulary = in(folder, "vocabulary.json"), words = read_vocabulary(vocabulary, model.vocabulary);
  LogisticRegression& classifier = model.classifier;
  classifier.columns = model.vocabulary.size();
  const auto classes = static_cast<std::int64_t>(classifier.classes.size());
  const std::int64_t outputs = classes == 2 ? 1 : classes;
  const SafetensorsFile file(in(folder, "model.safetensors"));
  check_same_save(config, file);
  CHECK(is_saved_text(saved_digests(file), vocabulary, words), vocabulary,
        ": this vocabulary and model.safetensors come from different saves; copy both from one folder, or train again");
  classifier.weights = read_tensor(file, "weight", {outputs, classifier.columns});
  classifier.bias = read_tensor(file, "bias", {outputs});
  return model;
}

}  // namespace attune
