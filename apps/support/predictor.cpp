#include "apps/support/predictor.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>

#include "apps/support/command_line.h"
#include "apps/support/encode.h"
#include "apps/support/input_form.h"
#include "apps/support/integrated_gradients.h"
#include "apps/support/memory_advice.h"
#include "apps/support/saved_tokenizer.h"
#include "apps/support/task_config.h"
#include "base/check.h"
#include "base/finite.h"
#include "base/math.h"
#include "base/parallel.h"
#include "engine/autograd/tape.h"
#include "engine/train/example_store.h"
#include "engine/train/windows.h"
#include "models/hf_config.h"
#include "models/linear/bag_of_words.h"
#include "models/model_folder.h"
#include "models/registry.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/words.h"

namespace attune {
namespace {

constexpr std::int64_t kMinBatch = 16;  // windows

class TransformerPredictor : public Predictor {
 public:
  TransformerPredictor(const std::string& folder, const json::Value& config, const std::string& tokenizer_folder,
                       const PlacementFlags& placement, bool calibrated)
      : device_(placement.device()) {
    // Before the weights: files of another save that comes in between do not fit this config.
    tokenizer_ = open_tokenizer(tokenizer_folder, folder, limits_of(config).vocab_size);
    TorchGenerator unused(0);
    opened_ = open_classifier(folder, config, {}, unused);
    CHECK(opened_.complete(), folder, ": the model has no trained head (", opened_.report.missing.front(),
          " is missing); fine-tune it first");
    const Classifier& model = *opened_.model;
    set_trainable(model, [](const std::string&) { return false; });
    placement.place_model(model);
    form_ = read_batch_form(config, model.max_length(), model.vocab_size());
    if (const std::int64_t room = room_for_text(*tokenizer_, form_.max_length); form_.windows)
      CHECK(form_.windows->overlap < room, folder, ": windows of ", room, " tokens of text cannot share ",
            form_.windows->overlap);
    label_names_ = complete_label_names(opened_.label_names, model.num_labels());
    task_ = read_task(config, label_names_, calibrated);
  }

  std::vector<std::vector<double>> logits(std::span<const std::string> texts,
                                          std::span<const std::string> second) const override {
    const NoGrad no_grad;
    const Dataset encoded = encode_texts(*tokenizer_, texts, second, form_);
    check_segments(*opened_.model, encoded);
    for (std::int64_t e = 0; e < encoded.size(); ++e)
      truncated_ += !form_.windows && encoded.length(e) == form_.max_length;
    const Tensor rows =
        logits_of(encoded, std::max(std::ssize(texts), kMinBatch)).to(Device::kCpu).cast(DType::kFloat64);
    std::vector<std::vector<double>> out;
    const auto outputs = static_cast<std::size_t>(rows.shape()[1]);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto row = rows.values<double>().subspan(i * outputs, outputs);
      out.emplace_back(row.begin(), row.end());
    }
    return out;
  }

  Explanation explain(const std::string& text, const std::string* second, std::int32_t output) const override {
    constexpr int kSteps = 32;
    return explain_text({*opened_.model, *tokenizer_, form_, device_, task_->target()}, text, second, output, kSteps);
  }

 private:
  // The logits of texts, on the device. Windows run in batches of `batch_size`, so that memory does not grow with the
  // length of a text.
  Tensor logits_of(const Dataset& encoded, std::int64_t batch_size) const {
    Dataset windows = encoded;
    windows.windows = {};
    const ExampleStore store(windows, form_, device_);
    Tensor out;
    for (std::int64_t begin = 0; begin < store.size(); begin += batch_size) {
      const std::int64_t end = std::min(begin + batch_size, store.size());
      std::vector<std::int32_t> chosen(static_cast<std::size_t>(end - begin));
      std::iota(chosen.begin(), chosen.end(), static_cast<std::int32_t>(begin));
      const Tensor rows = opened_.model->forward(store.batch(chosen).tokens, {}).value();
      if (!out.defined()) out = Tensor::empty(rows.shape().with_rows(store.size()), rows.dtype(), device_);
      out.rows(begin, end).copy_from(rows);
    }
    if (!form_.windows) return out;
    std::vector<std::int32_t> offsets;
    for (const std::int64_t first : encoded.windows.values<std::int64_t>())
      offsets.push_back(narrow<std::int32_t>(first));
    const Tensor of_texts = Tensor::from(offsets, {std::ssize(offsets)}).to(device_);
    return pool_windows(Variable(out), of_texts, form_.windows->pooling).value();
  }

  Device device_;
  std::unique_ptr<Tokenizer> tokenizer_;
  OpenedClassifier opened_;
  BatchForm form_;
};

class BagOfWordsPredictor : public Predictor {
 public:
  BagOfWordsPredictor(const std::string& folder, const json::Value& config, bool calibrated)
      : model_(load_bag_of_words(folder)) {
    for (std::int32_t label : model_.classifier.classes)
      label_names_.push_back(model_.label_names.empty() ? std::to_string(label)
                                                        : model_.label_names[static_cast<std::size_t>(label)]);
    task_ = make_task(kSingleLabel, {.outputs = std::ssize(label_names_),
                                     .output_names = label_names_,
                                     .temperature = calibrated ? temperature_of(config) : 1});
  }

  // Its logits are the logarithms of its probabilities.
  std::vector<std::vector<double>> logits(std::span<const std::string> texts,
                                          std::span<const std::string> second) const override {
    CHECK(second.empty(), "a bag of words reads one text at a time, not pairs");
    const std::vector<double> probabilities = predict_probabilities(
        model_.classifier, count_words({texts.begin(), texts.end()}, split_words, model_.vocabulary));
    const std::size_t classes = label_names_.size();
    std::vector<std::vector<double>> out;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::vector<double>& row = out.emplace_back();
      for (std::size_t k = 0; k < classes; ++k)
        row.push_back(std::log(std::max(probabilities[i * classes + k], 1e-300)));
    }
    return out;
  }

  Explanation explain(const std::string&, const std::string*, std::int32_t) const override {
    throw Error("a bag of words is not explained text by text: its strongest words are those of train_logreg");
  }

 private:
  BagOfWords model_;
};

}  // namespace

void PredictorFlags::declare(CommandLine& app) {
  app.add_option("--model_dir", model_dir, "Folder of the model, from attune or from save_pretrained")->required();
  app.add_option("--tokenizer", tokenizer, "Folder of the tokenizer (default: the model's folder)");
  app.add_option("--batch_size", batch_size, "Texts per batch")->check(count_from(1, 65535))->capture_default_str();
  placement.declare(app, "");
  app.add_option("--threads", threads, "CPU threads; 0: all cores")->check(thread_count())->capture_default_str();
  app.add_flag(
      "--no_calibration", no_calibration,
      "Probabilities without the temperature that --calibrate has stored in the model's folder; the same labels "
      "are predicted");
}

void PredictorFlags::prepare() const {
  placement.prepare();
  if (threads > 0) set_num_threads(threads);
}

std::unique_ptr<Predictor> PredictorFlags::open(bool pairs) const {
  return open_predictor(model_dir, tokenizer, placement, !no_calibration, pairs);
}

std::vector<std::vector<double>> PredictorFlags::logits(const Predictor& model, std::span<const std::string> texts,
                                                        std::span<const std::string> second,
                                                        std::int64_t before) const {
  try {
    std::vector<std::vector<double>> out = model.logits(texts, second);
    for (std::size_t i = 0; i < out.size(); ++i)
      CHECK(!first_not_finite(std::span<const double>(out[i])), model_dir, ": the logits of text ",
            before + static_cast<std::int64_t>(i) + 1,
            " are not finite; the model is damaged or its training has failed");
    return out;
  } catch (const OutOfMemory& error) {
    std::vector<std::string> ways = placement.memory_savers();
    if (texts.size() > 1) ways.insert(ways.begin(), "a smaller --batch_size");
    throw OutOfMemory(error.what() + memory_advice(ways));
  }
}

std::unique_ptr<Predictor> open_predictor(const std::string& folder, const std::string& tokenizer,
                                          const PlacementFlags& placement, bool calibrated, bool pairs) {
  const json::Value config = read_model_config(folder);
  const bool trained_on_pairs = read_pairs(config).value_or(pairs);
  CHECK(
      pairs || !trained_on_pairs, folder,
      ": the model was trained on pairs of texts, and these are single texts; --text_pair or --text_pair_column names "
      "the second ones");
  CHECK(!pairs || trained_on_pairs, folder, ": the model was trained on single texts, and these are pairs");
  if (config.string_or("model_type", "") == "bag_of_words") {
    if (!tokenizer.empty() || placement != PlacementFlags{})
      throw UsageError(str_cat("--tokenizer, --device, --precision and --attention belong to transformers, and ",
                               folder, " has a bag of words"));
    return std::make_unique<BagOfWordsPredictor>(folder, config, calibrated);
  }
  return std::make_unique<TransformerPredictor>(folder, config, tokenizer, placement, calibrated);
}

}  // namespace attune
