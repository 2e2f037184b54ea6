// A run's state in its file, and the folder of checkpoints: what is written is read back, and nothing that is damaged,
// missing or half written is taken for a checkpoint.
#include "engine/train/run_state.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "base/torch_random.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/io/sha256.h"
#include "engine/train/checkpoints.h"
#include "tests/engine/io/safetensors_file.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

Tensor floats(std::vector<float> values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

RunState invented_state(std::int64_t step = 5) {
  RunState s;
  s.step = step;
  s.epoch = 2;
  s.batch = 1;
  s.pass_seed = 0x7FFFFFFFFFFFFFFFull;
  s.optimizer_steps = 3;
  s.group_open = true;
  s.generator = TorchGenerator(7).state();
  s.best = {.step = 4, .validation_loss = 0.1};
  s.seconds = 0.1;
  s.log_offset = 12345;
  s.log_digest = "ab12";
  s.version = "0.1.0";
  s.options = {{"--learning_rate", "5e-05"}, {"--text_column", "te\"xt\n"}};
  s.history = "{\"a\": \"\u00e4\"}";
  s.parameters.push_back({.name = "a.weight",
                          .value = floats({1, -2, 3e-39F}),
                          .m = floats({0.25F, 0, -1}),
                          .v = floats({1e-30F, 2, 3}),
                          .gradient = floats({0.5F, -0.5F, 1}).cast(DType::kBFloat16),
                          .missed = 2});
  s.parameters.push_back(
      {.name = "b", .value = Tensor::zeros({2, 0, 3}, DType::kFloat64), .m = {}, .v = {}, .gradient = {}});
  return s;
}

std::string raw_bytes(const Tensor& tensor) {
  return tensor.defined() ? std::string(static_cast<const char*>(tensor.raw()), tensor.bytes()) : "none";
}

void expect_equal(const RunState& a, const RunState& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.batch, b.batch);
  EXPECT_EQ(a.pass_seed, b.pass_seed);
  EXPECT_EQ(a.optimizer_steps, b.optimizer_steps);
  EXPECT_EQ(a.group_open, b.group_open);
  EXPECT_EQ(a.finished, b.finished);
  EXPECT_EQ(a.generator, b.generator);
  ASSERT_EQ(a.best.has_value(), b.best.has_value());
  if (a.best) {
    EXPECT_EQ(a.best->step, b.best->step);
    EXPECT_EQ(a.best->validation_loss, b.best->validation_loss);
  }
  ASSERT_EQ(a.best_model.has_value(), b.best_model.has_value());
  if (a.best_model) {
    EXPECT_EQ(a.best_model->measure, b.best_model->measure);
    EXPECT_EQ(a.best_model->evaluations_since, b.best_model->evaluations_since);
    ASSERT_EQ(a.best_model->best.has_value(), b.best_model->best.has_value());
    if (a.best_model->best) {
      EXPECT_EQ(a.best_model->best->step, b.best_model->best->step);
      EXPECT_EQ(a.best_model->best->value, b.best_model->best->value);
    }
  }
  EXPECT_EQ(a.seconds, b.seconds);
  EXPECT_EQ(a.log_offset, b.log_offset);
  EXPECT_EQ(a.log_digest, b.log_digest);
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.world, b.world);
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.options, b.options);
  EXPECT_EQ(a.history, b.history);
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    const RunState::Parameter &x = a.parameters[i], &y = b.parameters[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.missed, y.missed);
    EXPECT_EQ(x.value.shape(), y.value.shape());
    EXPECT_EQ(x.value.dtype(), y.value.dtype());
    for (const auto& [one, other] : {std::pair(x.value, y.value),
                                     {x.m, y.m},
                                     {x.v, y.v},
                                     {x.gradient, y.gradient},
                                     {x.best, y.best},
                                     {x.average, y.average}})
      EXPECT_EQ(raw_bytes(one), raw_bytes(other)) << x.name;
  }
}

TEST(RunStates, AFileHoldsEverything) {
  const TempDir dir;
  const std::string path = dir / "state.safetensors";
  write_run_state(path, invented_state());
  expect_equal(read_run_state(path), invented_state());
  RunState bare = invented_state();
  bare.pass_seed.reset();
  bare.log_offset.reset();
  bare.log_digest.clear();
  bare.history.clear();
  bare.finished = true;
  write_run_state(path, bare);
  expect_equal(read_run_state(path), bare);
}

TEST(RunStates, AFileHoldsTheBestModelInItsOwnFormat) {
  const TempDir dir;
  const std::string path = dir / "state.safetensors";
  write_run_state(path, invented_state());
  EXPECT_EQ(SafetensorsFile(path).metadata().at("attune_checkpoint"), "1");
  RunState keeping = invented_state();
  keeping.best_model = {.measure = "f1.\"a\"", .best = {}, .evaluations_since = 4};
  write_run_state(path, keeping);
  EXPECT_EQ(SafetensorsFile(path).metadata().at("attune_checkpoint"), "2");
  expect_equal(read_run_state(path), keeping);
  keeping.best_model->best = {3, 1.0 / 3};
  keeping.parameters[0].best = floats({4, 5, -0.0F});
  write_run_state(path, keeping);
  expect_equal(read_run_state(path), keeping);
  keeping.parameters[0].average = floats({1, 0.5F, 7});
  write_run_state(path, keeping);
  EXPECT_EQ(SafetensorsFile(path).metadata().at("attune_checkpoint"), "3");
  expect_equal(read_run_state(path), keeping);
}

// Every bit of the file, one after the other.
TEST(RunStates, ADamagedBitIsNamed) {
  const TempDir dir;
  const std::string path = dir / "state.safetensors";
  RunState small = invented_state();
  small.generator = "";
  small.best_model = {.measure = "loss", .best = BestValue{1, 2}, .evaluations_since = 1};
  small.parameters[0].best = floats({1});
  write_run_state(path, small);
  const std::string whole = read_file(path);
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof(header));
  const std::size_t data = sizeof(header) + header;
  std::set<std::string> tensors;
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t at, int byte) {
    file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(byte)).flush();
  };
  for (std::size_t at = 0; at < whole.size(); put(at, whole[at]), ++at)
    for (int bit = 0; bit < 8; ++bit) {
      put(at, whole[at] ^ (1 << bit));
      const std::string message = message_of([&] { read_run_state(path); });
      ASSERT_TRUE(message.starts_with(path + ": ")) << "byte " << at << ", bit " << bit << ": " << message;
      ASSERT_EQ(message.find('\n'), std::string::npos) << message;
      if (at < data) continue;
      const std::string before = path + ": the tensor '";
      ASSERT_TRUE(message.starts_with(before)) << message;
      tensors.insert(message.substr(before.size(), message.find('\'', before.size()) - before.size()));
    }
  EXPECT_EQ(tensors, (std::set<std::string>{"value.a.weight", "m.a.weight", "v.a.weight", "gradient.a.weight",
                                            "best.a.weight"}));
}

// The checkpoint of a model that is being trained.
TEST(RunStates, TenThousandRandomBits) {
  const TempDir dir;
  const std::string path = dir / "state.safetensors";
  TrainOptions options;
  options.batch_size = 4;
  TinyRun run(tiny_config(), invented_examples(8, 6, 11, 5), options);
  run.run();
  write_run_state(path, run.trainer.state());
  const std::string whole = read_file(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t at, int byte) {
    file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(byte)).flush();
  };
  std::mt19937 random(1);
  constexpr int kFlips = 10000;
  int found = 0;
  for (int flip = 0; flip < kFlips; ++flip) {
    const std::size_t at = random() % whole.size();
    put(at, whole[at] ^ (1 << random() % 8));
    found += message_of([&] { read_run_state(path); }).starts_with(path + ": ") ? 1 : 0;
    put(at, whole[at]);
  }
  EXPECT_EQ(found, kFlips);
  std::printf("%d of %d flipped bits are reported, in a checkpoint of %zu bytes\n", found, kFlips, whole.size());
}

TEST(RunStates, ATruncatedFileIsRefused) {
  const TempDir dir;
  const std::string path = dir / "state.safetensors";
  write_run_state(path, invented_state());
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size < whole.size(); size += size < 16 ? 1 : 97) {
    write_bytes(path, whole.substr(0, size));
    EXPECT_TRUE(message_of([&] { read_run_state(path); }).starts_with(path + ": not a valid safetensors file")) << size;
  }
}

TEST(RunStates, OtherFilesAreNoCheckpoints) {
  const TempDir dir;
  const std::string path = dir / "other.safetensors";
  write_safetensors(path, {{"weight", floats({1})}}, {});
  EXPECT_EQ(message_of([&] { read_run_state(path); }),
            path + ": is no checkpoint of a run: its metadata has no 'attune_checkpoint'");
  write_run_state(path, invented_state());
  auto metadata = SafetensorsFile(path).metadata();
  metadata["attune_checkpoint"] = "4";
  write_safetensors(path, {}, metadata);
  EXPECT_EQ(message_of([&] { read_run_state(path); }),
            path + ": is a checkpoint of format 4; this attune reads the formats 1 to 3");
  // Scalars that are whole, but not those of a run.
  for (const std::string text : {"{}", "[", "{\"step\": \"many\"}"}) {
    metadata["attune_checkpoint"] = "1";
    metadata["run"] = text;
    metadata["run_sha256"] = sha256_hex(text);
    write_safetensors(path, {}, metadata);
    EXPECT_TRUE(message_of([&] { read_run_state(path); }).starts_with(path + ": ")) << text;
  }
}

std::set<std::string> names_in(const TempDir& dir) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    out.insert(entry.path().filename().string());
  return out;
}

TEST(CheckpointFolders, TheNewestAreKeptAndOneIsPointedTo) {
  const TempDir dir;
  const std::string folder = dir.path().string();
  Checkpoints checkpoints(folder);
  for (const std::int64_t step : {5, 10, 15}) checkpoints.save(invented_state(step), 2);
  EXPECT_EQ(names_in(dir), (std::set<std::string>{"latest", "step-00000010.safetensors", "step-00000015.safetensors"}));
  EXPECT_EQ(find_checkpoint(folder), dir / "step-00000015.safetensors");
  // A run that goes on from step 10 leaves those of later steps.
  checkpoints.save(invented_state(12), 2);
  EXPECT_EQ(names_in(dir), (std::set<std::string>{"latest", "step-00000010.safetensors", "step-00000012.safetensors"}));
  checkpoints.save(invented_state(123456789), 1);
  EXPECT_EQ(names_in(dir), (std::set<std::string>{"latest", "step-123456789.safetensors"}));
  expect_equal(read_run_state(find_checkpoint(folder)), invented_state(123456789));
  checkpoints.clear();
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(CheckpointFolders, LeftoversOfKilledProcessesAreRemovedAndNothingElse) {
  const TempDir dir;
  for (const char* name : {"step-00000010.safetensors.attune-temporary-abcxyz", "latest.attune-temporary-aaaaaa",
                           "latest.backup", "notes"})
    write_bytes(dir / name, "half");
  const Checkpoints checkpoints(dir.path().string());
  EXPECT_EQ(names_in(dir), (std::set<std::string>{"latest.backup", "notes"}));
}

TEST(CheckpointFolders, OneRunHasTheFolder) {
  const TempDir dir;
  const std::string folder = dir.path().string();
  {
    const Checkpoints checkpoints(folder);
    EXPECT_EQ(message_of([&] { const Checkpoints second(folder); }),
              str_cat(folder, ": another run (process ", getpid(), ") is writing to this folder"));
  }
  const Checkpoints again(folder);
}

TEST(CheckpointFolders, WhatIsMissingIsSaid) {
  const TempDir dir;
  const std::string folder = dir.path().string();
  EXPECT_EQ(message_of([&] { find_checkpoint(folder); }), folder + ": no checkpoint has been saved there");
  EXPECT_EQ(message_of([&] { find_checkpoint(dir / "none"); }), (dir / "none") + ": there is no such checkpoint");
  std::filesystem::create_directory(dir / "checkpoints");
  write_bytes(dir / "checkpoints/latest", "step-00000007.safetensors\n");
  EXPECT_EQ(message_of([&] { find_checkpoint(folder); }),
            (dir / "checkpoints/latest") + ": names step-00000007.safetensors, which is not there");
  for (const char* text :
       {"", "\n", "../model.safetensors\n", "step-7.safetensors\n", "step-00000007.safetensors\n\n"}) {
    write_bytes(dir / "checkpoints/latest", text);
    EXPECT_EQ(message_of([&] { find_checkpoint(folder); }),
              (dir / "checkpoints/latest") + ": does not name a checkpoint");
  }
  write_run_state(dir / "checkpoints/step-00000007.safetensors", invented_state());
  write_bytes(dir / "checkpoints/latest", "step-00000007.safetensors\n");
  EXPECT_EQ(find_checkpoint(folder), dir / "checkpoints/step-00000007.safetensors");
}

}  // namespace
}  // namespace attune::testing
