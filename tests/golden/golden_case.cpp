#include "tests/golden/golden_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

#include "base/math.h"
#include "engine/autograd/functions.h"
#include "engine/optim/adamw.h"
#include "engine/tensor/context.h"
#include "models/weights.h"
#include "tests/support/data.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;
using NamedTensors = std::map<std::string, Tensor>;  // golden name -> float64 values

double norm(const Tensor& x) {
  double sum = 0;
  for (double v : x.values<double>()) sum += v * v;
  return std::sqrt(sum);
}

double distance(const Tensor& a, const Tensor& b) {
  const Tensor difference = a.clone();
  for (std::size_t i = 0; i < difference.values<double>().size(); ++i)
    difference.values<double>()[i] -= b.values<double>()[i];
  return norm(difference);
}

NamedTensors tensors_of(const GoldenModel& subject, const std::function<Tensor(const Parameter&)>& select) {
  NamedTensors out;
  const auto on_host = [&](const Parameter& p) {
    const Tensor x = select(p);
    return x.defined() ? x.to(Device::kCpu).cast(DType::kFloat64) : x;
  };
  for_each_hf_tensor(*subject.model, on_host, [&](const std::string& name, const Tensor& values) {
    out.emplace(subject.golden_name(name), values.clone());
  });
  return out;
}
NamedTensors values_of(const GoldenModel& subject) {
  return tensors_of(subject, [](const Parameter& p) { return p.exact(); });
}
NamedTensors gradients_of(const GoldenModel& subject) {
  return tensors_of(subject, [](const Parameter& p) { return p.grad().tensor(); });
}

double global_norm(const NamedTensors& tensors) {
  double sum = 0;
  for (const auto& [name, tensor] : tensors) sum += norm(tensor) * norm(tensor);
  return std::sqrt(sum);
}

// Whether distances are measured in the reference's own.
bool has_yardstick(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kBFloat16;
}

// Every distance from the truth over the reference's, and at the end the geometric mean of each quantity: a single
// largest error is one draw against another, their mean is not.
class Distances : public ::testing::Environment {
 public:
  void note(const Variant& variant, const char* quantity, double ours, double reference) {
    if (reference > 0) ratios_[{variant.dtype, variant.device, quantity}].push_back(std::max(ours / reference, 1e-3));
  }
  void TearDown() override {
    for (const auto& [key, ratios] : ratios_) {
      const auto& [dtype, device, quantity] = key;
      const std::string variant = Variant{dtype, device}.name();
      double logarithms = 0;
      for (const double ratio : ratios) logarithms += std::log(ratio);
      const double mean = std::exp(logarithms / static_cast<double>(ratios.size()));
      std::printf("%s, %s: %.2f times the reference's distance from the truth (geometric mean of %zu, largest %.2f)\n",
                  variant.c_str(), quantity.c_str(), mean, ratios.size(), *std::ranges::max_element(ratios));
      constexpr std::size_t kEnough = 6;  // fewer are no mean
      if (ratios.size() < kEnough) continue;
      EXPECT_LE(mean, dtype == DType::kFloat32 ? 1.4 : 1.0) << variant << " " << quantity;
    }
  }

 private:
  std::map<std::tuple<DType, Device, std::string>, std::vector<double>> ratios_;
};
Distances& distances() {
  static auto* instance = dynamic_cast<Distances*>(::testing::AddGlobalTestEnvironment(new Distances));
  return *instance;
}
const Distances& registered_early = distances();  // before the tests start

// Forward, loss and backward on one batch; gradients stay in the parameters.
struct Passed {
  Tensor logits;
  double loss;
};
Passed forward_backward(const GoldenModel& subject, const GoldenCase::Inputs& inputs) {
  Tape tape;
  Variable logits, loss;
  {
    const Tape::Recording recording(tape);
    logits = subject.model->forward(subject.batch_of(inputs), {.training = true, .seed = 1, .step = 0});
    loss = cross_entropy(logits, Tensor::from(inputs.labels, {inputs.count}).to(subject.variant.device));
  }
  const Passed out{logits.value().to(Device::kCpu).cast(DType::kFloat64), loss.value().to(Device::kCpu).item()};
  tape.backward(loss);
  return out;
}

void clear_gradients(const GoldenModel& subject) {
  for (const auto& [name, parameter] : parameters_of(*subject.model)) parameter.grad().clear();
}

std::set<std::string> text_set(const Json& list) {
  std::set<std::string> out;
  for (const Json& item : list) out.insert(item.get<std::string>());
  return out;
}

TrainableLayers layers_of(const std::string& run) {
  static const std::map<std::string, TrainableLayers> names = {{"all", TrainableLayers::kAll},
                                                               {"last_layer", TrainableLayers::kLastLayer},
                                                               {"last_block", TrainableLayers::kLastBlock},
                                                               {"last_two_blocks", TrainableLayers::kLastTwoBlocks}};
  return names.at(run);
}

// The key bias inside GPT-2's fused bias: its gradient is zero in exact arithmetic, so its values after training are
// noise.
bool has_key_bias(const std::string& name) {
  return name.ends_with("attn.c_attn.bias");
}
void drop_key_bias(const Tensor& bias) {
  auto values = bias.values<double>();
  const std::size_t third = values.size() / 3;
  std::fill(values.begin() + static_cast<std::ptrdiff_t>(third),
            values.begin() + static_cast<std::ptrdiff_t>(2 * third), 0.0);
}

}  // namespace

std::vector<Variant> golden_variants() {
  return {{DType::kFloat64},
          {DType::kFloat32},
          {DType::kBFloat16},
          {DType::kFloat32, Device::kCuda},
          {DType::kBFloat16, Device::kCuda}};
}

// Three times the reference library's own distance from the truth, which moves by as much between machines; in float32
// never less than a bound that arithmetic of any order meets. float64: the golden values themselves are stored as
// float32, half a unit of which is 6e-8.
GoldenTolerance GoldenCase::tolerance(DType dtype) const {
  if (dtype == DType::kFloat64)
    return {.logits = 5e-7, .gradient = 2e-7, .zero_gradient = 1e-12, .loss = 1e-6, .parameter = 2e-7};
  const GoldenTolerance reference = yardstick(dtype);
  const double least = dtype == DType::kFloat32 ? 1e-5 : 0, gradient = std::max(3 * reference.gradient, least);
  return {.logits = std::max(3 * reference.logits, 2 * least),
          .gradient = gradient,
          .zero_gradient = gradient,
          .loss = std::max(3 * reference.loss, 10 * least),
          .parameter = std::max(3 * reference.parameter, 2 * least)};
}

GoldenTolerance GoldenCase::yardstick(DType dtype) const {
  const Json& distances = report["yardstick"][dtype == DType::kFloat32 ? "float32" : "bfloat16_autocast"];
  return {.logits = distances["logits"],
          .gradient = distances["gradient"],
          .zero_gradient = 0,
          .loss = distances.value("training_losses", 0.0),
          .parameter = distances.value("parameters", 0.0)};
}

DType loading_dtype(const Variant& variant) {
  return variant.dtype == DType::kBFloat16 ? DType::kFloat32 : variant.dtype;
}

void place_golden(const GoldenModel& subject) {
  // For the whole process. Models in float64 do not read it, and are loaded next to the one under test.
  if (subject.variant.device == Device::kCpu && subject.variant.dtype != DType::kFloat64)
    set_bfloat16_products(subject.variant.dtype == DType::kBFloat16);
  if (subject.variant.device != Device::kCpu) place(*subject.model, subject.variant.device, subject.variant.dtype);
}

std::vector<std::filesystem::path> golden_cases(const std::string& family) {
  std::vector<std::filesystem::path> out;
  const auto data = data_dir();
  const std::filesystem::path folder = data ? *data / "golden" / family : std::filesystem::path();
  if (!data || !std::filesystem::is_directory(folder)) return out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory()) out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

std::vector<std::filesystem::path> smallest_case(const std::string& family) {
  const std::vector<std::filesystem::path> cases = golden_cases(family);
  if (cases.empty()) return {};
  const auto work = [](const std::filesystem::path& folder) {  // tokens times weights
    return GoldenCase(folder).inputs(0).ids.size() * std::filesystem::file_size(folder / "model.safetensors");
  };
  return {*std::ranges::min_element(cases, {}, work)};
}

std::vector<std::filesystem::path> larger_cases(const std::string& family) {
  std::vector<std::filesystem::path> cases = golden_cases(family);
  for (const auto& folder : smallest_case(family)) std::erase(cases, folder);
  return cases;
}

GoldenCase::GoldenCase(const std::filesystem::path& case_folder)
    : folder(case_folder),
      report(Json::parse(std::ifstream(case_folder / "report.json"))),
      outputs(file("outputs.safetensors")) {}

GoldenCase::Inputs GoldenCase::inputs(int batch) const {
  const SafetensorsFile in(file("inputs.safetensors"));
  const std::string name = "batch" + std::to_string(batch) + ".";
  const Tensor ids = in.read(name + "input_ids", DType::kInt32), mask = in.read(name + "attention_mask", DType::kInt32);
  const Tensor labels = in.read(name + "labels", DType::kInt32);
  Inputs out;
  out.count = ids.shape()[0];
  out.length = ids.shape()[1];
  out.ids.assign(ids.values<std::int32_t>().begin(), ids.values<std::int32_t>().end());
  out.labels.assign(labels.values<std::int32_t>().begin(), labels.values<std::int32_t>().end());
  for (std::int64_t b = 0; b < out.count; ++b) {
    const auto row = mask.values<std::int32_t>().subspan(static_cast<std::size_t>(b * out.length),
                                                         static_cast<std::size_t>(out.length));
    out.lengths.push_back(static_cast<std::int32_t>(std::ranges::count(row, 1)));
  }
  return out;
}

void expect_outputs(const GoldenCase& golden, const GoldenModel& subject, const std::string& prefix,
                    const GoldenModel* reference) {
  SCOPED_TRACE(golden.folder.string() + " " + prefix + " " + subject.variant.name());
  const GoldenTolerance tolerance = golden.tolerance(subject.variant.dtype);
  const Passed passed = forward_backward(subject, golden.inputs(0));
  const Tensor logits = golden.outputs.read(prefix + "logits", DType::kFloat64);
  ASSERT_EQ(passed.logits.shape().str(), logits.shape().str());
  double worst = 0;
  for (std::size_t i = 0; i < logits.values<double>().size(); ++i) {
    EXPECT_NEAR(passed.logits.values<double>()[i], logits.values<double>()[i], tolerance.logits) << "logit " << i;
    worst = std::max(worst, std::abs(passed.logits.values<double>()[i] - logits.values<double>()[i]));
  }
  const DType dtype = subject.variant.dtype;
  const bool measured = has_yardstick(dtype);
  if (measured) distances().note(subject.variant, "logits", worst, golden.yardstick(dtype).logits);
  const double loss = golden.outputs.read(prefix + "loss", DType::kFloat64).item();
  EXPECT_NEAR(passed.loss, loss, tolerance.logits);

  const NamedTensors gradients = gradients_of(subject);
  NamedTensors others;
  if (reference != nullptr) {
    forward_backward(*reference, golden.inputs(0));
    others = gradients_of(*reference);
    clear_gradients(*reference);
  }
  const std::set<std::string> zero = text_set(golden.report["zero_gradient_tensors"]);
  const double scale = global_norm(gradients);
  worst = 0;
  const auto compare = [&](const std::string& name, const Tensor& gradient, const Tensor& expected) {
    const double apart = distance(gradient, expected), size = norm(expected);
    EXPECT_LE(apart, tolerance.gradient * size) << name;
    worst = std::max(worst, apart / size);
  };
  for (const auto& [name, gradient] : gradients) {
    if (zero.contains(name)) {
      EXPECT_LE(norm(gradient), tolerance.zero_gradient * scale) << name;
    } else if (reference != nullptr) {
      compare(name, gradient, others.at(name));
    } else if (const SafetensorsEntry* whole = golden.outputs.find(prefix + "grad." + name)) {
      const Tensor expected = golden.outputs.read(*whole, DType::kFloat64);
      ASSERT_EQ(gradient.shape().str(), expected.shape().str()) << name;
      compare(name, gradient, expected);
    } else {
      const double expected = golden.outputs.read(prefix + "grad_norm." + name, DType::kFloat64).item();
      EXPECT_NEAR(norm(gradient), expected, tolerance.gradient * expected) << name;
    }
  }
  if (measured && worst > 0) distances().note(subject.variant, "gradients", worst, golden.yardstick(dtype).gradient);
  for (const SafetensorsEntry& entry : golden.outputs.entries()) {  // nothing of the reference is left out
    const bool gradient = entry.name.starts_with(prefix + "grad.");
    EXPECT_TRUE(!gradient || gradients.contains(entry.name.substr(prefix.size() + 5))) << entry.name;
  }
  clear_gradients(subject);
}

void expect_training(const GoldenCase& golden, const GoldenModel& subject, const std::string& run) {
  SCOPED_TRACE(golden.folder.string() + " training " + run + " " + subject.variant.name());
  const GoldenTolerance tolerance = golden.tolerance(subject.variant.dtype);
  const Json& training = golden.report["training"];
  const Json& expected = training[run];
  set_trainable(*subject.model, layers_of(run));
  const NamedTensors before = values_of(subject);
  AdamWOptimizer optimizer(parameters_of(*subject.model, true), {.beta1 = training["betas"][0],
                                                                 .beta2 = training["betas"][1],
                                                                 .eps = training["eps"],
                                                                 .weight_decay = training["weight_decay"]});
  const DType dtype = subject.variant.dtype;
  const bool measured = has_yardstick(dtype) && run == "all";  // the run the yardstick is of
  double worst = 0;
  for (int step = 0; step < expected["steps"].get<int>(); ++step) {
    const Passed passed = forward_backward(subject, golden.inputs(step % 4));
    const double loss = expected["losses"][static_cast<std::size_t>(step)];
    const double apart = std::abs(passed.loss - loss) / std::max(loss, 0.01);
    EXPECT_LE(apart, tolerance.loss) << "loss of step " << step;
    worst = std::max(worst, apart);
    const double gradient_norm = expected["gradient_norms"][static_cast<std::size_t>(step)];
    optimizer.step(training["lr"]);
    EXPECT_NEAR(optimizer.norm().to(Device::kCpu).item(), gradient_norm, 10 * tolerance.loss * gradient_norm)
        << "gradient norm of step " << step;
    optimizer.zero_grad();
  }

  if (measured) distances().note(subject.variant, "losses", worst, golden.yardstick(dtype).loss);

  const NamedTensors after = values_of(subject);
  if (expected.contains("trained_tensors")) {
    std::set<std::string> changed;
    for (const auto& [name, values] : after)
      if (distance(values, before.at(name)) > 0) changed.insert(name);
    EXPECT_EQ(changed, text_set(expected["trained_tensors"]));
  }
  if (run != "all" || !std::filesystem::exists(golden.file("trained.safetensors"))) return;
  const SafetensorsFile trained(golden.file("trained.safetensors"));
  const std::set<std::string> zero = text_set(golden.report["zero_gradient_tensors"]);
  const double reach =
      expected["steps"].get<double>() * training["lr"].get<double>();  // AdamW moves noise by at most this
  worst = 0;
  for (const auto& [name, values] : after) {
    const Tensor reference = trained.read("param." + name, DType::kFloat64);
    if (zero.contains(name)) {
      EXPECT_LE(distance(values, reference), 2 * reach * std::sqrt(static_cast<double>(values.numel()))) << name;
      continue;
    }
    if (has_key_bias(name)) {
      drop_key_bias(values);
      drop_key_bias(reference);
    }
    EXPECT_LE(distance(values, reference), tolerance.parameter * norm(reference)) << name;
    worst = std::max(worst, distance(values, reference) / norm(reference));
  }
  if (measured) distances().note(subject.variant, "parameters", worst, golden.yardstick(dtype).parameter);
}

}  // namespace attune::testing
