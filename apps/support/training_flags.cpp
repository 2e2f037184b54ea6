#include "apps/support/training_flags.h"

#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "apps/support/class_counts.h"
#include "apps/support/command_line.h"
#include "apps/support/interrupt.h"
#include "apps/support/output_folder.h"
#include "apps/support/processes.h"
#include "apps/support/run_file.h"
#include "base/parallel.h"
#include "base/whole_number.h"

namespace attune {
namespace {

// By the name of a parameter: how far its layer is from the head, and whether it decays.
std::function<AdamWGroup(const std::string&)> parameter_groups(const Classifier& model, double layer_decay,
                                                               bool decay_matrices_only) {
  std::map<std::string, AdamWGroup> groups;
  for (const ParameterRow& row : model.table().rows()) {
    const auto below = static_cast<double>(model.table().blocks() - row.layer);  // 0: after the blocks
    const bool vector = row.role == Role::kBias || row.role == Role::kNorm;
    groups[row.name] = {.learning_rate_scale = std::pow(layer_decay, below),
                        .decays = !(decay_matrices_only && vector)};
  }
  return [groups = std::move(groups)](const std::string& name) { return groups.at(name); };
}

// An option that shows its default.
template <class T>
Flag* add(CommandLine& app, const char* group, const char* name, T& value, const char* text) {
  return app.add_option(name, value, text)->group(group)->capture_default_str();
}

// "test.csv, its first 100 rows (--max_eval_examples)".
std::string title_of(const SplitSource& source, std::int64_t max_rows, const char* flag) {
  return max_rows == 0 || source.split ? source.title()
                                       : str_cat(source.title(), ", its first ", max_rows, " rows (", flag, ")");
}

}  // namespace

void TrainingFlags::declare(CommandLine& app) {
  command_line_ = &app;
  declare_data(app);
  declare_model(app);
  task.declare(app);
  declare_steps(app);
  declare_evaluations(app);
  declare_run(app);
  declare_results(app);
}

void TrainingFlags::declare_data(CommandLine& app) {
  data.declare(app);
  app.add_option("--text_pair_column", data.columns.pair, "Column of a second text for each row, to classify pairs")
      ->group("Data");
  app.add_option("--tokenizer", tokenizer, "Folder of the tokenizer (default: the model's folder)")->group("Data");
  add(app, "Data", "--cache", cache,
      "Folder that stores token ids for later runs, at most 4 GB: those used longest ago are removed");
  app.add_flag("--no_cache", no_cache, "Do not store token ids")->group("Data");
  add(app, "Data", "--context_length", context_length,
      "Tokens per text: a number, longest_training_example, or model_context_length");

  windows.declare(app);
  add(app, "Data", "--max_train_examples", max_train_examples,
      "Use only N training rows; 0: all. Of a file that is split: of each class in its share, by --split_seed; of "
      "other files the first ones")
      ->check(count_from(0));
  add(app, "Data", "--max_eval_examples", max_eval_examples,
      "Use only N validation and N test rows, chosen in the same way; 0: all")
      ->check(count_from(0));
}

void TrainingFlags::declare_model(CommandLine& app) {
  model_dir_flag_ =
      app.add_option("--model_dir", model_dir,
                     "Hugging Face folder of the pretrained model (default: search the Hugging Face cache)")
          ->group("Model");
  app.add_flag(
         "--fresh_head", fresh_head,
         "Make a new head even if attune saved the model's folder and its classes are those of the data; otherwise "
         "the head of such a folder is kept")
      ->group("Model");
  add(app, "Model", "--trainable_layers", trainable_layers,
      "Layers to train: all, last_two_blocks, last_block, last_layer, or lora: a low-rank change of each linear layer, "
      "and the head; the others are frozen. The saved model has the changes in its weights");
  lora.declare(app, "Model");
  app.add_option("--dropout", dropout, "Dropout probability at every site, in [0, 1)")
      ->check(dropout_probability())
      ->group("Model");
  placement.declare(app, "Model");
}

void TrainingFlags::declare_steps(CommandLine& app) {
  add(app, "Training", "--num_epochs", num_epochs, "Passes over the training set")->check(count_from(1));
  add(app, "Training", "--learning_rate", learning_rate, "Peak learning rate of AdamW")->check(positive());
  Flag* texts = add(app, "Training", "--batch_size", batch_size, "Texts per batch")->check(count_from(1, 65535));
  app.add_option("--batch_tokens", batch_tokens,
                 "Training batches of at most this many tokens, padding counted, in place of a number of texts; a "
                 "longer text is a batch of its own. No text is left out of an epoch, and with --accumulation_steps "
                 "every text counts the same. Evaluations have batches of 8 texts")
      ->excludes(texts)
      ->check(count_from(1))
      ->group("Training");
  app.add_flag("--group_by_length", group_by_length,
               "Batches of texts of similar length, in random order: each stretch of 50 batches of the shuffled "
               "texts is sorted. The batch with the most tokens comes first in each epoch")
      ->group("Training");
  add(app, "Training", "--accumulation_steps", accumulation_steps, "Batches per optimizer step")->check(count_from(1));
  add(app, "Training", "--max_steps", max_steps, "Stop after this many batches; 0: no limit")->check(count_from(0));
  add(app, "Training", "--weight_decay", weight_decay, "Decoupled weight decay of every parameter")
      ->check(not_negative());
  app.add_flag("--decay_matrices_only", decay_matrices_only,
               "Weight decay for matrices and tables alone, not for biases and norms, as in the Hugging Face trainer")
      ->group("Training");
  add(app, "Training", "--layer_decay", layer_decay,
      "Learning rate of each block, as a share of the next one's, in (0, 1]; embeddings come before the first block")
      ->check(share_above_zero());
  add(app, "Training", "--max_grad_norm", max_grad_norm, "Clip the gradient's norm to this; 0: no clipping")
      ->check(not_negative());
  add(app, "Training", "--lr_schedule", lr_schedule,
      "constant; to zero at the end of the run: linear, cosine, cosine_restarts; or inverse_sqrt: slower and slower "
      "down")
      ->check(one_of(lr_schedule_names()));
  add(app, "Training", "--lr_cycles", lr_cycles, "cosine_restarts: cosines in the run, each from the peak")
      ->check(count_from(1))
      ->only_with("--lr_schedule", "cosine_restarts");
  Flag* steps = add(app, "Training", "--warmup_steps", warmup_steps,
                    "Optimizer steps of linear warm-up; a warning if the run has fewer")
                    ->check(count_from(0));
  add(app, "Training", "--warmup_ratio", warmup_ratio,
      "Linear warm-up for this share of the run's optimizer steps, in [0, 1)")
      ->check(dropout_probability())
      ->excludes(steps);
}

void TrainingFlags::declare_evaluations(CommandLine& app) {
  add(app, "Training", "--eval_freq", eval_freq, "Batches between evaluations; 0: none")->check(count_from(0));
  add(app, "Training", "--eval_iter", eval_iter, "Batches per evaluation")->check(count_from(1));
  app.add_flag("--independent_evaluation", independent_evaluation,
               "Evaluations choose their examples without changing the order of training: the trained weights do not "
               "depend on --eval_freq (by default they do from the second epoch on, as in the reference)")
      ->group("Training");
  auto* best =
      app.add_option("--keep_best", keep_best,
                     "Save and evaluate the model of the evaluation with the best value of this measure: loss, "
                     "accuracy, f1_macro, mcc, ... (an unknown name lists those of the task). Each evaluation "
                     "then also goes over the whole validation split, which takes time")
          ->group("Training");
  app.add_option("--patience", patience,
                 "With --keep_best: stop after this many evaluations in a row that are not the best; 0: never")
      ->needs(best)
      ->check(count_from(0))
      ->group("Training");
  add(app, "Training", "--ema_decay", ema_decay,
      "Decay of an exponential moving average of the weights, e.g. 0.999, at step n at most (1 + n) / (10 + n). All "
      "evaluations, --keep_best and the saved model are those of the average; training goes on with the weights. 0: "
      "no average")
      ->check(dropout_probability());
}

void TrainingFlags::declare_run(CommandLine& app) {
  add(app, "Training", "--seed", seed, "Seed of weights, data order and dropout");
  app.add_option("--seeds", seeds,
                 "Several runs with these seeds, as 1..5 or 1,2,7, and a table of their measures: the runs are in the "
                 "folders seed-1, ... of --output, the table also in seeds.json there. The rows of --split are those "
                 "of --seed in all of them. --resume makes the runs that are not finished")
      ->group("Training");
  app.add_flag("--no_graphs", no_graphs,
               "On cuda: launch every kernel of a step separately instead of replaying a graph")
      ->group("Training");
  app.add_flag("--recompute", recompute,
               "Recompute each block's activations in the backward pass: less memory, about a third more time")
      ->group("Training");
  app.add_flag("--shard_optimizer", shard_optimizer,
               "Divide AdamW's moments, and the averages of --ema_decay, over the processes of mpirun or srun: less "
               "memory in each, the same bits. Of one process it changes nothing")
      ->group("Training");
  add(app, "Training", "--threads", threads, "CPU threads; 0: all cores, divided among the processes of this machine")
      ->check(thread_count());
  add(app, "Training", "--peer_timeout", peer_timeout,
      "If mpirun or srun has started several processes: seconds after which one that gives no sign of life ends the "
      "run; all must join within three times as long")
      ->check(count_from(1, 86400));
}

void TrainingFlags::declare_results(CommandLine& app) {
  auto* earlier =
      app.add_options_file("--options", options_file,
                           "run.json of an earlier run: its options, where the command line does not give them",
                           [&app](const std::string& file) { return options_of_run(file, app.name()); })
          ->group("Results");
  app.add_left_out("--without", without,
                   "Options a,b,c of --options that have their default again: recompute,lora_rank")
      ->needs(earlier)
      ->group("Results");
  app.add_option("--output", output, "Folder for the trained model, readable by the Hugging Face libraries")
      ->group("Results");
  app.add_flag("--no_final_evaluation", no_final_evaluation, "Skip the accuracies over the whole splits at the end")
      ->group("Results");
  app.add_flag("--no_report", no_report, "Do not write report.html, a page with figures, to the output folder")
      ->group("Results");
  app.add_option("--log_file", log_file,
                 "JSON lines: every step and evaluation with all digits; replaces an earlier log, but no other file")
      ->group("Results");
  app.add_option("--tensorboard", tensorboard, "Folder for an event file of the same numbers, for TensorBoard")
      ->group("Results");
  add(app, "Results", "--checkpoint_every", checkpoint_every,
      "Batches between checkpoints in OUTPUT/checkpoints, from which --resume continues; 0: a checkpoint only after "
      "Ctrl-C")
      ->check(count_from(0));
  add(app, "Results", "--keep", keep,
      "Number of newest checkpoints to keep during a run; a finished run keeps one; 0: a finished run keeps none")
      ->check(count_from(0));
  app.add_optional(
         "--resume", resume,
         "Continue from the newest checkpoint of this folder, or from this file; without a value: from --output")
      ->group("Results");
}

void TrainingFlags::apply() {
  ignore_closed_pipes();
  join_launched(threads, peer_timeout, placement.device());
  placement.prepare();
  layers();
  lora.check(trains_lora());
  window_form();
  if (lr_cycles != 1 && schedule().kind != LrSchedule::Kind::kCosineRestarts)
    throw UsageError("--lr_cycles needs --lr_schedule cosine_restarts");
  if (threads > 0) set_num_threads(threads);
  if (!keep_best.empty() && eval_freq == 0)
    throw UsageError("--keep_best chooses among evaluations, and --eval_freq 0 makes none");
  if (checkpoint_every > 0 && output.empty())
    throw UsageError("--checkpoint_every needs --output: the folder to save in");
  if (resume && resume->empty() && output.empty()) throw UsageError("--resume needs a folder or file, or --output");
  if (leads()) return;
  if (resume && resume->empty()) resume = output;
  output = log_file = tensorboard = lora.adapter = data.split_output = "";
}

void TrainingFlags::find_columns() {
  std::vector<std::string> labels = task.columns();
  data.find_columns(labels);
  if (task.label_columns.empty()) task.label_column = labels.front();
}

TextSplits TrainingFlags::read_splits(const Tokenizer& tokens, LabelReader& labels,
                                      std::int64_t model_positions) const {
  const std::int64_t asked = max_length(0, model_positions);  // 0: as long as the longest training example
  if (!leads()) processes().gather({});  // the first process stores the ids, and the others find them
  const SplitSources sources = data.sources(seed);
  if (!data.split_output.empty()) check_split_output(data.split_output, sources);
  const auto& [train, validation, test] = sources;
  const std::optional<WindowForm> form = window_form();
  SplitReader reader(tokens, data.columns, labels, no_cache ? "" : cache,
                     form ? std::optional(form->overlap) : std::nullopt);
  TextSplits out;
  out.sources = sources;
  // The tokenizer cuts and not the batch, so that the closing special token stays.
  const std::int64_t length = asked > 0 ? asked : model_positions;
  windows.check_room(tokens, length);
  out.train = reader.read(train, max_train_examples, length);
  out.max_length = max_length(out.train.longest(), model_positions);
  windows.check_room(tokens, out.max_length);
  if (labels.counted())
    check_training_labels(out.train.labels, labels.names(), task.num_classes, task.trust_labels,
                          title_of(train, max_train_examples, "--max_train_examples"));
  out.validation = reader.read(validation, max_eval_examples, out.max_length);
  out.test = reader.read(test, max_eval_examples, out.max_length);
  for (const auto& [source, split] : {std::pair{&validation, &out.validation}, {&test, &out.test}})
    if (max_eval_examples > 0 && !source->split && labels.one_class())
      warn_of_one_class(split->labels, title_of(*source, max_eval_examples, "--max_eval_examples"));
  if (leads()) processes().gather({});
  if (!data.split_output.empty()) write_splits(data.split_output, output, sources, data.columns, labels);
  std::vector<SplitSummary> summaries;
  for (const auto& [title, split] :
       {std::pair{"train", &out.train}, {"validation", &out.validation}, {"test", &out.test}})
    summaries.push_back({title, split->labels, facts_of(*split)});
  print_splits(labels.counted() ? labels.names() : std::vector<std::string>{}, summaries);
  warn_of_texts(summaries);
  return out;
}

std::unique_ptr<LockedFolder> TrainingFlags::lock_output() const {
  if (output.empty()) return nullptr;
  auto out = std::make_unique<LockedFolder>(output);
  check_output_folder(output, {log_file, tensorboard, data.split_output, lora.adapter, no_cache ? "" : cache});
  return out;
}

TrainableLayers TrainingFlags::layers() const {
  if (trains_lora()) return TrainableLayers::kLastLayer;
  try {
    return attune::trainable_layers(trainable_layers);
  } catch (const UsageError& error) {
    throw UsageError(std::string(error.what()) + ", lora");
  }
}

void TrainingFlags::add_lora(Classifier& model) const {
  if (!trains_lora()) return;
  TorchGenerator generator(seed);
  model.add_low_rank(lora.spec(), generator);
}

LrSchedule TrainingFlags::schedule() const {
  return {.kind = lr_schedule_kind(lr_schedule),
          .peak = learning_rate,
          .warmup_steps = warmup_steps,
          .warmup_ratio = warmup_ratio,
          .cycles = lr_cycles};
}

TrainOptions TrainingFlags::train_options(const Classifier& model) const {
  TrainOptions options;
  options.epochs = num_epochs;
  options.batch_size = batch_size;
  options.group_by_length = group_by_length;
  options.batch_tokens = batch_tokens;
  options.accumulation_steps = accumulation_steps;
  options.max_steps = max_steps;
  options.eval_every = eval_freq;
  options.eval_batches = eval_iter;
  options.ema_decay = ema_decay;
  options.shard_optimizer = shard_optimizer;
  options.keep_best = keep_best;
  options.patience = patience;
  options.schedule = schedule();
  options.adamw.max_grad_norm = max_grad_norm;
  options.seed = seed;
  options.graphs = !no_graphs;
  options.independent_evaluation = independent_evaluation;
  options.adamw.weight_decay = weight_decay;
  if (layer_decay != 1 || decay_matrices_only)
    options.adamw.group_of = parameter_groups(model, layer_decay, decay_matrices_only);
  return options;
}

std::vector<std::pair<std::string, std::string>> TrainingFlags::deciding_options() const {
  static const std::set<std::string> free = {
      "--data",         "--train",          "--validation",   "--test",         "--no_final_evaluation", "--split",
      "--split_output", "--split_seed",     "--text_column",  "--label_column", "--tokenizer",           "--model_dir",
      "--config",       "--threads",        "--peer_timeout", "--no_graphs",    "--recompute",           "--output",
      "--log_file",     "--resume",         "--no_report",    "--keep",         "--checkpoint_every",    "--cache",
      "--no_cache",     "--trust_labels",   "--save_adapter", "--options",      "--use_attention_mask",  "--without",
      "--tensorboard",  "--shard_optimizer"};
  std::vector<std::pair<std::string, std::string>> out;
  for (auto& [name, value] : command_line_->values())
    if (!free.contains(name)) out.emplace_back(name, std::move(value));
  return out;
}

std::vector<std::string> TrainingFlags::memory_savers(std::int64_t row_length) const {
  std::vector<std::string> out;
  if (batch_tokens > row_length)
    out.emplace_back("a smaller --batch_tokens (--accumulation_steps makes up for it)");
  else if (batch_tokens == 0 && batch_size > 1)
    out.emplace_back("a smaller --batch_size (--accumulation_steps makes up for it)");
  if (row_length > 1) out.emplace_back("a smaller --context_length");
  for (std::string& way : placement.memory_savers()) out.push_back(std::move(way));
  if (!processes().alone() && !shard_optimizer) out.emplace_back("--shard_optimizer");
  if (layers() != TrainableLayers::kLastLayer || trains_lora()) {
    if (!recompute) out.emplace_back("--recompute");
    out.emplace_back(trains_lora() ? "fewer --lora_targets" : "fewer --trainable_layers");
  }
  return out;
}

std::int64_t TrainingFlags::max_length(std::int64_t longest_training_example, std::int64_t model_positions) const {
  std::int64_t length = 0;
  if (context_length == "longest_training_example") {
    length = longest_training_example;
  } else if (context_length == "model_context_length") {
    length = model_positions;
  } else {
    length = whole_number<std::int64_t>(context_length).value_or(0);
    if (length < 1)
      throw UsageError("--context_length '" + context_length +
                       "' is neither a positive number nor longest_training_example nor model_context_length");
  }
  if (length > model_positions)
    throw UsageError(str_cat("--context_length ", context_length, " means ", length, " tokens, but the model has only ",
                             model_positions, " positions (model_context_length takes them all)"));
  return length;
}

}  // namespace attune
