#include "apps/support/adapter.h"

#include <filesystem>
#include <iostream>

#include "engine/io/files.h"
#include "models/adapter_folder.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::unique_ptr<LockedFolder> lock_adapter(const FineTuneJob& job, const TrainingFlags& flags) {
  if (flags.lora.adapter.empty()) return nullptr;
  if (job.pretrained.empty())
    throw UsageError("--save_adapter needs a pretrained model: the changes alone are no model");
  const fs::path folder = fs::weakly_canonical(flags.lora.adapter);
  const auto is = [](const std::string& path, const fs::path& other) {
    return !path.empty() && fs::weakly_canonical(path) == other;
  };
  if (is(flags.output, folder) || fs::exists(folder / "config.json") || fs::exists(folder / "model.safetensors"))
    throw UsageError("--save_adapter " + flags.lora.adapter + " is the folder of a whole model; name another one");
  if (is(flags.output, fs::weakly_canonical(job.pretrained)))
    throw UsageError("--save_adapter needs the model that it belongs to, which --output " + flags.output +
                     " would replace; name another folder");
  for (const char* name : kAdapterFiles) check_replaceable((folder / name).string());
  auto out = std::make_unique<LockedFolder>(flags.lora.adapter);
  check_room(flags.lora.adapter, static_cast<std::uint64_t>(parameter_count(job.model, true)) * sizeof(float), 0);
  return out;
}

void save_adapter(const FineTuneJob& job, const TrainingFlags& flags) {
  create_folders(flags.lora.adapter);
  const std::string base = job.repository.empty() ? fs::absolute(job.pretrained).string() : job.repository;
  adapter_files(job.model, flags.lora.adapter, base).commit();
  std::cout << "Saved the low-rank changes to " << flags.lora.adapter << std::endl;
}

}  // namespace attune
