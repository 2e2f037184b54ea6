// config.json of every family: what is accepted builds a model that reads texts, and describes itself again.
#include "apps/support/input_form.h"
#include "apps/support/task_config.h"
#include "engine/autograd/tape.h"
#include "engine/train/example_store.h"
#include "models/hf_config.h"
#include "models/registry.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {
namespace {

// As the predictor uses it.
void predict(const json::Value& config, const Classifier& model) {
  const BatchForm form = read_batch_form(config, model.max_length(), model.vocab_size());
  const auto names = complete_label_names(label_names(config), model.num_labels());
  require(std::ssize(names) == model.num_labels(), "every class has a name");
  const auto task = read_task(config, names, true);
  if (form.max_length > 64 && !form.packed) return;
  const auto last = static_cast<std::int32_t>(model.vocab_size() - 1);
  std::vector<std::vector<std::int32_t>> texts = {{0, last, 0}, {last}};
  for (auto& text : texts) text.resize(std::min(text.size(), static_cast<std::size_t>(model.max_length())));
  const LabelledBatch batch =
      ExampleStore(Dataset::from("texts", texts), form, Device::kCpu).batch(std::vector<std::int32_t>{0, 1});
  const NoGrad no_grad;
  const Tensor logits = model.forward(batch.tokens, {}).value();
  require(logits.shape() == Shape({2, model.num_labels()}), "logits of every text");
}

}  // namespace

void run(std::string_view input) {
  limit_tensors(std::size_t{1} << 20);
  const json::Value config = json::parse(input, "config.json");
  const auto model = build_classifier(config, {});
  accepted();
  require(model->pad_id() >= 0 && model->pad_id() < model->vocab_size(), "the padding is an id");
  json::Value again = model->hf_config();
  require(build_classifier(again, {.num_labels = model->num_labels()})->hf_config().dump() == again.dump(),
          "a model reads what it writes");
  predict(config, *model);
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson)
