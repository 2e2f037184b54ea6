#include "apps/support/integrated_gradients.h"

#include <span>
#include <vector>

#include "apps/support/encode.h"
#include "engine/autograd/tape.h"
#include "engine/train/example_store.h"

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

}  // namespace

Explanation explain_text(const TextClassifier& of, const std::string& text, const std::string* second,
                         std::int32_t output, int steps) {
  const std::span<const std::string> seconds =
      second == nullptr ? std::span<const std::string>() : std::span<const std::string>(second, 1);
  const Dataset encoded = encode_texts(of.tokenizer, {&text, 1}, seconds, of.form.max_length);
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
  return by_word(of.tokenizer, encoded.ids.values<std::int32_t>(), tokens);
}

}  // namespace attune
