// The command-line options that train_gpt and train_bert share, with the reference recipe's spelling and defaults.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/data_flags.h"
#include "apps/support/lora_flags.h"
#include "apps/support/placement.h"
#include "apps/support/task_flags.h"
#include "apps/support/text_data.h"
#include "apps/support/window_flags.h"
#include "engine/io/locked_folder.h"
#include "engine/train/trainer.h"
#include "models/classifier.h"

namespace attune {

class CommandLine;
class Flag;
struct RunHooks;

struct TrainingFlags {
  // data
  DataFlags data;
  std::string tokenizer;
  std::string cache = default_cache_folder();
  bool no_cache = false;
  std::string context_length = "256";
  WindowFlags windows;
  std::int64_t max_train_examples = 0, max_eval_examples = 0;  // 0: all
  // model
  std::string model_dir;
  std::string trainable_layers;
  LoraFlags lora;
  bool fresh_head = false;
  double dropout = -1;  // negative: the model's own
  PlacementFlags placement;
  TaskFlags task;
  // training
  std::int64_t num_epochs = 1, batch_size = 8, accumulation_steps = 1, max_steps = 0, eval_freq = 50, eval_iter = 20;
  bool group_by_length = false;
  std::int64_t batch_tokens = 0;  // 0: batches of batch_size texts
  double ema_decay = 0;           // of the moving average of the weights; 0: none
  std::string keep_best;          // the measure; empty: the last model is kept
  std::int64_t patience = 0;      // 0: none
  double learning_rate = 5e-5, weight_decay = 0.1, max_grad_norm = 0;
  std::string lr_schedule = "constant";
  std::int64_t warmup_steps = 0, lr_cycles = 1;
  double warmup_ratio = 0, layer_decay = 1;
  bool decay_matrices_only = false;
  std::uint64_t seed = 123;
  std::string seeds;  // of several runs; empty: one run
  int threads = 0, peer_timeout = 20;
  // results
  std::string options_file, without, output, log_file, tensorboard;
  bool no_final_evaluation = false, no_report = false, no_graphs = false, recompute = false,
       independent_evaluation = false, shard_optimizer = false;
  std::int64_t checkpoint_every = 0, keep = 2;
  const RunHooks* hooks = nullptr;    // of the caller; null: none
  std::optional<std::string> resume;  // the checkpoint; empty: that of the output folder

  /// Declares every option; defaults are the current values.
  void declare(CommandLine& app);
  /// --model_dir, after declare().
  const Flag* model_dir_flag() const { return model_dir_flag_; }
  /// Prepares the process for a run: a closed pipe does not end it, the processes of the launcher are joined, and the
  /// number of threads is set. Checks what the parser cannot check: device, precision, schedule, ranges. Throws
  /// UsageError listing the valid values, Error if the device cannot be used. In all processes but the first, the
  /// options that name what the run writes are empty afterwards.
  void apply();
  /// Finds the columns of the data that no flag names (DataFlags).
  void find_columns();
  /// The three splits of the data, up to --max_train_examples and --max_eval_examples, cut to --context_length or the
  /// model's positions, or in windows of as many tokens.
  TextSplits read_splits(const Tokenizer& tokenizer, LabelReader& labels, std::int64_t model_positions) const;
  /// The windows of long texts; none: they are cut.
  std::optional<WindowForm> window_form() const { return windows.form(!data.columns.pair.empty()); }
  /// The lock on --output, to be held for the whole run; null without --output. Throws Error if another run has it, or
  /// if the folder is no place for a model (apps/support/output_folder.h).
  std::unique_ptr<LockedFolder> lock_output() const;
  TrainableLayers layers() const;
  /// Whether low-rank changes are trained, in addition to layers().
  bool trains_lora() const { return trainable_layers == "lora"; }
  /// Gives a model whose weights are there the low-rank changes that are trained, if they are.
  void add_lora(Classifier& model) const;
  /// The learning rate without the length of the run.
  LrSchedule schedule() const;
  /// The options of a run that trains this model.
  TrainOptions train_options(const Classifier& model) const;
  /// Every option of the program that affects a number, by name, with its value or default. Files and folders are
  /// excluded, because their contents matter and not their names (apps/support/run_keeper.h), and so is
  /// --use_attention_mask, whose value may come from the folder: the config and input form of the model have it.
  std::vector<std::pair<std::string, std::string>> deciding_options() const;
  /// The program's command line, after declare().
  const CommandLine& command_line() const { return *command_line_; }
  /// Flags that would need less memory and can still be lowered; batches may have rows of `row_length` tokens.
  std::vector<std::string> memory_savers(std::int64_t row_length) const;
  /// Tokens per example under --context_length: a number, the longest training example, or the model's positions.
  std::int64_t max_length(std::int64_t longest_training_example, std::int64_t model_positions) const;

 private:
  void declare_data(CommandLine& app);
  void declare_model(CommandLine& app);
  void declare_steps(CommandLine& app);
  void declare_evaluations(CommandLine& app);
  void declare_run(CommandLine& app);
  void declare_results(CommandLine& app);

  const CommandLine* command_line_ = nullptr;
  const Flag* model_dir_flag_ = nullptr;
};

}  // namespace attune
