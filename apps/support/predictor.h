// A saved model folder of any kind as a function from texts to logits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/explanation.h"
#include "apps/support/placement.h"
#include "engine/train/task.h"

namespace attune {

class Predictor {
 public:
  virtual ~Predictor() = default;
  /// The logits [L] of each text, in order; or of each pair, whose second texts are in `second`.
  virtual std::vector<std::vector<double>> logits(std::span<const std::string> texts,
                                                  std::span<const std::string> second = {}) const = 0;
  /// What the words of a text (or pair; else `second` is null) contribute to an output. Throws Error if the model is a bag of words.
  virtual Explanation explain(const std::string& text, const std::string* second, std::int32_t output) const = 0;
  /// Name of each output.
  const std::vector<std::string>& label_names() const { return label_names_; }
  /// The task of the logits.
  const Task& task() const { return *task_; }
  /// Replaces the task by one of the same outputs.
  void use(std::unique_ptr<Task> task) { task_ = std::move(task); }
  /// Texts cut to the model's length so far.
  std::int64_t truncated() const { return truncated_; }

 protected:
  std::vector<std::string> label_names_;
  std::unique_ptr<Task> task_;
  mutable std::int64_t truncated_ = 0;
};

/// The flags of a program that predicts with a saved model.
struct PredictorFlags {
  std::string model_dir, tokenizer;
  PlacementFlags placement;
  std::int64_t batch_size = 32;
  int threads = 0;
  bool no_calibration = false;

  void declare(CommandLine& app);
  /// Prepares the process: device, precision, threads. Throws as PlacementFlags::prepare().
  void prepare() const;
  /// The model, to predict pairs of texts or single ones. Throws as open_predictor().
  std::unique_ptr<Predictor> open(bool pairs) const;
  /// The logits of a batch of texts; `before` of them were predicted before it. Throws OutOfMemory naming flags that need
  /// less memory, Error naming the text if its logits are not finite.
  std::vector<std::vector<double>> logits(const Predictor& model, std::span<const std::string> texts,
                                          std::span<const std::string> second, std::int64_t before) const;
};

/// Opens a folder written by train_gpt, train_bert, train_logreg or save_pretrained. `tokenizer` names the tokenizer's
/// folder if it is not the model's; `placement` says where a transformer runs. Without `calibrated` the temperature of the
/// folder is not used. Throws UsageError if a tokenizer or another place than the default is named for a bag of words;
/// Error if the folder is not a complete classifier, or says that its model was trained on pairs of texts, and it is to
/// predict single ones, or the reverse.
std::unique_ptr<Predictor> open_predictor(const std::string& folder, const std::string& tokenizer,
                                          const PlacementFlags& placement, bool calibrated, bool pairs);

}  // namespace attune
