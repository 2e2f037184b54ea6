// A real pretrained encoder (12 heads of 32, float16 file without prefix and head) against the reference library:
// sentence embeddings, pooled output, logits, gradients and a training run on real reviews.
#include <cmath>
#include <fstream>
#include <map>

#include "engine/autograd/functions.h"
#include "engine/optim/adamw.h"
#include "models/model_folder.h"
#include "models/registry.h"
#include "tests/golden/golden_case.h"
#include "tests/support/data.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;

// float64: the golden numbers of gradients.json are doubles, those of the safetensors file float32.
struct Tolerance {
  double embeddings, logits, gradient, loss, parameter;
};
Tolerance tolerance_of(DType dtype) {
  if (dtype == DType::kFloat64)
    return {.embeddings = 1e-6, .logits = 1e-7, .gradient = 1e-9, .loss = 1e-10, .parameter = 1e-10};
  return {.embeddings = 1e-5, .logits = 1e-5, .gradient = 2e-5, .loss = 1e-5, .parameter = 1e-5};
}

struct Rows {
  std::vector<std::int32_t> ids, lengths, labels;
  std::size_t length = 0;

  TokenBatch padded() const { return padded_batch(ids, lengths, true); }
  /// Rows [begin, end) as a batch of their own.
  Rows slice(std::size_t begin, std::size_t end) const {
    const auto part = [](const std::vector<std::int32_t>& all, std::size_t from, std::size_t to) {
      return std::vector<std::int32_t>(all.begin() + static_cast<std::ptrdiff_t>(from),
                                       all.begin() + static_cast<std::ptrdiff_t>(to));
    };
    return {part(ids, begin * length, end * length), part(lengths, begin, end), part(labels, begin, end), length};
  }
};

class MiniLm : public ::testing::TestWithParam<DType> {
 protected:
  void open(const std::filesystem::path& data) {
    golden_ = data / "golden" / "minilm";
    const DType dtype = GetParam();
    TorchGenerator generator(1);
    const std::string folder = (data / "models" / "all-MiniLM-L6-v2").string();
    OpenedClassifier opened = open_classifier(folder, read_model_config(folder),
                                              {.dtype = dtype, .num_labels = 2, .dropout = 0.0F}, generator);
    EXPECT_EQ(opened.report.missing, (std::vector<std::string>{"classifier.weight", "classifier.bias"}));
    EXPECT_EQ(opened.report.unused, std::vector<std::string>{});
    model_ = std::move(opened.model);
    const SafetensorsFile encoder = file("encoder.safetensors");
    for (const auto& [name, parameter] : parameters_of(*model_)) {
      by_name_[name] = parameter;
      if (name.starts_with("classifier.")) parameter.set_value(encoder.read(name, dtype));
    }
  }

  SafetensorsFile file(const std::string& name) const { return SafetensorsFile((golden_ / name).string()); }
  Json json(const std::string& name) const { return Json::parse(std::ifstream(golden_ / name)); }

  static Rows rows(const SafetensorsFile& in, const std::string& ids_name, const std::string& mask_name,
                   const std::string& labels_name) {
    const Tensor ids = in.read(ids_name, DType::kInt32), mask = in.read(mask_name, DType::kInt32),
                 labels = in.read(labels_name, DType::kInt32);
    Rows out;
    out.length = static_cast<std::size_t>(ids.shape()[1]);
    out.ids.assign(ids.values<std::int32_t>().begin(), ids.values<std::int32_t>().end());
    out.labels.assign(labels.values<std::int32_t>().begin(), labels.values<std::int32_t>().end());
    for (std::size_t b = 0; b < out.labels.size(); ++b) {
      const auto row = mask.values<std::int32_t>().subspan(b * out.length, out.length);
      out.lengths.push_back(static_cast<std::int32_t>(std::ranges::count(row, 1)));
    }
    return out;
  }

  // Forward, loss and backward; the gradients stay in the parameters.
  double forward_backward(const Rows& rows) const {
    Tape tape;
    Variable loss;
    {
      const Tape::Recording recording(tape);
      loss = cross_entropy(model_->forward(rows.padded(), {.training = true, .seed = 1, .step = 0}),
                           Tensor::from(rows.labels, {static_cast<std::int64_t>(rows.labels.size())}));
    }
    const double value = loss.value().item();
    tape.backward(loss);
    return value;
  }

  // Calls visit(name as the golden files spell it, float64 values).
  void for_each(const std::function<Tensor(const Parameter&)>& select,
                const std::function<void(const std::string&, const Tensor&)>& visit) const {
    for_each_hf_tensor(*model_, select, [&](const std::string& name, const Tensor& values) {
      visit(name, values.cast(DType::kFloat64));
    });
  }

  static void expect_near(const Tensor& found, const Tensor& expected, double tolerance, const char* what) {
    ASSERT_EQ(found.shape().str(), expected.shape().str()) << what;
    const Tensor wide = found.cast(DType::kFloat64);
    double worst = 0;
    for (std::size_t i = 0; i < wide.values<double>().size(); ++i)
      worst = std::max(worst, std::abs(wide.values<double>()[i] - expected.values<double>()[i]));
    EXPECT_LE(worst, tolerance) << what;
  }

  std::filesystem::path golden_;
  std::unique_ptr<Classifier> model_;
  std::map<std::string, Parameter> by_name_;
};

double l2(const Tensor& x) {
  double sum = 0;
  for (double v : x.values<double>()) sum += v * v;
  return std::sqrt(sum);
}

TEST_P(MiniLm, EmbeddingsPooledOutputAndLogits) {
  ATTUNE_DATA_OR_SKIP(data);
  open(data);
  const Tolerance tolerance = tolerance_of(GetParam());
  const SafetensorsFile encoder = file("encoder.safetensors");
  const Rows inputs = rows(encoder, "input_ids", "attention_mask", "labels");
  const TokenBatch batch = inputs.padded();
  const Variable hidden = model_->hidden_states(batch, {});

  const Variable first = pool(hidden, batch.pooled(PooledRows::kFirst));
  const Variable pooled =
      activation(linear(first, by_name_.at("dense.weight"), by_name_.at("dense.bias")), Activation::kTanh);
  expect_near(pooled.value(), encoder.read("pooler_output", DType::kFloat64), tolerance.embeddings, "pooler output");
  expect_near(model_->forward(batch, {}).value(), encoder.read("logits", DType::kFloat64), tolerance.logits, "logits");

  const Tensor mean = pool(hidden, batch.pooled(PooledRows::kReal)).value().cast(DType::kFloat64).clone();
  const auto width = static_cast<std::size_t>(mean.shape()[1]);
  for (std::size_t b = 0; b < inputs.labels.size(); ++b) {
    const auto row = mean.values<double>().subspan(b * width, width);
    double norm = 0;
    for (double v : row) norm += v * v;
    for (double& v : row) v /= std::sqrt(norm);
  }
  expect_near(mean, encoder.read("sentence_embedding", DType::kFloat64), tolerance.embeddings, "sentence embedding");
}

TEST_P(MiniLm, EveryGradient) {
  ATTUNE_DATA_OR_SKIP(data);
  open(data);
  const Tolerance tolerance = tolerance_of(GetParam());
  const Json golden = json("gradients.json");
  EXPECT_NEAR(forward_backward(rows(file("encoder.safetensors"), "input_ids", "attention_mask", "labels")),
              golden["loss"].get<double>(), tolerance.loss);

  std::size_t seen = 0;
  for_each([](const Parameter& p) { return p.grad().tensor(); },
           [&](const std::string& name, const Tensor& gradient) {
             SCOPED_TRACE(name);
             ++seen;
             const Json& expected = golden["gradients"].at(name);
             const auto values = gradient.values<double>();
             if (name.ends_with("key.bias")) {  // zero in exact arithmetic
               EXPECT_LE(l2(gradient), tolerance.gradient * 1e-2);
               return;
             }
             const double norm = expected["l2"];
             EXPECT_NEAR(l2(gradient), norm, tolerance.gradient * norm);
             double sum = 0;
             for (double v : values) sum += v;
             EXPECT_NEAR(sum, expected["sum"].get<double>(),
                         tolerance.gradient * norm * std::sqrt(static_cast<double>(values.size())));
             for (std::size_t i = 0; i < expected["index"].size(); ++i)
               EXPECT_NEAR(values[expected["index"][i].get<std::size_t>()], expected["value"][i].get<double>(),
                           tolerance.gradient * expected["max_abs"].get<double>())
                   << "element " << expected["index"][i];
           });
  EXPECT_EQ(seen, golden["gradients"].size());
}

TEST_P(MiniLm, TrainingRunOnReviews) {
  ATTUNE_DATA_OR_SKIP(data);
  open(data);
  const Tolerance tolerance = tolerance_of(GetParam());
  const Json golden = json("trajectory.json");
  const SafetensorsFile in = file("trajectory_inputs.safetensors");
  const Rows train = rows(in, "train_ids", "train_mask", "train_labels"),
             test = rows(in, "test_ids", "test_mask", "test_labels");
  AdamWOptimizer optimizer(parameters_of(*model_), {.beta1 = golden["betas"][0],
                                                    .beta2 = golden["betas"][1],
                                                    .eps = golden["eps"],
                                                    .weight_decay = golden["weight_decay"]});
  const std::size_t batch = golden["batch"];
  for (std::size_t step = 0; step < golden["losses"].size(); ++step) {
    EXPECT_NEAR(forward_backward(train.slice(step * batch, (step + 1) * batch)), golden["losses"][step].get<double>(),
                tolerance.loss)
        << "step " << step;
    const double norm = golden["gradient_norms"][step];
    optimizer.step(golden["lr"]);
    EXPECT_NEAR(optimizer.norm().item(), norm, 10 * tolerance.loss * norm) << "step " << step;
    optimizer.zero_grad();
  }

  std::vector<double> logits;
  for (const Json& row : golden["test_logits"]) logits.insert(logits.end(), row.begin(), row.end());
  expect_near(model_->forward(test.padded(), {}).value(),
              Tensor::from(logits, {static_cast<std::int64_t>(test.labels.size()), 2}), tolerance.logits,
              "test logits");
  for_each([](const Parameter& p) { return p.value(); },
           [&](const std::string& name, const Tensor& values) {
             if (name.ends_with("key.bias")) return;  // moved by rounding noise
             const double norm = golden["final_parameters"].at(name)["l2"];
             EXPECT_NEAR(l2(values), norm, tolerance.parameter * norm) << name;
           });
}

INSTANTIATE_TEST_SUITE_P(Types, MiniLm, ::testing::Values(DType::kFloat64, DType::kFloat32),
                         [](const auto& type) { return std::string(name_of(type.param)); });

}  // namespace
}  // namespace attune::testing
