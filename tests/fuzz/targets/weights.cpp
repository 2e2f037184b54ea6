// The weights of a model's folder: the index of shards, and the shards, for small models of every family.
//
// Input: a letter for the family, the index (empty: one file), the weights.
#include "models/model_folder.h"
#include "models/registry.h"
#include "models/weight_files.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {
namespace {

constexpr std::string_view kConfigs[] = {
    R"({"model_type": "bert", "vocab_size": 3, "hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 2, "max_position_embeddings": 2, "attune_save": "x"})",
    R"({"model_type": "modernbert", "vocab_size": 3, "hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 2, "max_position_embeddings": 2, "pad_token_id": 2})",
    R"({"model_type": "gpt2", "vocab_size": 3, "n_embd": 2, "n_layer": 1, "n_head": 1, "n_positions": 2})"};

}  // namespace

void run(std::string_view input) {
  static MemoryFolder folder({"config.json", "model.safetensors.index.json", "model.safetensors", "a.safetensors"});
  limit_tensors(std::size_t{1} << 24);
  const auto parts = parts_of(input, 3);
  folder.put(0, kConfigs[parts[0].empty() ? 0 : static_cast<unsigned char>(parts[0][0]) % std::size(kConfigs)]);
  const bool indexed = !parts[1].empty();
  if (indexed)
    folder.put(1, parts[1]);
  else
    folder.take_out(1);
  folder.put(indexed ? 3 : 2, parts[2]);
  folder.take_out(indexed ? 2 : 3);
  succeeds([&] { (void)WeightFiles(folder.path()).text_digests(); });
  TorchGenerator generator(1);
  const OpenedClassifier opened = open_classifier(folder.path(), read_model_config(folder.path()), {}, generator);
  accepted();
  require(opened.report.missing.size() <= opened.model->table().rows().size(), "only rows can be missing");
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kText, kJson, kSealed)
