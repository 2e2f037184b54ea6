#include "models/config_reader.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/read_file.h"

namespace attune {

using Json = nlohmann::ordered_json;

// The first name of each is the one written.
constexpr std::array<std::pair<const char*, Activation>, 5> kActivations = {
    {{"gelu", Activation::kGeluErf},
     {"gelu_new", Activation::kGeluTanh},
     {"gelu_pytorch_tanh", Activation::kGeluTanh},
     {"gelu_fast", Activation::kGeluTanh},
     {"relu", Activation::kRelu}}};

struct ConfigReader::Impl {
  std::string name;
  Json json;

  // The value of a key that must be there.
  const Json& at(const std::string& key) const {
    const auto found = json.find(key);
    CHECK(found != json.end() && !found->is_null(), name, ": the key '", key, "' is missing");
    return *found;
  }
  // Throws unless the value is of the kind named.
  const Json& at(const std::string& key, bool (Json::*is_kind)() const noexcept, const char* kind) const {
    const Json& value = at(key);
    CHECK((value.*is_kind)(), name, ": the key '", key, "' must be ", kind, ", found ", value.dump());
    return value;
  }
};

ConfigReader::ConfigReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConfigReader::~ConfigReader() = default;
ConfigReader::ConfigReader(ConfigReader&&) noexcept = default;

ConfigReader ConfigReader::from_file(const std::string& path) {
  return from_text(read_file(path), path);
}

ConfigReader ConfigReader::from_text(const std::string& text, const std::string& name) {
  auto impl = std::make_unique<Impl>();
  impl->name = name;
  try {
    impl->json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(str_cat(name, ": not valid JSON: ", error.what()));
  }
  CHECK(impl->json.is_object(), name, ": must hold a JSON object");
  return ConfigReader(std::move(impl));
}

const std::string& ConfigReader::name() const {
  return impl_->name;
}

bool ConfigReader::has(const std::string& key) const {
  const auto found = impl_->json.find(key);
  return found != impl_->json.end() && !found->is_null();
}

std::int64_t ConfigReader::integer(const std::string& key) const {
  return impl_->at(key, &Json::is_number_integer, "an integer").get<std::int64_t>();
}

std::int64_t ConfigReader::positive(const std::string& key) const {
  const std::int64_t value = integer(key);
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  CHECK(value >= 1 && value < kLargest, impl_->name, ": the key '", key, "' must be a positive integer, found ", value);
  return value;
}

double ConfigReader::number(const std::string& key) const {
  const double value = impl_->at(key, &Json::is_number, "a number").get<double>();
  CHECK(std::isfinite(value), impl_->name, ": the key '", key, "' must be a finite number");
  return value;
}

std::string ConfigReader::text(const std::string& key) const {
  return impl_->at(key, &Json::is_string, "a string").get<std::string>();
}

std::vector<std::string> ConfigReader::texts(const std::string& key) const {
  std::vector<std::string> out;
  for (const Json& item : impl_->at(key, &Json::is_array, "a list of strings")) {
    CHECK(item.is_string(), impl_->name, ": the key '", key, "' must be a list of strings, found ", item.dump());
    out.push_back(item.get<std::string>());
  }
  return out;
}

ConfigReader ConfigReader::object(const std::string& key) const {
  auto impl = std::make_unique<Impl>();
  impl->name = impl_->name + ": " + key;
  impl->json = impl_->at(key, &Json::is_object, "an object");
  return ConfigReader(std::move(impl));
}

std::int64_t ConfigReader::integer_or(const std::string& key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}
double ConfigReader::number_or(const std::string& key, double fallback) const {
  return has(key) ? number(key) : fallback;
}
float ConfigReader::probability_or(const std::string& key, double fallback) const {
  const double value = number_or(key, fallback);
  CHECK(value >= 0 && value < 1, impl_->name, ": the key '", key, "' must be a probability in [0, 1), found ", value);
  return static_cast<float>(value);
}
bool ConfigReader::boolean_or(const std::string& key, bool fallback) const {
  return has(key) ? impl_->at(key, &Json::is_boolean, "true or false").get<bool>() : fallback;
}
std::string ConfigReader::text_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

Activation ConfigReader::activation_or(const std::string& key, Activation fallback) const {
  const std::string name = text_or(key, hf_name(fallback));
  std::string known;
  for (const auto& [spelling, activation] : kActivations) {
    if (name == spelling) return activation;
    known += std::string(known.empty() ? "" : ", ") + spelling;
  }
  fail(key + " '" + name + "' is not supported (" + known + " are)");
}

std::int64_t ConfigReader::num_labels_or(std::int64_t fallback) const {
  const auto named =
      static_cast<std::int64_t>(has("id2label") ? impl_->at("id2label", &Json::is_object, "an object").size() : 0);
  if (!has("num_labels")) return named > 0 ? named : fallback;
  const std::int64_t counted = positive("num_labels");
  CHECK(named == 0 || named == counted, impl_->name, ": num_labels is ", counted, ", but id2label names ", named,
        " classes");
  return counted;
}

std::vector<std::string> ConfigReader::label_names() const {
  if (!has("id2label")) return {};
  const Json& labels = impl_->at("id2label", &Json::is_object, "an object");
  std::vector<std::string> out(labels.size());
  for (const auto& [id, label] : labels.items()) {
    std::size_t index = out.size();
    std::istringstream(id) >> index;
    CHECK(index < out.size() && label.is_string() && out[index].empty(), impl_->name, ": id2label must map 0 .. ",
          out.size() - 1, " to names, found '", id, "': ", label.dump());
    out[index] = label.get<std::string>();
  }
  return out;
}

void ConfigReader::fail(const std::string& what) const {
  throw Error(impl_->name + ": " + what);
}

std::string changed_config(const std::string& source, const ConfigChanges& changes) {
  Json json = Json::parse(source);
  for (const auto& [key, value] : changes) json[key] = Json::parse(value);
  return json.dump(2) + "\n";
}

ConfigChanges label_changes(const std::vector<std::string>& label_names) {
  Json id2label = Json::object(), label2id = Json::object();
  for (std::size_t id = 0; id < label_names.size(); ++id) {
    id2label[std::to_string(id)] = label_names[id];
    label2id[label_names[id]] = id;
  }
  return {
      {"id2label", id2label.dump()}, {"label2id", label2id.dump()}, {"num_labels", std::to_string(label_names.size())}};
}

const char* hf_name(Activation activation) {
  for (const auto& [spelling, known] : kActivations)
    if (known == activation) return spelling;
  throw Error("this activation has no Hugging Face name");
}

std::string json_quote(const std::string& text) {
  return Json(text).dump();
}

template <class T>
static std::string shortest(T value) {
  std::array<char, 32> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}
std::string json_number(double value) {
  return shortest(value);
}
std::string json_number(float value) {
  return shortest(value);
}

}  // namespace attune
