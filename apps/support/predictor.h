// A saved model folder of any kind as a function from texts to logits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/support/placement.h"

namespace attune {

/// What a model says of one text.
struct Prediction {
  std::vector<double> logits, probabilities;  // [L]
  std::int32_t label = 0;                     // the largest logit, the first of equals
};

class Predictor {
 public:
  virtual ~Predictor() = default;
  /// One prediction per text, in order.
  virtual std::vector<Prediction> predict(std::span<const std::string> texts) const = 0;
  /// Name of each class.
  const std::vector<std::string>& label_names() const { return label_names_; }
  /// Texts cut to the model's length so far.
  std::int64_t truncated() const { return truncated_; }

 protected:
  std::vector<std::string> label_names_;
  mutable std::int64_t truncated_ = 0;
};

/// Opens a folder written by train_gpt, train_bert, train_logreg or save_pretrained. `tokenizer` names the tokenizer's
/// folder where it is not the model's; `placement` says where a transformer runs (bags of words stay on the CPU). Throws
/// Error where the folder is no complete classifier.
std::unique_ptr<Predictor> open_predictor(const std::string& folder, const std::string& tokenizer,
                                          const PlacementFlags& placement);

}  // namespace attune
