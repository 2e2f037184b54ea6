#include "apps/support/adapter.h"

#include <filesystem>
#include <iostream>

#include "engine/io/files.h"
#include "engine/io/sha256.h"
#include "models/adapter_folder.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

}  // namespace

void check_adapter(const FineTuneJob& job, const TrainingFlags& flags) {
  if (job.pretrained.empty())
    throw UsageError("--save_adapter needs a pretrained model: the changes alone are no model");
  const fs::path folder = fs::weakly_canonical(flags.lora.adapter);
  for (const std::string& other : {flags.output, job.pretrained})
    if (!other.empty() && fs::weakly_canonical(other) == folder)
      throw UsageError("--save_adapter " + flags.lora.adapter + " is the folder of a whole model; name another one");
  for (const char* name : kAdapterFiles) check_replaceable((folder / name).string());
  prepare_output_folder(flags.lora.adapter);
  check_room(flags.lora.adapter, static_cast<std::uint64_t>(parameter_count(job.model, true)) * sizeof(float), 0);
}

void save_adapter(const FineTuneJob& job, const TrainingFlags& flags) {
  create_folders(flags.lora.adapter);
  const std::string base = job.repository.empty() ? fs::absolute(job.pretrained).string() : job.repository;
  adapter_files(job.model, flags.lora.adapter, base).commit();
  std::cout << "Saved the low-rank changes to " << flags.lora.adapter << std::endl;
}

std::string frozen_digest(const Classifier& model) {
  Sha256 digest;
  for (const auto& [name, parameter] : parameters_of(model)) {
    if (parameter.requires_grad()) continue;
    const Tensor values = parameter.exact().to(Device::kCpu);
    digest.update({static_cast<const std::byte*>(values.raw()), values.bytes()});
  }
  return digest.hex();
}

}  // namespace attune
