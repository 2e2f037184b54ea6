// The published checkpoints' configs: how many parameters and tensors they make, and which are refused.
#include <gtest/gtest.h>

#include "models/registry.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

// Counts are affine in the number of layers, so two small depths tell them.
TEST(PublishedSizes, ParametersAndTensors) {
  ATTUNE_DATA_OR_SKIP(data);
  struct Published {
    const char *folder, *layers_key;
    std::int64_t layers, parameters, backbone_tensors, head_tensors;
  };
  for (const Published& published :
       std::vector<Published>{{"bert-base-uncased", "num_hidden_layers", 12, 109483778, 199, 2},
                              {"distilbert-base-uncased", "n_layers", 6, 66955010, 100, 4},
                              {"roberta-large", "num_hidden_layers", 24, 355361794, 389, 4},
                              {"ModernBERT-base", "num_hidden_layers", 22, 149606402, 134, 4},
                              {"ModernBERT-large", "num_hidden_layers", 28, 395833346, 170, 4},
                              {"gpt2", "n_layer", 12, 124439808 + 2 * 768 + 2, 148, 2}}) {
    SCOPED_TRACE(published.folder);
    const std::string path = (data / "configs" / published.folder / "config.json").string();
    json::Value config = json::read(path);
    EXPECT_EQ(config[published.layers_key].integer(), published.layers);
    std::int64_t parameters[2], tensors[2];
    for (int depth : {0, 1}) {
      if (config.has("layer_types"))
        config.set("layer_types", depth == 0 ? json::Value::array({"full_attention"})
                                             : json::Value::array({"full_attention", "sliding_attention"}));
      config.set(published.layers_key, depth + 1);
      const auto model = build_classifier(config, {.num_labels = 2});
      parameters[depth] = parameter_count(*model);
      tensors[depth] = static_cast<std::int64_t>(model->table().rows().size());
    }
    const auto at_full_depth = [&](const std::int64_t* counts) {
      return counts[0] + (published.layers - 1) * (counts[1] - counts[0]);
    };
    EXPECT_EQ(at_full_depth(parameters), published.parameters);
    EXPECT_EQ(at_full_depth(tensors), published.backbone_tensors + published.head_tensors);
  }
}

TEST(PublishedSizes, UnsupportedArchitecturesAreRefusedByName) {
  ATTUNE_DATA_OR_SKIP(data);
  const std::string path = (data / "configs" / "deberta-v3-base" / "config.json").string();
  const std::string message = message_of([&] { (void)build_classifier(json::read(path), {}); });
  EXPECT_NE(message.find("deberta-v2"), std::string::npos) << message;
}

}  // namespace
}  // namespace attune::testing
