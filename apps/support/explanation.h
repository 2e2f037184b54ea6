// What the words of a text contribute to a prediction: integrated gradients, word by word.
//
// The prediction is a function f of the embeddings (after their norm, if the family has one): the logit of a label less
// the mean of the others' (one class), or the output itself. The contribution of a token is the sum over the channels
// of x - b times the mean of df/dx on the way from b to x, its own embedding, where b is that of the padding token;
// that of a word is the sum of its tokens'. All of them add up to the difference between the prediction and that of a
// text of as many padding tokens. A token in two windows of a long text has the sum of what it contributes in both.
// (From embeddings of zero it would not work: norms make f jump there.)
// Sundararajan, Taly, Yan: "Axiomatic attribution for deep networks", arXiv 1703.01365.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "json/value.h"
#include "tokenizer/tokenizer.h"

namespace attune {

struct WordContribution {
  std::string word;
  double value;
};
using Explanation = std::vector<WordContribution>;

/// Whether the token belongs to the template around a text, or is padding.
bool is_special(const Tokenizer& tokenizer, std::int32_t id);

/// The contributions of the words, from those of the tokens. Special tokens are left out; tokens without white space
/// between them are one word.
Explanation by_word(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::span<const double> tokens);

/// "a(+0.02) moving(+0.31) film(-0.05)"; on a terminal the words in green (for) and red (against), strong ones bright.
std::string explanation_text(const Explanation& explanation, bool terminal);
/// [["a", 0.02], ["moving", 0.31], ...]
json::Value explanation_json(const Explanation& explanation);

}  // namespace attune
