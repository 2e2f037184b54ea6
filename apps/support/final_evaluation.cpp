#include "apps/support/final_evaluation.h"

#include <array>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "apps/support/interrupt.h"
#include "apps/support/processes.h"
#include "apps/support/task_config.h"
#include "apps/support/validation_fit.h"
#include "models/adapter_folder.h"
#include "models/model_folder.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

struct Split {
  const char *title, *name;
  const Dataset& dataset;
  std::optional<Evaluation> result = {};
};

// The evaluation of a whole split; none if Ctrl-C came meanwhile.
std::optional<Evaluation> evaluate(Trainer& trainer, const Split& split, bool training) {
  Progress progress(split.title, 0);
  Evaluation out = trainer.evaluate_all(split.dataset, training, [&](std::int64_t done, std::int64_t total) {
    progress.update(done, "of " + std::to_string(total) + " batches");
    return !interrupted();
  });
  progress.clear();
  if (processes().any(interrupted())) return std::nullopt;
  return out;
}

// The fitted task. The saved model gets what was fitted.
std::unique_ptr<Task> fit(const FineTuneJob& job, const TrainingFlags& flags, const Split& validation,
                          TrainReport& report) {
  ValidationFit out = fit_to_validation(job.task, flags.task.fit(), validation.name, validation.result->logits,
                                        validation.result->labels, std::cout);
  if (flags.output.empty())
    std::cerr << "warning: without --output what was fitted to the validation split is not saved" << std::endl;
  else
    update_config(flags.output, json::read((fs::path(flags.output) / "config.json").string()), fitted_json(*out.task));
  report.fitted(out.record);
  return std::move(out.task);
}

// False if Ctrl-C came meanwhile.
bool evaluate_splits(Trainer& trainer, const FineTuneJob& job, const TrainingFlags& flags, TrainReport& report,
                     RunReport& page) {
  const bool fits = flags.task.fit().any();
  const auto show = [&](const Split& split, const Task& task) {
    report.split(split.title, split.name, *split.result);
    page.add(split.name, *split.result, task);
  };
  std::array splits = {Split{"Training", "train", job.train}, Split{"Validation", "validation", job.validation},
                       Split{"Test", "test", job.test}};
  for (Split& split : splits) {
    const bool validation = &split.dataset == &job.validation;
    if (flags.no_final_evaluation && !validation) continue;
    split.result = evaluate(trainer, split, &split.dataset == &job.train);
    if (!split.result) return false;
    if (!fits) show(split, job.task);
  }
  if (!fits) return true;
  const std::unique_ptr<Task> task = fit(job, flags, splits[1], report);
  if (flags.no_final_evaluation) return true;
  for (Split& split : splits) {
    split.result->measures = task->measure(split.result->logits, split.result->labels);
    show(split, *task);
  }
  return true;
}

}  // namespace

bool evaluate_finished_run(Trainer& trainer, const FineTuneJob& job, const TrainingFlags& flags, TrainReport& report,
                           RunReport& page) {
  const char* without = flags.task.fit().any() ? ", and nothing is fitted" : "";
  catch_interrupts(str_cat("the evaluation ends", without, flags.output.empty() ? "" : "; the model is saved"));
  std::cout << (flags.no_final_evaluation ? "\nEvaluating on the validation split ...\n"
                                          : "\nEvaluating on the full datasets ...\n")
            << std::endl;
  try {
    return evaluate_splits(trainer, job, flags, report, page);
  } catch (const NotFiniteError& error) {
    if (!flags.lora.adapter.empty())
      for (const char* name : kAdapterFiles) fs::remove(fs::path(flags.lora.adapter) / name);
    if (flags.output.empty()) throw;
    remove_model(flags.output);
    throw NotFiniteError(str_cat(error.what(), "; the model is removed from ", flags.output), error.step(),
                         error.tensor());
  }
}

}  // namespace attune
