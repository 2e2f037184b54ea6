#include "apps/support/fine_tune.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <utility>

#include "apps/support/adapter.h"
#include "apps/support/encode.h"
#include "apps/support/final_evaluation.h"
#include "apps/support/interrupt.h"
#include "apps/support/memory_advice.h"
#include "apps/support/peak_rate.h"
#include "apps/support/processes.h"
#include "apps/support/progress.h"
#include "apps/support/report.h"
#include "apps/support/run_file.h"
#include "apps/support/run_hooks.h"
#include "apps/support/run_keeper.h"
#include "apps/support/save_run.h"
#include "apps/support/saved_tokenizer.h"
#include "apps/support/version.h"
#include "base/join.h"
#include "base/near_word.h"
#include "base/printable.h"
#include "engine/io/file_set.h"
#include "engine/io/sha256.h"
#include "engine/nn/product_flops.h"
#include "engine/tensor/context.h"
#include "engine/train/checkpoints.h"
#include "models/adapter_folder.h"
#include "models/model_folder.h"
#include "models/weights.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kResume = "--resume goes on from the last checkpoint";

std::string config_digest(const FineTuneJob& job, const TrainingFlags& flags) {
  return sha256_hex(config_of(job, flags).dump(2) + "\n");
}

// Everything that affects the numbers of a run: flags, examples, the model and how it reads texts.
RunOptions run_options(const FineTuneJob& job, const TrainingFlags& flags) {
  RunOptions out = flags.deciding_options();
  out.emplace_back("training examples", job.train.digest);
  out.emplace_back("validation examples", job.validation.digest);
  out.emplace_back("test examples", job.test.digest);
  out.emplace_back("config and input form of the model", config_digest(job, flags));
  return out;
}

// What all processes of a run must have in common.
RunOptions shared_options(const FineTuneJob& job, const TrainingFlags& flags) {
  RunOptions out = {{"version", built_version()}};
  std::ranges::copy(run_options(job, flags), std::back_inserter(out));
  out.emplace_back("--checkpoint_every", std::to_string(flags.checkpoint_every));
  out.emplace_back("--no_final_evaluation", flags.no_final_evaluation ? "true" : "false");
  out.emplace_back("--resume", flags.resume.has_value() ? "true" : "false");
  out.emplace_back("--shard_optimizer", flags.shard_optimizer ? "true" : "false");
  return out;
}

// The peak of device memory with the flags, and with the opposite of --recompute. The trainer's model reads
// `recompute`; it ends as the flags say.
void print_memory_prediction(Trainer& trainer, const FineTuneJob& job, const TrainingFlags& flags, bool& recompute) {
  recompute = true;
  const std::size_t recomputed = trainer.predict_peak_memory();
  recompute = false;
  const std::size_t plain = trainer.predict_peak_memory();
  recompute = flags.recompute;
  const std::size_t predicted = recompute ? recomputed : plain, other = recompute ? plain : recomputed;
  const DeviceMemory memory = cuda_memory();
  std::cout << "Predicted peak memory: " << memory_size_text(predicted) << " of " << memory_size_text(memory.total)
            << " on " << memory.device_name << std::endl;
  const auto blocks = static_cast<std::size_t>(job.model.table().blocks());
  const std::size_t saved = std::max(plain, recomputed) - recomputed;
  std::cout << (recompute ? "Without" : "With") << " --recompute: " << memory_size_text(other) << ", "
            << memory_size_text(saved / blocks) << (recompute ? " more" : " less") << " for each of " << blocks
            << " blocks" << std::endl;
  if (predicted > memory.total)
    std::cerr << "warning: the run will hardly fit into the memory of " << memory.device_name
              << memory_advice(flags.memory_savers(job.form.max_length)) << std::endl;
}

// The progress line tells how fast the run is, where the line is seen: the products of the model's blocks by a large
// product on this machine.
void show_share_of_peak(TrainReport& report, const Classifier& model, Device device) {
  const double flops = product_flops(model.table());
  if (!Progress::shown() || flops == 0) return;
  const auto weight = std::ranges::find(model.table().rows(), Role::kLinear, &ParameterRow::role);
  const double peak = peak_product_rate(device, weight->parameter.value().dtype());
  if (peak > 0) report.show_share_of(processes().world() * peak / flops);
}

// Throws UsageError if the task has no measure --keep_best.
void check_keep_best(const Task& task, const std::string& measure) {
  std::vector<std::string> known = qualities(task);
  if (measure.empty() || std::ranges::find(known, measure) != known.end()) return;
  const std::string near = did_you_mean(measure, known);
  std::string of_one;  // an example of the measures of one output
  std::erase_if(known, [&](const std::string& name) {
    const bool erased = name.find('.') != std::string::npos;
    if (erased && of_one.empty()) of_one = name;
    return erased;
  });
  throw UsageError(str_cat("--keep_best: there is no measure '", printable(measure), "'; the task has ", join(known),
                           of_one.empty() ? "" : ", and those of one output, as " + printable(of_one), near));
}

void print_best(const BestModel& kept, const TrainingFlags& flags) {
  if (kept.out_of_patience())
    std::cout << "Stopped early: " << flags.patience << " evaluations were not the best." << std::endl;
  if (const std::optional<BestValue> best = kept.best())
    std::printf("Best validation %s: %.4f, at step %06lld; the model is the one of that step.\n",
                printable(kept.measure()).c_str(), best->value, static_cast<long long>(best->step));
  else
    std::cerr << "warning: --keep_best " << kept.measure()
              << " was undefined at every evaluation; the model is the last one" << std::endl;
}

void warn_of_warmup(const LrSchedule& schedule) {
  if (schedule.warmup_steps > schedule.total_steps)
    std::cerr << "warning: --warmup_steps " << schedule.warmup_steps << " is more than the " << schedule.total_steps
              << " optimizer steps of the run: the learning rate rises only to "
              << schedule.at(schedule.total_steps - 1) << ", not to " << schedule.peak << std::endl;
}

void warn_of_padding(const FineTuneJob& job, const TrainingFlags& flags) {
  if (flags.group_by_length && !job.form.packed && !job.form.windows)
    std::cerr << "warning: --group_by_length saves no work: every text is padded to " << job.form.max_length
              << " tokens" << std::endl;
}

// Of a folder that may be missing.
std::uint64_t bytes_of_files(const fs::path& folder) {
  std::uint64_t out = 0;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return out;
  for (const std::string& name : files_of(folder.string()))
    if (const std::uintmax_t size = fs::file_size(folder / name, error); !error) out += size;
  return out;
}

// Checks before the run that its model and checkpoints can be saved. Throws IoError.
void check_output(const FineTuneJob& job, const TrainingFlags& flags, const NamedTexts& tokenizer) {
  const std::string checkpoints = checkpoints_folder(flags.output);
  for (const std::string& place : {flags.output, interrupted_folder(flags)}) check_model_folder(place, tokenizer);
  for (const std::string& below : {checkpoints, interrupted_folder(flags)})
    if (fs::exists(below) && !fs::is_directory(below))
      throw IoError(below, "is a file, where a folder is to be created");
  const auto model = static_cast<std::uint64_t>(parameter_count(job.model)) * sizeof(float);
  const auto trained = static_cast<std::uint64_t>(parameter_count(job.model, true)) * sizeof(float);
  // At most: values, and of what is trained two moments, the best values and the averages.
  const std::uint64_t copies = std::uint64_t{2} + (flags.keep_best.empty() ? 0 : 1) + (flags.ema_decay > 0 ? 1 : 0);
  const std::uint64_t checkpoint = model + copies * trained;
  // A new checkpoint is written before an old one is removed. Without --checkpoint_every, Ctrl-C writes one.
  const auto kept =
      static_cast<std::uint64_t>(flags.checkpoint_every > 0 ? std::max<std::int64_t>(flags.keep, 1) + 1 : 1);
  const std::uint64_t there = std::min(bytes_of_files(checkpoints), kept * checkpoint);
  check_room(flags.output, model + kept * checkpoint - there, checkpoint);
}

// Throws Error if --log_file is a file that the run reads or saves, which the log would overwrite.
void check_log_file(const FineTuneJob& job, const TrainingFlags& flags, const NamedTexts& tokenizer) {
  if (flags.log_file.empty()) return;
  std::vector<fs::path> others(job.more_inputs.begin(), job.more_inputs.end());
  for (const Dataset* split : {&job.train, &job.validation, &job.test}) others.emplace_back(split->name);
  for (const TokenizerFile& file : job.tokenizer.files()) others.emplace_back(file.path);
  others.emplace_back(flags.options_file);
  if (!flags.lora.adapter.empty())
    for (const char* name : kAdapterFiles) others.push_back(fs::path(flags.lora.adapter) / name);
  if (!flags.data.split_output.empty())
    for (const char* name : kSplitNames) others.push_back(fs::path(flags.data.split_output) / str_cat(name, ".csv"));
  std::vector<std::string> names = {"model.safetensors", "config.json", "run.json", kReportFile};
  for (const auto& [name, text] : tokenizer) names.push_back(name);
  for (const std::string& folder : {flags.model_dir, flags.output})
    for (const std::string& name : names)
      if (!folder.empty()) others.push_back(fs::path(folder) / name);
  if (flags.resume) others.push_back(find_checkpoint(flags.resume->empty() ? flags.output : *flags.resume));
  const fs::path log = fs::weakly_canonical(flags.log_file);
  if (!flags.output.empty())
    for (const std::string& kept : {checkpoints_folder(flags.output), interrupted_folder(flags)})
      CHECK(log.parent_path() != fs::weakly_canonical(kept), "--log_file ", flags.log_file,
            ": the run keeps its own files in ", kept);
  for (const Dataset* split : {&job.train, &job.validation, &job.test}) {
    if (!is_folder(split->name)) continue;
    const fs::path below = log.lexically_relative(fs::weakly_canonical(split->name));
    CHECK(*below.begin() == "..", "--log_file ", flags.log_file, ": the run reads the texts in ", split->name);
  }
  for (const fs::path& other : others) {
    std::error_code error;  // one of them need not exist
    CHECK(log != fs::weakly_canonical(other) && !fs::equivalent(log, other, error), "--log_file ", flags.log_file,
          ": the run reads or writes this file as ", other.string());
  }
}

// Saves the low-rank changes. An error waits until the rest of the run is done.
std::exception_ptr try_save_adapter(const FineTuneJob& job, const TrainingFlags& flags) {
  try {
    save_adapter(job, flags);
    return nullptr;
  } catch (const Error&) {
    return std::current_exception();
  }
}

// The exit code.
int train_and_save(const FineTuneJob& job, const TrainingFlags& flags, const NamedTexts& tokenizer, Trainer& trainer,
                   RunKeeper& keeper, TrainReport& report, Description& description) {
  bool finished =
      trainer.run(report, interrupted,
                  {flags.checkpoint_every, [&](const RunState& state) { keeper.save(state, report.state()); }});
  description.training_seconds = trainer.seconds();
  report.clear_progress();
  std::printf(finished ? "Training completed in %.2f minutes.\n" : "Training interrupted after %.2f minutes.\n",
              description.training_seconds / 60);
  if (const std::optional<BestEvaluation>& best = trainer.best())
    std::printf("Lowest validation loss: %.3f, at step %06lld.\n", best->validation_loss,
                static_cast<long long>(best->step));
  if (trainer.best_model() != nullptr) print_best(*trainer.best_model(), flags);
  std::fflush(stdout);

  if (processes().any(!flags.output.empty() || !flags.lora.adapter.empty())) trainer.check();
  const auto close = [&] { trainer.save_state([&](const RunState& state) { keeper.close(state, report.state()); }); };
  // The checkpoint of an interrupted run comes first: --resume needs it even if the model cannot be saved. If the disk
  // refuses it, the model, which is smaller, may still find room.
  std::string no_checkpoint;
  try {
    if (!finished) close();
  } catch (const IoError& error) {
    no_checkpoint = error.what();
  }
  trainer.use_result();
  if (!flags.output.empty()) {
    const std::string folder = finished ? flags.output : interrupted_folder(flags);
    try {
      save_model_folder(folder, job, flags, tokenizer);
    } catch (const IoError& error) {
      if (!no_checkpoint.empty()) throw Error(no_checkpoint + "; " + error.what());
      if (!keeper.can_go_on()) throw;
      throw Error(str_cat(error.what(), "; the model is not saved; ", kResume));
    }
    std::cout << "Saved to " << folder << std::endl;
    if (finished && flags.resume) remove_model(interrupted_folder(flags));
  }
  if (finished) {
    close();
    if (const BestModel* kept = trainer.best_model()) report.best(kept->measure(), kept->best());
  }
  if (!flags.output.empty()) write_run(job, flags, trainer, report, description, finished);
  if (!no_checkpoint.empty())
    throw Error(no_checkpoint + "; the model of the interrupted run is saved; " +
                (keeper.can_go_on() ? kResume : "--model_dir " + interrupted_folder(flags) + " begins from it"));
  const bool adapter = finished && !flags.lora.adapter.empty();
  const std::exception_ptr adapter_error = adapter ? try_save_adapter(job, flags) : nullptr;
  if (finished && (!flags.no_final_evaluation || flags.task.fit().any())) {
    finished = evaluate_finished_run(trainer, job, flags, report, description.page);
    if (finished && !flags.output.empty()) {
      if (!flags.no_report) description.page.explain_mistakes();
      write_run(job, flags, trainer, report, description, true);
    }
  }
  if (adapter_error) std::rethrow_exception(adapter_error);
  if (finished && flags.hooks != nullptr) flags.hooks->end(report.splits(), job.task.headlines());
  return finished ? 0 : kInterruptedExit;
}

int run_job(const FineTuneJob& job, const TrainingFlags& flags) {
  catch_interrupts(flags.output.empty() ? "the run ends after the current step; nothing is saved without --output"
                                        : "the run ends after the current step and saves a checkpoint in " +
                                              flags.output + " and its model in " + interrupted_folder(flags));
  const NamedTexts tokenizer = texts_of(job.tokenizer);
  if (flags.trains_lora())
    set_low_rank_trainable(job.model);
  else
    set_trainable(job.model, flags.layers());
  if (!flags.output.empty()) {
    warn_of_left_out(flags.command_line());
    check_output(job, flags, tokenizer);
    finish_interrupted_commit(interrupted_folder(flags));
  }
  check_log_file(job, flags, tokenizer);
  for (const Dataset* split : {&job.train, &job.validation, &job.test}) check_segments(job.model, *split);
  const std::unique_ptr<LockedFolder> adapter = lock_adapter(job, flags);
  std::cout << "Parameters: " << parameter_count(job.model)
            << ", of which trained: " << parameter_count(job.model, true) << std::endl;

  if (flags.hooks != nullptr) flags.hooks->begin(splits_of(job), config_digest(job, flags));
  check_keep_best(job.task, flags.keep_best);
  bool recompute = flags.recompute;
  const LogitsFn logits = [&](const TokenBatch& batch, ForwardPass pass) {
    pass.recompute = recompute;
    return job.model.forward(batch, pass);
  };
  // Without a folder nothing is saved, and these options have no meaning.
  const bool kept = !flags.output.empty() || flags.resume.has_value();
  if (!processes().alone()) check_same_run(shared_options(job, flags));
  RunKeeper keeper(flags, kept ? run_options(job, flags) : RunOptions{});
  const bool described = !flags.output.empty() || !flags.options_file.empty();
  const bool alone = processes().alone();
  const RunStart start{std::chrono::system_clock::now(), described || !alone ? weights_digest(job.model) : ""};
  if (!alone) check_same_run({{"weights of the model", start.weights}, {"checkpoint of --resume", keeper.digest()}});
  Description description{start, RunReport(job, flags)};
  flags.placement.place_model(job.model);
  const Device device = flags.placement.device();
  const bool between_gpus = device == Device::kCuda && !flags.shard_optimizer;
  DeviceExchange* const exchange = between_gpus ? exchange_of_gpus() : nullptr;
  Trainer trainer(job.model, logits, job.task, {job.train, job.validation, job.form, device, processes(), exchange},
                  flags.train_options(job.model));
  warn_of_warmup(trainer.schedule());
  warn_of_padding(job, flags);
  if (flags.shard_optimizer && !processes().alone()) print_share_of_state(trainer);
  if (flags.placement.device() == Device::kCuda) print_memory_prediction(trainer, job, flags, recompute);
  const std::string frozen = flags.resume && !flags.lora.adapter.empty() ? weights_digest(job.model, true) : "";
  keeper.restore(trainer);
  CHECK(frozen.empty() || frozen == weights_digest(job.model, true),
        "--save_adapter: the run that is resumed began with other pretrained weights than those of ", job.pretrained);
  if (!flags.options_file.empty()) warn_of_other_run(flags.options_file, splits_of(job), start);
  if (!flags.tensorboard.empty()) prepare_output_folder(flags.tensorboard);  // before an older log is emptied
  TrainReport report(flags.log_file, job.task, keeper.report());
  report.write_events(flags.tensorboard);
  report.show_memory_of(flags.placement.device());
  show_share_of_peak(report, job.model, flags.placement.device());
  if (flags.resume && flags.output.empty())
    std::cerr << "warning: without --output the model of this run is not saved" << std::endl;
  try {
    return train_and_save(job, flags, tokenizer, trainer, keeper, report, description);
  } catch (const NotFiniteError& error) {
    report.stopped(error);
    throw;
  }
}

}  // namespace

int fine_tune(const FineTuneJob& job, const TrainingFlags& flags) {
  try {
    return run_job(job, flags);
  } catch (const OutOfMemory& error) {
    throw OutOfMemory(error.what() + memory_advice(flags.memory_savers(job.form.max_length)));
  }
}

}  // namespace attune
