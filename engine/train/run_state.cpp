#include "engine/train/run_state.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "engine/io/safetensors.h"
#include "engine/io/sha256.h"
#include "json/value.h"

namespace attune {
namespace {

constexpr char kFormat[] = "1", kFormatWithBestModel[] = "2", kFormatWithAverage[] = "3";
constexpr char kFormatKey[] = "attune_checkpoint", kRunKey[] = "run", kDigestKey[] = "run_sha256";

// Every tensor with its name in the file.
std::vector<TensorSource> tensors_of(const RunState& state) {
  std::vector<TensorSource> out;
  const auto add = [&](const std::string& kind, const std::string& name, const Tensor& tensor) {
    if (tensor.defined()) out.push_back(source_of({kind + "." + name, tensor}));
  };
  for (const RunState::Parameter& parameter : state.parameters) {
    add("value", parameter.name, parameter.value);
    add("m", parameter.name, parameter.m);
    add("v", parameter.name, parameter.v);
    add("gradient", parameter.name, parameter.gradient);
    add("best", parameter.name, parameter.best);
    add("average", parameter.name, parameter.average);
    out.insert(out.end(), parameter.divided.begin(), parameter.divided.end());
  }
  return out;
}

std::string format_of(const RunState& state) {
  const auto is_average = [](const TensorSource& source) { return source.name.starts_with("average."); };
  for (const RunState::Parameter& parameter : state.parameters)
    if (parameter.average.defined() || std::ranges::any_of(parameter.divided, is_average)) return kFormatWithAverage;
  return state.best_model ? kFormatWithBestModel : kFormat;
}

// "float32 (8, 64)"
std::string form_of(DType dtype, const Shape& shape) {
  return str_cat(dtype, " ", shape);
}

json::Value scalars_of(const RunState& s) {
  json::Value options = json::Value::array(), parameters = json::Value::array();
  for (const auto& [name, value] : s.options) options.push_back(json::Value::array({name, value}));
  for (const RunState::Parameter& p : s.parameters) parameters.push_back(json::Value::array({p.name, p.missed}));
  json::Value out =
      json::Value::object({{"step", s.step},
                           {"epoch", s.epoch},
                           {"batch", s.batch},
                           {"pass_seed", s.pass_seed ? json::Value(*s.pass_seed) : json::Value()},
                           {"optimizer_steps", s.optimizer_steps},
                           {"group_open", s.group_open},
                           {"finished", s.finished},
                           {"generator", s.generator},
                           {"best_step", s.best ? json::Value(s.best->step) : json::Value()},
                           {"best_validation_loss", s.best ? json::Value(s.best->validation_loss) : json::Value()},
                           {"seconds", s.seconds},
                           {"log_offset", s.log_offset ? json::Value(*s.log_offset) : json::Value()},
                           {"rank", s.rank},
                           {"world", s.world},
                           {"version", s.version},
                           {"options", options},
                           {"parameters", parameters}});
  if (!s.log_digest.empty()) out.set("log_digest", s.log_digest);
  if (!s.history.empty()) out.set("history", s.history);
  if (s.evaluation_left) out.set("evaluation_left", true);
  if (const auto& kept = s.best_model)
    out.set("best_model", json::Value::object({{"measure", kept->measure},
                                               {"step", kept->best ? json::Value(kept->best->step) : json::Value()},
                                               {"value", kept->best ? json::Value(kept->best->value) : json::Value()},
                                               {"evaluations_since", kept->evaluations_since}}));
  return out;
}

// The two elements of a list of two.
std::pair<json::Value, json::Value> pair_of(const json::Value& list) {
  const std::vector<json::Value> items = list.items();
  if (items.size() != 2) list.fail("must be a list of two");
  return {items[0], items[1]};
}

RunState state_of(const json::Value& in) {
  RunState s;
  s.step = in["step"].integer(0);
  s.epoch = in["epoch"].integer(1);
  s.batch = in["batch"].integer(0);
  if (in.has("pass_seed")) s.pass_seed = in["pass_seed"].unsigned_integer();
  s.optimizer_steps = in["optimizer_steps"].integer(0);
  s.group_open = in["group_open"].boolean();
  s.finished = in["finished"].boolean();
  s.evaluation_left = in.boolean_or("evaluation_left", false);
  s.generator = in["generator"].string();
  if (in.has("best_step"))
    s.best = {.step = in["best_step"].integer(0), .validation_loss = in["best_validation_loss"].number()};
  if (in.has("best_model")) {
    const json::Value kept = in["best_model"];
    s.best_model = {
        .measure = kept["measure"].string(), .best = {}, .evaluations_since = kept["evaluations_since"].integer(0)};
    if (kept.has("step")) s.best_model->best = {kept["step"].integer(0), kept["value"].number()};
  }
  s.seconds = in["seconds"].non_negative();
  if (in.has("log_offset")) s.log_offset = in["log_offset"].integer(0);
  s.log_digest = in.string_or("log_digest", "");
  s.rank = in["rank"].integer(0);
  s.world = in["world"].integer(1);
  s.version = in["version"].string();
  s.history = in.string_or("history", "");
  for (const json::Value& option : in["options"].items()) {
    const auto [name, value] = pair_of(option);
    s.options.emplace_back(name.string(), value.string());
  }
  for (const json::Value& parameter : in["parameters"].items()) {
    const auto [name, missed] = pair_of(parameter);
    s.parameters.emplace_back();
    s.parameters.back().name = name.string();
    s.parameters.back().missed = missed.integer(0);
  }
  return s;
}

// The state of the run in the file; checked against its digest.
json::Value read_scalars(const SafetensorsFile& file) {
  const auto entry = [&](const char* key) {
    const auto found = file.metadata().find(key);
    CHECK(found != file.metadata().end(), file.path(), ": is no checkpoint of a run: its metadata has no '", key, "'");
    return found->second;
  };
  const std::string format = entry(kFormatKey), text = entry(kRunKey), digest = entry(kDigestKey);
  CHECK(format == kFormat || format == kFormatWithBestModel || format == kFormatWithAverage, file.path(),
        ": is a checkpoint of format ", format, "; this attune reads the formats ", kFormat, " to ",
        kFormatWithAverage);
  CHECK(sha256_hex(text) == digest, file.path(), ": the scalars of the run are damaged: their SHA-256 is ",
        sha256_hex(text), ", not ", digest);
  return json::parse(text, file.path() + ": the scalars of the run");
}

// Every tensor of the file by name, checked against its digest.
std::map<std::string, Tensor> read_tensors(const SafetensorsFile& file, const json::Value& expected) {
  std::map<std::string, Tensor> out;
  CHECK(file.entries().size() == expected.size(), file.path(), ": has ", file.entries().size(), " tensors, not ",
        expected.size());
  expected.for_each([&](const std::string& name, const json::Value& said) {
    const auto [form, digest] = pair_of(said);
    const SafetensorsEntry* entry = file.find(name);
    CHECK(entry != nullptr, file.path(), ": there is no tensor '", name, "'");
    file.check(*entry, digest.string());
    const Tensor& read = out[name] = file.read(*entry);
    const std::string found = form_of(read.dtype(), read.shape());
    CHECK(found == form.string(), file.path(), ": the tensor '", name, "' is damaged: it is ", found, ", not ",
          form.string());
  });
  return out;
}

}  // namespace

void write_run_state(const std::string& path, const RunState& state) {
  const std::vector<TensorSource> tensors = tensors_of(state);
  write_safetensors_given_digests(path, tensors, [&](const std::map<std::string, std::string>& digests) {
    json::Value scalars = scalars_of(state), said = json::Value::object();
    for (const TensorSource& tensor : tensors)
      said.set(tensor.name, json::Value::array({form_of(tensor.dtype, tensor.shape), digests.at(tensor.name)}));
    scalars.set("tensors", said);
    const std::string text = scalars.dump();
    return Metadata{{kFormatKey, format_of(state)}, {kRunKey, text}, {kDigestKey, sha256_hex(text)}};
  });
}

RunState read_run_state(const std::string& path) {
  const SafetensorsFile file(path);
  const json::Value scalars = read_scalars(file);
  RunState state = state_of(scalars);
  const std::map<std::string, Tensor> tensors = read_tensors(file, scalars["tensors"]);
  const auto tensor = [&](const std::string& kind, const std::string& name) {
    const auto found = tensors.find(kind + "." + name);
    return found == tensors.end() ? Tensor() : found->second;
  };
  for (RunState::Parameter& parameter : state.parameters) {
    parameter.value = tensor("value", parameter.name);
    parameter.m = tensor("m", parameter.name);
    parameter.v = tensor("v", parameter.name);
    parameter.gradient = tensor("gradient", parameter.name);
    parameter.best = tensor("best", parameter.name);
    parameter.average = tensor("average", parameter.name);
    CHECK(parameter.value.defined(), path, ": there is no tensor 'value.", parameter.name, "'");
  }
  state.digest = file.metadata().at(kDigestKey);
  const std::string& format = file.metadata().at(kFormatKey);
  CHECK(format == format_of(state), path, ": its contents are those of format ", format_of(state), ", not ", format);
  return state;
}

}  // namespace attune
