#include "models/linear/bag_of_words.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"

namespace attune {
namespace {

using Json = nlohmann::json;

constexpr const char* kModelType = "bag_of_words";

std::string in(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

Json read_json(const std::string& path) {
  const Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  CHECK(!json.is_discarded(), path, ": not valid JSON");
  return json;
}

// json[key] as T; throws Error naming file and key.
template <class T>
T get(const Json& json, const char* key, const std::string& path) {
  CHECK(json.is_object() && json.contains(key), path, ": '", key, "' is missing");
  try {
    return json.at(key).get<T>();
  } catch (const Json::exception&) {
    throw Error(str_cat(path, ": '", key, "' is of the wrong kind"));
  }
}

void read_config(const std::string& path, BagOfWords& model) {
  const Json json = read_json(path);
  const auto type = get<std::string>(json, "model_type", path);
  CHECK(type == kModelType, path, ": model_type is '", type, "', not '", kModelType, "'");
  auto& classes = model.classifier.classes;
  for (const std::int64_t label : get<std::vector<std::int64_t>>(json, "classes", path)) {
    classes.push_back(static_cast<std::int32_t>(label));
    CHECK(classes.back() == label && (classes.size() == 1 || classes[classes.size() - 2] < label), path,
          ": 'classes' must be ascending 32-bit integers, found ", label);
  }
  CHECK(classes.size() >= 2, path, ": 'classes' has ", classes.size(), " entries, at least 2 are needed");
  model.label_names = get<std::vector<std::string>>(json, "label_names", path);
  CHECK(model.label_names.empty() ||
            (classes.front() >= 0 && static_cast<std::size_t>(classes.back()) < model.label_names.size()),
        path, ": 'label_names' does not name every class");
}

void read_vocabulary(const std::string& path, WordTable& vocabulary) {
  const Json json = read_json(path);
  CHECK(json.is_array() && !json.empty(), path, ": not a list of words");
  for (const Json& word : json) {
    CHECK(word.is_string(), path, ": entry ", vocabulary.size(), " is not a word");
    const std::int32_t column = vocabulary.size();
    CHECK(vocabulary.insert(word.get_ref<const std::string&>()) == column, path, ": '",
          word.get_ref<const std::string&>(), "' comes twice");
  }
}

std::vector<double> read_tensor(const SafetensorsFile& file, const char* name, const Shape& shape) {
  const Tensor tensor = file.read(name, DType::kFloat64);
  CHECK(tensor.shape() == shape, file.path(), ": ", name, " is ", tensor.shape(), ", expected ", shape);
  const auto values = tensor.values<double>();
  CHECK(std::ranges::all_of(values, [](double x) { return std::isfinite(x); }), file.path(), ": ", name,
        " has values that are not finite");
  return {values.begin(), values.end()};
}

}  // namespace

void save_bag_of_words(const BagOfWords& model, const std::string& folder) {
  const LogisticRegression& classifier = model.classifier;
  create_folders(folder);
  write_safetensors(in(folder, "model.safetensors"),
                    {{"weight", Tensor::from(classifier.weights, {classifier.outputs(), classifier.columns})},
                     {"bias", Tensor::from(classifier.bias, {classifier.outputs()})}},
                    {});
  Json words = Json::array();
  for (std::int32_t i = 0; i < model.vocabulary.size(); ++i) words.push_back(std::string(model.vocabulary.word(i)));
  write_file(in(folder, "vocabulary.json"), words.dump() + "\n");
  const Json config = {{"model_type", kModelType}, {"classes", classifier.classes}, {"label_names", model.label_names}};
  write_file(in(folder, "config.json"), config.dump(2) + "\n");
}

BagOfWords load_bag_of_words(const std::string& folder) {
  BagOfWords model;
  read_config(in(folder, "config.json"), model);
  read_vocabulary(in(folder, "vocabulary.json"), model.vocabulary);
  LogisticRegression& classifier = model.classifier;
  classifier.columns = model.vocabulary.size();
  const auto classes = static_cast<std::int64_t>(classifier.classes.size());
  const std::int64_t outputs = classes == 2 ? 1 : classes;
  const SafetensorsFile file(in(folder, "model.safetensors"));
  classifier.weights = read_tensor(file, "weight", {outputs, classifier.columns});
  classifier.bias = read_tensor(file, "bias", {outputs});
  return model;
}

}  // namespace attune
