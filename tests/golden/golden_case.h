// Parity of whole models with the reference library: every case folder under $ATTUNE_DATA/golden/<family>.
//
// A case holds an HF folder with random weights, four batches, and what float64 makes of them: logits, loss, every
// gradient by name, and a training run. Tolerances are those of golden_tolerance; a family adds how to build its model
// and batches and which variants it has.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "models/classifier.h"
#include "tests/support/token_batches.h"

namespace attune::testing {

/// Case folders of a family, sorted; empty where there are none.
std::vector<std::filesystem::path> golden_cases(const std::string& family);
/// The case with the least work, and the others.
std::vector<std::filesystem::path> smallest_case(const std::string& family);
std::vector<std::filesystem::path> larger_cases(const std::string& family);

/// Where and in which type a model is run. The device is the CUDA one of the build: a GPU or the simulator.
struct Variant {
  DType dtype;
  Device device = Device::kCpu;
  /// For test names: "float32", "cuda_bfloat16", ...
  std::string name() const { return (device == Device::kCuda ? "cuda_" : "") + std::string(name_of(dtype)); }
};
/// Every variant the tests run.
std::vector<Variant> golden_variants();

/// What float arithmetic of one type may be off by.
struct GoldenTolerance {
  double logits;         // absolute
  double gradient;       // of each tensor, norm-wise relative
  double zero_gradient;  // of each tensor whose gradient is zero in exact arithmetic: norm over the largest norm of the
                         // model
  double loss;           // of a training run, relative with the reference's floor of 0.01
  double parameter;      // after the run, norm-wise relative
};
/// A file of case outputs and a batch.
class GoldenCase {
 public:
  explicit GoldenCase(const std::filesystem::path& folder);

  std::string file(const std::string& name) const { return (folder / name).string(); }
  /// ids, mask, labels of batch i.
  struct Inputs {
    std::vector<std::int32_t> ids, lengths, labels;
    std::int64_t count = 0, length = 0;
  };
  Inputs inputs(int batch) const;
  /// The bound of each quantity of this case; the geometric means over all cases are bounded as well, at the program's
  /// end: 1.4 times the yardstick in float32, once in bfloat16.
  GoldenTolerance tolerance(DType dtype) const;
  /// How far the reference's own float32 or bfloat16 run of this case is from the truth; 0 where it was not measured.
  GoldenTolerance yardstick(DType dtype) const;

  std::filesystem::path folder;
  nlohmann::json report;
  SafetensorsFile outputs;
};

/// How a family's model is built and fed for one variant.
struct GoldenModel {
  std::unique_ptr<Classifier> model;
  std::function<TokenBatch(const GoldenCase::Inputs&)> batch;
  std::function<std::string(const std::string&)> golden_name;  // HF name -> the golden files' spelling
  Variant variant;

  /// The batch on the model's device.
  TokenBatch batch_of(const GoldenCase::Inputs& inputs) const { return on_device(batch(inputs), variant.device); }
};
/// The type a model of this variant is loaded in, before GoldenModel's model is placed where it runs.
DType loading_dtype(const Variant& variant);
/// Moves a freshly loaded model to where the variant runs.
void place_golden(const GoldenModel& subject);

/// Compares logits, loss and gradients (whole where the case has `grad.*`, else norms) under `prefix` ("" or
/// "unmasked." ...). Gradients are those of `reference` instead where it is given: a float64 model.
void expect_outputs(const GoldenCase& golden, const GoldenModel& subject, const std::string& prefix,
                    const GoldenModel* reference = nullptr);
/// Runs the training `run` of the report ("all", "last_layer", ...) and compares losses, gradient norms, which tensors
/// change, and the parameters afterwards where the case has them.
void expect_training(const GoldenCase& golden, const GoldenModel& subject, const std::string& run);

}  // namespace attune::testing
