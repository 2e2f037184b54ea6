// Weights that were saved and are loaded again, of tensors larger than what is read at a time: the same bits, and one
// that changed in the file is found.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/read_file.h"
#include "engine/io/files.h"
#include "models/model_folder.h"
#include "models/registry.h"
#include "models/weight_files.h"
#include "tests/models/small_models.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

class SavedWeights : public ::testing::TestWithParam<const char*> {
 protected:
  // The vocabulary's table has 120,000 values or more, and of GPT-2 also matrices that are transposed.
  json::Value changes() const {
    json::Value out = json::Value::object({{"vocab_size", 5000}});
    if (std::string(GetParam()) == "gpt2") out.set("n_embd", 192);
    return out;
  }
  std::string weights() const { return dir_ / "model.safetensors"; }
  std::vector<NamedTensor> save(const Metadata& metadata = {}) const {
    const auto model = random_model(GetParam(), {}, changes());
    AtomicFile file(weights());
    save_weights(*model, file, metadata);
    file.commit();
    write_file(dir_ / "config.json", config_of(GetParam(), changes()).dump());
    return tensors_of(*model);
  }
  OpenedClassifier open() const {
    TorchGenerator generator(9);
    return open_classifier(dir_.path().string(), read_model_config(dir_.path().string()), {}, generator);
  }

  TempDir dir_;
};

TEST_P(SavedWeights, AreTheSameWhenTheyAreLoaded) {
  const auto saved = save();
  const auto opened = open();
  EXPECT_TRUE(opened.complete());
  const auto loaded = tensors_of(*opened.model);
  ASSERT_EQ(saved.size(), loaded.size());
  for (std::size_t i = 0; i < saved.size(); ++i)
    EXPECT_TRUE(std::ranges::equal(saved[i].tensor.values<float>(), loaded[i].tensor.values<float>())) << saved[i].name;
}

TEST_P(SavedWeights, AFlippedBitOfAnyTensorIsFound) {
  save();
  const std::string whole = read_file(weights());
  const SafetensorsFile file(weights());
  const std::size_t begin = whole.size() - file.entries().back().end;
  for (const SafetensorsEntry& entry : file.entries())
    for (const std::size_t at : {entry.begin, entry.end - 1}) {
      std::string damaged = whole;
      damaged[begin + at] ^= 1;
      write_file(weights(), damaged);
      const std::string says = message_of([&] { open(); });
      EXPECT_TRUE(says.starts_with(weights() + ": the tensor '" + entry.name + "' is damaged")) << at << ": " << says;
    }
}

TEST_P(SavedWeights, AMalformedListOfFilesIsAnErrorThatNamesTheFile) {
  for (const char* files : {"", "{", "[]", R"({"tokenizer.json": 1})"}) {
    save({{"attune_files", files}});
    const std::string says = message_of([&] { WeightFiles(dir_.path().string()).text_digests(); });
    EXPECT_TRUE(says.starts_with(weights() + ": attune_files")) << files << ": " << says;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, SavedWeights,
                         ::testing::Values("bert", "distilbert", "roberta", "modernbert", "gpt2"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace attune::testing
