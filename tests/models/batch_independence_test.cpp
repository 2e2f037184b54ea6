// A prediction does not depend on the batch that the text is in: on its order and size, on longer neighbours, on whether
// the batch is packed or padded, and on the ids that padding has. On the CPU and in the simulator the bits are equal. On a
// GPU cuBLASLt may cut a matrix product in other ways for other sizes, so there is a bound (docs/numerics.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/autograd/tape.h"
#include "engine/train/example_store.h"
#include "kernels/cuda/device_info.h"
#include "tests/models/small_models.h"

namespace attune::testing {
namespace {

using Ints = std::vector<std::int32_t>;
using Logits = std::vector<std::vector<double>>;

constexpr std::int32_t kLongest = 20, kVocabulary = 31;

struct Setting {
  const char* name;
  Device device;
  DType dtype;
  double gpu_bound;  // absolute difference of logits on a GPU; elsewhere the bits are equal
};

class BatchIndependence : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    if (GetParam().device == Device::kCuda && !cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }

  // Every family, ModernBERT with both poolings, and GPT-2 with the head that knows padding.
  static std::vector<std::pair<std::string, std::unique_ptr<Classifier>>> models() {
    std::vector<std::pair<std::string, std::unique_ptr<Classifier>>> out;
    for (const auto& [family, config] : small_configs()) {
      json::Value changes = json::Value::object();
      if (family == "gpt2") changes.set("attune_head_position", "flexible");
      out.emplace_back(family, random_model(family, {}, changes));
    }
    out.emplace_back("modernbert, mean",
                     random_model("modernbert", {}, json::Value::object({{"classifier_pooling", "mean"}})));
    for (const auto& [name, model] : out) {
      // Initial weights give logits of about 0.01; these are of about 1, as those of a trained model.
      std::mt19937 engine(7);
      std::normal_distribution<float> normal(0, 0.3F);
      for (const auto& [parameter_name, parameter] : parameters_of(*model))
        for (float& x : parameter.value().values<float>()) x += normal(engine);
      set_trainable(*model, [](const std::string&) { return false; });
      place(*model, GetParam().device, GetParam().dtype);
    }
    return out;
  }

  static Logits logits(const Classifier& model, const LabelledBatch& batch) {
    const Tensor rows = model.forward(batch.tokens, {}).value().to(Device::kCpu).cast(DType::kFloat64);
    Logits out;
    const auto width = static_cast<std::size_t>(rows.shape()[1]);
    for (std::size_t b = 0; b < static_cast<std::size_t>(rows.shape()[0]); ++b) {
      const auto row = rows.values<double>().subspan(b * width, width);
      out.emplace_back(row.begin(), row.end());
    }
    return out;
  }

  static double bound() {
    const bool gpu = GetParam().device == Device::kCuda && cuda::backend_name() == std::string("nvidia");
    return gpu ? GetParam().gpu_bound : 0;
  }

  void expect_same(const std::vector<double>& found, const std::vector<double>& alone, const std::string& where) {
    ASSERT_EQ(found.size(), alone.size());
    for (std::size_t k = 0; k < found.size(); ++k) {
      largest_ = std::max(largest_, std::fabs(found[k] - alone[k]));
      EXPECT_LE(std::fabs(found[k] - alone[k]), bound()) << where << ": " << found[k] << ", alone " << alone[k];
    }
  }

  double largest_ = 0;
};

// Ids of texts of 1 to kLongest tokens, the lengths near both ends among them; padding ids occur inside texts too.
std::vector<Ints> texts(std::int32_t count) {
  std::mt19937 engine(3);
  std::vector<Ints> out;
  for (std::int32_t i = 0; i < count; ++i) {
    const std::int32_t length = i < 3   ? i + 1
                                : i < 6 ? kLongest - i + 3
                                        : 1 + static_cast<std::int32_t>(engine() % kLongest);
    Ints& ids = out.emplace_back();
    for (std::int32_t t = 0; t < length; ++t) ids.push_back(static_cast<std::int32_t>(engine() % kVocabulary));
  }
  return out;
}

// Overwrites the ids of padding, and leaves the texts.
void fill_padding(const TokenBatch& batch, std::mt19937& engine) {
  Ints ids(static_cast<std::size_t>(batch.ids.numel())),
      offsets(static_cast<std::size_t>(batch.sequences.offsets.numel()));
  const Tensor host_ids = batch.ids.to(Device::kCpu), host_offsets = batch.sequences.offsets.to(Device::kCpu),
               host_lengths = batch.lengths.to(Device::kCpu);
  std::ranges::copy(host_ids.values<std::int32_t>(), ids.begin());
  for (std::int64_t b = 0; b < batch.sequences.count; ++b) {
    const std::int32_t real = b < batch.count() ? host_lengths.values<std::int32_t>()[static_cast<std::size_t>(b)] : 0;
    const auto begin = host_offsets.values<std::int32_t>()[static_cast<std::size_t>(b)] + real;
    const auto end = host_offsets.values<std::int32_t>()[static_cast<std::size_t>(b) + 1];
    for (std::int32_t n = begin; n < end; ++n)
      ids[static_cast<std::size_t>(n)] = static_cast<std::int32_t>(engine() % kVocabulary);
  }
  batch.ids.copy_from(Tensor::from(ids, batch.ids.shape()));
}

TEST_P(BatchIndependence, OfEveryLayout) {
  const NoGrad no_grad;
  const Device device = GetParam().device;
  const std::int32_t count = device == Device::kCpu ? 24 : 5;  // the simulator is slow
  const Dataset dataset = Dataset::from("texts", texts(count));
  struct Layout {
    const char* name;
    BatchForm form;
    std::int64_t row_multiple;
  };
  const Layout layouts[] = {{"packed", {.packed = true}, 1},
                            {"packed and filled up", {.packed = true}, 64},
                            {"padded to the longest", {.mask = true}, 1},
                            {"padded to the model's length", {.max_length = kLongest, .mask = true}, 1}};
  for (const auto& [name, model] : models()) {
    Logits alone;
    const ExampleStore packed(dataset, {.packed = true}, device);
    for (std::int32_t e = 0; e < count; ++e) alone.push_back(logits(*model, packed.batch(Ints{e}))[0]);
    std::mt19937 engine(11);
    for (const Layout& layout : layouts) {
      const ExampleStore store(dataset, layout.form, device, layout.row_multiple);
      Ints order(static_cast<std::size_t>(count));
      std::iota(order.begin(), order.end(), 0);
      for (const std::int32_t size : device == Device::kCpu ? Ints{1, 2, 5, count} : Ints{3, count}) {
        std::ranges::shuffle(order, engine);
        for (std::int32_t first = 0; first < count; first += size) {
          const Ints chosen(order.begin() + first, order.begin() + std::min(first + size, count));
          const LabelledBatch batch = store.batch(chosen);
          fill_padding(batch.tokens, engine);
          const Logits found = logits(*model, batch);
          ASSERT_EQ(found.size(), chosen.size());
          for (std::size_t b = 0; b < chosen.size(); ++b)
            expect_same(found[b], alone[static_cast<std::size_t>(chosen[b])],
                        str_cat(name, ", ", layout.name, ", text ", chosen[b], " in a batch of ", chosen.size()));
        }
      }
    }
  }
  RecordProperty("largest_difference", str_cat(largest_));
}

INSTANTIATE_TEST_SUITE_P(Precisions, BatchIndependence,
                         ::testing::Values(Setting{"cpu_float32", Device::kCpu, DType::kFloat32, 0},
                                           Setting{"cuda_float32", Device::kCuda, DType::kFloat32, 2e-5},
                                           Setting{"cuda_bfloat16", Device::kCuda, DType::kBFloat16, 5e-2}),
                         [](const auto& setting) { return std::string(setting.param.name); });

}  // namespace
}  // namespace attune::testing
