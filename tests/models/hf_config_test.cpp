// What every family reads from config.json alike.
#include "models/hf_config.h"

#include <gtest/gtest.h>

#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

json::Value parse(const std::string& text) {
  return json::parse(text, "config.json");
}

TEST(HfConfig, Sizes) {
  EXPECT_EQ(size_of(parse(R"({"n": 1024})"), "n", kMaxLayers), 1024);
  EXPECT_EQ(size_or(parse("{}"), "n", 7, kMaxLayers), 7);
  EXPECT_EQ(message_of([] { size_of(parse(R"({"n": 1025})"), "n", kMaxLayers); }),
            "config.json: n: must be an integer from 1 to 1024, found 1025");
  EXPECT_EQ(message_of([] { size_of(parse("{}"), "n", kMaxLayers); }), "config.json: the key 'n' is missing");
}

TEST(HfConfig, Activations) {
  EXPECT_EQ(activation_or(parse("{}"), "act", Activation::kRelu), Activation::kRelu);
  for (const Activation activation : {Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu})
    EXPECT_EQ(activation_or(json::Value::object({{"act", hf_name(activation)}}), "act", Activation::kTanh), activation);
  EXPECT_EQ(message_of([] { activation_or(parse(R"({"act": "silu"})"), "act", Activation::kRelu); }),
            "config.json: act: 'silu' is not supported (gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu are)");
}

TEST(HfConfig, KeysOfOurOwn) {
  EXPECT_EQ(message_of([] { check_own_keys(parse(R"({"attune_pad_id": 1, "attune": 1, "other_key": 2})")); }), "");
  EXPECT_EQ(message_of([] { check_own_keys(parse(R"({"attune_mask_pading": true})")); }),
            "config.json: the key 'attune_mask_pading' is unknown; did you mean 'attune_mask_padding'?");
}

TEST(HfConfig, TokenIds) {
  EXPECT_EQ(token_id_or(parse(R"({"pad": 30})"), "pad", 0, 31), 30);
  for (const char* id : {"31", "-1", "4294967296"})
    EXPECT_EQ(message_of([&] { token_id_or(parse("{\"pad\": " + std::string(id) + "}"), "pad", 0, 31); }),
              "config.json: pad " + std::string(id) + " is not one of the 31 ids");
}

TEST(HfConfig, Classes) {
  EXPECT_EQ(num_labels_or(parse("{}"), 2), 2);
  EXPECT_EQ(num_labels_or(parse(R"({"num_labels": 5})"), 2), 5);
  EXPECT_EQ(num_labels_or(parse(R"({"id2label": {"0": "a", "1": "b", "2": "c"}})"), 2), 3);
  EXPECT_EQ(message_of([] { num_labels_or(parse(R"({"num_labels": 3, "id2label": {"0": "a", "1": "b"}})"), 2); }),
            "config.json: num_labels is 3, but id2label names 2 classes");
  EXPECT_EQ(label_names(parse(R"({"id2label": {"1": "b", "0": "a"}})")), (std::vector<std::string>{"a", "b"}));
  for (const char* bad : {R"({"0": "a", "2": "b"})", R"({"0": "a", "x": "b"})", R"({"0": "a", "1x": "b"})",
                          R"({"0": "a", "1": 5})", R"({"1": "a", "01": "b"})", R"({"-1": "a"})"})
    EXPECT_NE(message_of([&] {
                label_names(json::Value::object({{"id2label", parse(bad)}}));
              }).find("must map 0 .. "),
              std::string::npos)
        << bad;
  EXPECT_EQ(message_of([] { num_labels_or(parse(R"({"id2label": ["a"]})"), 2); }),
            "config.json: id2label: must be an object, found an array of 1 element");
}

TEST(HfConfig, LabelNamesComeBack) {
  json::Value config = json::Value::object();
  set_label_names(config, {"bad", "good \"very\""});
  EXPECT_EQ(config.dump(),
            R"({"id2label":{"0":"bad","1":"good \"very\""},"label2id":{"bad":0,"good \"very\"":1},"num_labels":2})");
  EXPECT_EQ(label_names(config), (std::vector<std::string>{"bad", "good \"very\""}));
  EXPECT_EQ(complete_label_names({"x"}, 3), (std::vector<std::string>{"x", "LABEL_1", "LABEL_2"}));
}

}  // namespace
}  // namespace attune::testing
