// The reference recipe end to end: train_gpt itself, run on the real reviews with the options of each run of
// golden/recipe.json, starts from the same values and has the same losses and evaluations. Seed, shuffles, tokenizer,
// model, gradient and optimizer in one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "models/gpt2/gpt2.h"
#include "models/weights.h"
#include "tests/support/data.h"
#include "tests/support/imdb.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;

std::string config_text(const Json& options) {
  return Json{{"model_type", "gpt2"},        {"vocab_size", 50257},           {"n_positions", 1024},
              {"n_embd", options["n_embd"]}, {"n_layer", options["n_layer"]}, {"n_head", options["n_head"]}}
      .dump();
}

// The golden name of a parameter (the reference's own model) -> rows of ours.
Tensor parameter_rows(const std::map<std::string, Parameter>& parameters, const std::string& golden,
                      std::int64_t width) {
  static const std::map<std::string, std::string> plain = {
      {"att.out_proj", "projection"}, {"ff.0", "fc"}, {"ff.2", "fc_out"}, {"norm1", "norm1"}, {"norm2", "norm2"}};
  static const std::map<std::string, std::int64_t> fused = {{"att.W_query", 0}, {"att.W_key", 1}, {"att.W_value", 2}};
  if (golden == "tok_emb.weight") return parameters.at("tokens.weight").value();
  if (golden == "pos_emb.weight") return parameters.at("positions.weight").value();
  if (golden.starts_with("final_norm.")) return parameters.at(golden).value();
  if (golden.starts_with("out_head.")) return parameters.at("head." + golden.substr(9)).value();
  const std::string rest = golden.substr(std::string("trf_blocks.").size());
  const std::size_t first = rest.find('.'), last = rest.rfind('.');
  const std::string block = "blocks." + rest.substr(0, first) + ".", part = rest.substr(first + 1, last - first - 1),
                    kind = rest.substr(last);
  if (const auto at = fused.find(part); at != fused.end())
    return parameters.at(block + "qkv" + kind).value().rows(at->second * width, (at->second + 1) * width);
  return parameters.at(block + plain.at(part) + kind).value();
}

void expect_initial_values(const Json& run) {
  const Json& options = run["options"];
  const Gpt2Classifier model(Gpt2Config::read(json::parse(config_text(options), "config")), {});
  TorchGenerator weights(options["seed"].get<std::uint64_t>()), head(options["seed"].get<std::uint64_t>());
  model.initialize(weights, Initializer::kTorch);
  model.initialize_head(head);
  std::map<std::string, Parameter> parameters;
  for (const auto& [name, parameter] : parameters_of(model)) parameters.emplace(name, parameter);
  for (const auto& [name, expected] : run["initial_values"].items()) {
    const Tensor rows = parameter_rows(parameters, name, options["n_embd"]);
    // Normals are equal up to the last bits of log and cos; uniforms are exact.
    const bool normal = name == "tok_emb.weight" || name == "pos_emb.weight";
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(rows.values<float>()[i], expected[i].get<float>(), normal ? 1e-6f : 0.0f) << name << " " << i;
  }
}

// Runs train_gpt with the run's options; its log.
std::vector<Json> train(const Json& options, const std::filesystem::path& data, const TempDir& folder) {
  std::ofstream(folder / "config.json") << config_text(options);
  const auto text = [](const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
  std::string command = std::string(ATTUNE_TRAIN_GPT) + " --weights random --data " + imdb_csvs(data).string() +
                        " --tokenizer " + (data / "tokenizers" / "gpt2").string() + " --config " +
                        (folder / "config.json") + " --log_file " + (folder / "log.jsonl");
  for (const char* name : {"seed", "context_length", "batch_size", "trainable_layers", "trainable_token_pos",
                           "learning_rate", "max_steps"})
    command += " --" + std::string(name) + " " + text(options[name]);
  if (options["average_embeddings"].get<bool>()) command += " --average_embeddings";
  command += " --no_final_evaluation > " + (folder / "out.txt") + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::vector<Json> log;
  std::ifstream file(folder / "log.jsonl");
  for (std::string line; std::getline(file, line);) log.push_back(Json::parse(line));
  return log;
}

TEST(Recipe, EveryRunStepByStep) {
  ATTUNE_DATA_OR_SKIP(data);
  const Json recipe = Json::parse(std::ifstream(data / "golden" / "recipe.json"));
  constexpr double kRelative = 1e-5;  // float32 in PyTorch stays within 1.1e-6
  ASSERT_FALSE(recipe["runs"].empty());
  for (const Json& run : recipe["runs"]) {
    SCOPED_TRACE(run["options"].dump());
    expect_initial_values(run);
    const TempDir folder;
    std::vector<double> losses;
    std::map<std::string, Json> evaluations;
    for (const Json& record : train(run["options"], data, folder)) {
      if (record.contains("val_loss"))
        evaluations[std::to_string(record["step"].get<int>())] = record;
      else if (record.contains("loss") && record.contains("step"))
        losses.push_back(record["loss"]);
    }
    ASSERT_EQ(losses.size(), run["losses"].size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const double expected = run["losses"][i];
      EXPECT_LE(std::abs(losses[i] - expected), kRelative * expected) << "step " << i;
    }
    ASSERT_EQ(evaluations.size(), run["evaluations"].size());
    for (const auto& [step, expected] : run["evaluations"].items()) {
      ASSERT_TRUE(evaluations.contains(step)) << "no evaluation after step " << step;
      const double train_loss = expected["train_loss"], validation_loss = expected["validation_loss"];
      EXPECT_NEAR(evaluations[step]["train_loss"].get<double>(), train_loss, kRelative * train_loss);
      EXPECT_NEAR(evaluations[step]["val_loss"].get<double>(), validation_loss, kRelative * validation_loss);
    }
  }
}

}  // namespace
}  // namespace attune::testing
