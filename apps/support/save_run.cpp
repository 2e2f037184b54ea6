#include "apps/support/save_run.h"

#include <exception>
#include <filesystem>
#include <iostream>

#include "apps/support/input_form.h"
#include "apps/support/task_config.h"
#include "engine/tensor/context.h"
#include "models/hf_config.h"
#include "models/model_folder.h"
#include "models/weights.h"

namespace attune {

json::Value config_of(const FineTuneJob& job, const TrainingFlags& flags) {
  json::Value config = job.model.hf_config();
  set_label_names(config, job.label_names);
  config.merge(task_json(job.task));
  config.merge(batch_form_json(job.form));
  config.merge(pairs_json(!flags.data.columns.pair.empty()));
  return config;
}

Splits splits_of(const FineTuneJob& job) {
  return {{"train", &job.train}, {"validation", &job.validation}, {"test", &job.test}};
}

std::string interrupted_folder(const TrainingFlags& flags) {
  return (std::filesystem::path(flags.output) / "interrupted").string();
}

void save_model_folder(const std::string& folder, const FineTuneJob& job, const TrainingFlags& flags,
                       const NamedTexts& tokenizer) {
  create_folders(folder);
  const auto write = [&](AtomicFile& file, const Metadata& metadata) { save_weights(job.model, file, metadata); };
  model_files(folder, config_of(job, flags), tokenizer, write).commit();
}

void write_run(const FineTuneJob& job, const TrainingFlags& flags, const Trainer& trainer, const TrainReport& report,
               const Description& description, bool finished) {
  const std::string folder = finished ? flags.output : interrupted_folder(flags);
  const RunSummary run{.command_line = flags.command_line(),
                       .taken = job.taken,
                       .splits = splits_of(job),
                       .start = description.start,
                       .parameters = parameter_count(job.model),
                       .trained_parameters = parameter_count(job.model, true),
                       .steps = trainer.steps(),
                       .device = flags.placement.device() == Device::kCuda ? cuda_memory().device_name : "cpu",
                       .training_seconds = description.training_seconds,
                       .measures = report.splits(),
                       .fitted = report.fitted()};
  const auto attempt = [](const auto& write) {
    try {
      write();
    } catch (const std::exception& error) {  // std::bad_alloc, for one
      std::cerr << "warning: " << error.what() << "; the run goes on without this file" << std::endl;
    }
  };
  attempt([&] { write_run_file(folder, run); });
  if (!flags.no_report)
    attempt([&] { description.page.write(folder, run, report.history().curves(), trainer.best_model(), finished); });
}

}  // namespace attune
