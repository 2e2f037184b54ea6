#include "models/linear/bag_of_words.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>

#include "base/check.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "tests/support/data.h"

namespace attune {
namespace {

BagOfWords example() {
  BagOfWords model;
  for (const char* word : {"0", "film", "\xC3\xBC"}) model.vocabulary.insert(word);
  model.classifier = {{0, 1}, 3, {0.1, -2.5e-17, 1.0 / 3}, {-0.0625}};
  return model;
}

BagOfWords example_of_three() {
  BagOfWords model = example();
  model.classifier = {{0, 2, 3}, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {-1, 0, 1}};
  model.label_names = {"bad", "unused", "fair", "good"};
  return model;
}

void expect_same(const BagOfWords& a, const BagOfWords& b) {
  ASSERT_EQ(a.vocabulary.size(), b.vocabulary.size());
  for (std::int32_t i = 0; i < a.vocabulary.size(); ++i) EXPECT_EQ(a.vocabulary.word(i), b.vocabulary.word(i));
  EXPECT_EQ(a.classifier.classes, b.classifier.classes);
  EXPECT_EQ(a.classifier.columns, b.classifier.columns);
  EXPECT_EQ(a.classifier.weights, b.classifier.weights);
  EXPECT_EQ(a.classifier.bias, b.classifier.bias);
  EXPECT_EQ(a.label_names, b.label_names);
}

TEST(BagOfWords, ComesBackBitForBit) {
  const testing::TempDir folder;
  for (const BagOfWords& model : {example(), example_of_three()}) {
    save_bag_of_words(model, folder / "new/model");
    expect_same(load_bag_of_words(folder / "new/model"), model);
  }
}

// The error's text, after one file of a good folder has been replaced.
std::string complaint(const std::string& file, const std::string& content) {
  const testing::TempDir folder;
  save_bag_of_words(example(), folder.path().string());
  write_file(folder / file, content);
  try {
    load_bag_of_words(folder.path().string());
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
    return error.what();
  }
  return "no error";
}

TEST(BagOfWords, BadFilesAreNamed) {
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(complaint("config.json", "{"), "not valid JSON");
  has(complaint("config.json", "[]"), "must be an object, found an array");
  has(complaint("config.json", "{}"), "the key 'model_type' is missing");
  has(complaint("config.json", R"({"model_type": "gpt2"})"), "not 'bag_of_words'");
  has(complaint("config.json", R"({"model_type": "bag_of_words", "classes": "x", "label_names": []})"),
      "classes: must be an array");
  has(complaint("config.json", R"({"model_type": "bag_of_words", "classes": [0], "label_names": []})"), "at least 2");
  has(complaint("config.json", R"({"model_type": "bag_of_words", "classes": [1, 0], "label_names": []})"),
      "classes[1]: must be an integer from 2 to 2147483647, found 0");
  has(complaint("config.json", R"({"model_type": "bag_of_words", "classes": [0, 9999999999], "label_names": []})"),
      "classes[1]: must be an integer from 1 to 2147483647, found 9999999999");
  has(complaint("config.json", R"({"model_type": "bag_of_words", "classes": [0, 1], "label_names": ["a"]})"),
      "every class");
  has(complaint("vocabulary.json", "[]"), "holds no words");
  has(complaint("vocabulary.json", R"(["a", 1, "b"])"), "[1]: must be a string, found 1");
  has(complaint("vocabulary.json", R"(["a", "b", "a"])"), "twice");
  has(complaint("vocabulary.json", R"(["a", "b", "c"])"),
      "this vocabulary and model.safetensors come from different saves");
  has(complaint("model.safetensors", "nonsense"), "model.safetensors");
}

TEST(BagOfWords, PartsThatDoNotFitEachOther) {
  const testing::TempDir folder;
  save_bag_of_words(example(), folder.path().string());
  const std::string vocabulary = read_file(folder / "vocabulary.json");
  write_file(folder / "vocabulary.json", R"(["a", "b"])");
  EXPECT_THROW(load_bag_of_words(folder.path().string()), Error);
  write_file(folder / "vocabulary.json", vocabulary);
  EXPECT_NO_THROW(load_bag_of_words(folder.path().string()));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  write_safetensors(folder / "model.safetensors",
                    {{"weight", Tensor::from(std::vector<double>{1, nan, 2}, {1, 3})},
                     {"bias", Tensor::from(std::vector<double>{0}, {1})}},
                    {});
  EXPECT_THROW(load_bag_of_words(folder.path().string()), Error);
}

TEST(BagOfWords, MissingFilesAndFolders) {
  const testing::TempDir folder;
  EXPECT_THROW(load_bag_of_words(folder / "nowhere"), IoError);
  for (const char* file : {"config.json", "vocabulary.json", "model.safetensors"}) {
    save_bag_of_words(example(), folder.path().string());
    std::filesystem::remove(folder / file);
    EXPECT_THROW(load_bag_of_words(folder.path().string()), IoError) << file;
  }
  write_file(folder / "file", "");
  EXPECT_THROW(save_bag_of_words(example(), folder / "file/below"), IoError);
}

}  // namespace
}  // namespace attune
