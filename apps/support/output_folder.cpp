#include "apps/support/output_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "base/check.h"
#include "base/join.h"
#include "base/printable.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/train/checkpoints.h"
#include "json/value.h"
#include "models/model_folder.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxNames = 3;
constexpr std::array<std::string_view, 8> kUsualEnds = {".log", ".out", ".err",   ".txt",
                                                        ".csv", ".tsv", ".jsonl", ".ndjson"};
constexpr std::array<std::string_view, 6> kHarmless = {"checkpoints", "interrupted", "seeds.json",
                                                       ".DS_Store",   ".gitkeep",    ".gitignore"};

// Whether a file can be read, and says that attune wrote it.
template <class Says>
bool says(const fs::path& path, Says says) {
  try {
    return fs::is_regular_file(path) && says(path.string());
  } catch (const Error&) {
    return false;
  }
}

bool is_own(const fs::path& folder) {
  return says(folder / "config.json",
              [](const std::string& path) {
                bool found = false;
                json::read(path).for_each(
                    [&](const std::string& key, const json::Value&) { found |= key.starts_with("attune_"); });
                return found;
              }) ||
         says(folder / "run.json", [](const std::string& path) { return json::read(path).has("attune"); }) ||
         says(folder / "seeds.json", [](const std::string& path) { return json::read(path).has("attune"); }) ||
         has_checkpoint(checkpoints_folder(folder.string())) ||
         says(folder / "model.safetensors",
              [](const std::string& path) { return SafetensorsFile(path).metadata().contains("attune_save"); });
}

// Whether `inner` is `outer` or lies below it.
bool contains(const fs::path& outer, const std::string& inner) {
  if (inner.empty()) return false;
  const fs::path below = fs::weakly_canonical(inner).lexically_relative(fs::weakly_canonical(outer));
  return !below.empty() && *below.begin() != "..";
}

bool is_harmless(const fs::path& path, const std::vector<std::string>& own) {
  const std::string name = path.filename().string(), end = path.extension().string();
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  const bool model = name == "config.json" || name == "model.safetensors" || name == "run.json";
  if ((!model || folder) && is_model_file(name)) return true;  // a folder in its place is refused before the run
  if (std::ranges::find(kHarmless, name) != kHarmless.end() || name.starts_with("events.out.tfevents") ||
      name.starts_with("seed-"))
    return true;
  if (std::ranges::find(kUsualEnds, end) != kUsualEnds.end() && !folder) return true;
  return std::ranges::any_of(own, [&](const std::string& other) { return contains(path, other); });
}

}  // namespace

void check_output_folder(const std::string& folder, const std::vector<std::string>& own) {
  if (is_own(folder)) return;
  std::vector<std::string> foreign;
  for (const std::string& name : files_of(folder))
    if (!is_harmless(fs::path(folder) / name, own)) foreign.push_back(printable(name));
  if (foreign.empty()) return;
  std::ranges::sort(foreign);
  const std::size_t more = foreign.size() - std::min(foreign.size(), kMaxNames);
  foreign.resize(foreign.size() - more);
  throw Error(str_cat("--output ", folder, ": has ", join(foreign), more > 0 ? str_cat(" and ", more, " more") : "",
                      ", which attune did not write; name a new or empty folder, or one with a model of attune"));
}

}  // namespace attune
