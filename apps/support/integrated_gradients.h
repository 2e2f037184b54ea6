// Integrated gradients of a classifier (apps/support/explanation.h says what they are).
#pragma once

#include <cstdint>
#include <string>

#include "apps/support/explanation.h"
#include "engine/data/batch_form.h"
#include "engine/tensor/tensor.h"
#include "engine/train/task.h"
#include "models/classifier.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// A model and how it reads texts.
struct TextClassifier {
  const Classifier& model;
  const Tokenizer& tokenizer;
  BatchForm form;
  Device device;  // of the model
  Target target;
};

/// What the words of a text (or pair; else `second` is null) contribute to an output, with `steps` forward and backward
/// passes of one text. Gradients of trainable parameters are computed too, and are added to those that they have.
Explanation explain_text(const TextClassifier& of, const std::string& text, const std::string* second,
                         std::int32_t output, int steps);

}  // namespace attune
