// The folder of a bag of words. Input: config.json, vocabulary.json, model.safetensors.
#include "models/linear/bag_of_words.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"
#include "tokenizer/words.h"

namespace attune::fuzz {

void run(std::string_view input) {
  static MemoryFolder folder({"config.json", "vocabulary.json", "model.safetensors"});
  limit_tensors(std::size_t{1} << 24);
  const auto parts = parts_of(input, 3);
  for (std::size_t i = 0; i < parts.size(); ++i) folder.put(i, parts[i]);
  const BagOfWords model = load_bag_of_words(folder.path());
  accepted();
  const std::vector<std::string> texts = {"good film", "bad, bad film"};
  const std::vector<double> probabilities =
      predict_probabilities(model.classifier, count_words(texts, split_words, model.vocabulary));
  require(probabilities.size() == texts.size() * model.classifier.classes.size(), "a probability for each class");
  (void)strongest_columns(model.classifier, 0, 3);
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson, kJson, kSafetensors)
