#include "apps/support/integrated_gradients.h"

#include <span>
#include <vector>

#include "apps/support/encode.h"
#include "engine/autograd/tape.h"
#include "engine/train/example_store.h"
#include "engine/train/windows.h"

namespace attune {
namespace {

// What is explained, as a sum of logits [1, L]: the output, of one class less the mean of the others.
Tensor direction(const Variable& logits, std::int32_t output, Target target) {
  const std::int64_t outputs = logits.shape()[1];
  std::vector<double> weights(static_cast<std::size_t>(outputs),
                              target == Target::kClass ? -1.0 / static_cast<double>(outputs - 1) : 0.0);
  weights[static_cast<std::size_t>(output)] = 1;
  return Tensor::from(weights, logits.shape()).cast(logits.value().dtype()).to(logits.value().device());
}

// The gradient of what is explained, with respect to the embeddings of the pass.
Tensor gradient_of(const TextClassifier& of, const TokenBatch& batch, const ForwardPass& pass, std::int32_t output) {
  Variable logits;
  Tape tape;
  {
    const Tape::Recording recording(tape);
    logits = of.model.forward(batch, pass);
    if (of.form.windows) logits = pool_windows(logits, batch.text_offsets, of.form.windows->pooling);
  }
  tape.backward({logits}, {direction(logits, output, of.target)});
  return pass.embeddings->grad().tensor();
}

// The embeddings of a batch whose tokens are padding, all but the special ones.
Tensor baseline_of(const TextClassifier& of, const TokenBatch& batch) {
  std::vector<std::int32_t> ids;
  const Tensor host = batch.ids.to(Device::kCpu);
  for (const std::int32_t id : host.values<std::int32_t>())
    ids.push_back(is_special(of.tokenizer, id) ? id : of.model.pad_id());
  TokenBatch padding = batch;
  padding.ids = Tensor::from(ids, batch.ids.shape()).to(of.device);
  Variable embeddings;
  ForwardPass pass;
  pass.embeddings = &embeddings;
  of.model.forward(padding, pass);
  return embeddings.value();
}

// tokens[n] += gradient[n] . (values[n] - baseline[n]) / divisor.
void add_products(std::vector<double>& tokens, const Tensor& gradient, const Tensor& values, const Tensor& baseline,
                  double divisor) {
  const auto host = [](const Tensor& x) { return x.to(Device::kCpu).cast(DType::kFloat64); };
  const Tensor left = host(gradient), right = host(values), from = host(baseline);
  const auto channels = static_cast<std::size_t>(left.shape()[1]);
  tokens.resize(static_cast<std::size_t>(left.shape()[0]));
  for (std::size_t i = 0; i < tokens.size() * channels; ++i)
    tokens[i / channels] += left.values<double>()[i] * (right.values<double>()[i] - from.values<double>()[i]) / divisor;
}

// The explanation of a text from what the rows of its windows contribute: a token in two windows has the sum.
// `padded_length`: rows of each window; 0: as many as it has tokens.
Explanation explain_windows(const TextClassifier& of, const Dataset& encoded, std::int64_t padded_length,
                            const std::vector<double>& rows) {
  const std::int64_t overlap = of.form.windows->overlap;
  const Windows none = of.tokenizer.encode_windows("", {.max_length = of.form.max_length}, overlap);
  const std::int64_t step = of.form.max_length - none.before - none.after - overlap;
  std::vector<std::int32_t> ids;
  std::vector<double> tokens;
  std::int64_t start = 0;  // of the window among the ids
  for (std::int64_t w = 0; w < encoded.window_count(); start += encoded.window_length(w++)) {
    const std::int64_t first_row = padded_length > 0 ? w * padded_length : start;
    for (std::int64_t t = none.before; t < encoded.window_length(w) - none.after; ++t) {
      const auto place = static_cast<std::size_t>(w * step + t - none.before);
      if (place == ids.size()) {
        ids.push_back(encoded.ids.values<std::int32_t>()[static_cast<std::size_t>(start + t)]);
        tokens.push_back(0);
      }
      tokens[place] += rows[static_cast<std::size_t>(first_row + t)];
    }
  }
  return by_word(of.tokenizer, ids, tokens);
}

}  // namespace

Explanation explain_text(const TextClassifier& of, const std::string& text, const std::string* second,
                         std::int32_t output, int steps) {
  const std::span<const std::string> seconds =
      second == nullptr ? std::span<const std::string>() : std::span<const std::string>(second, 1);
  const Dataset encoded = encode_texts(of.tokenizer, {&text, 1}, seconds, of.form);
  const LabelledBatch batch = ExampleStore(encoded, of.form, of.device).batch(std::vector<std::int32_t>{0});
  Variable embeddings;
  ForwardPass pass;
  pass.embeddings = &embeddings;
  pass.baseline = baseline_of(of, batch.tokens);
  std::vector<double> tokens;
  for (int step = 0; step < steps; ++step) {  // of the way from the baseline to the embeddings, at the middle of each
    pass.embeddings_share = (step + 0.5) / steps;
    const Tensor gradient = gradient_of(of, batch.tokens, pass, output);
    add_products(tokens, gradient, embeddings.value(), pass.baseline, pass.embeddings_share * steps);
  }
  if (of.form.windows) return explain_windows(of, encoded, batch.shape.padded_length, tokens);
  return by_word(of.tokenizer, encoded.ids.values<std::int32_t>(), tokens);
}

}  // namespace attune
