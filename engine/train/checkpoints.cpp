#include "engine/train/checkpoints.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/io/files.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr char kLatest[] = "latest";

std::string name_of_step(std::int64_t step) {
  char text[48];
  std::snprintf(text, sizeof(text), "step-%08lld.safetensors", static_cast<long long>(step));
  return text;
}

// The step in a file name; -1 if it is not the name of a checkpoint.
std::int64_t step_of_name(const std::string& name) {
  long long step = -1;
  return std::sscanf(name.c_str(), "step-%lld", &step) == 1 && step >= 0 && name == name_of_step(step) ? step : -1;
}

// Steps of all checkpoints in a folder, in order.
std::vector<std::int64_t> steps_in(const std::string& folder) {
  std::vector<std::int64_t> out;
  for (const std::string& name : files_of(folder))
    if (const std::int64_t step = step_of_name(name); step >= 0) out.push_back(step);
  std::ranges::sort(out);
  return out;
}

std::string in(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

}  // namespace

Checkpoints::Checkpoints(std::string folder) : folder_(std::move(folder)) {}

void Checkpoints::save(const RunState& state, std::int64_t keep) {
  CHECK(keep >= 1, "at least one checkpoint must be kept, not ", keep);
  const std::string name = name_of_step(state.step);
  write_run_state(in(folder(), name), state);
  write_file(in(folder(), kLatest), name + "\n");
  std::vector<std::int64_t> steps = steps_in(folder());
  const auto later = std::ranges::upper_bound(steps, state.step);
  const auto old = std::max<std::int64_t>(later - steps.begin() - keep, 0);
  std::error_code error;  // a file that cannot be removed does no harm
  for (auto at = steps.begin(); at != steps.end(); ++at)
    if (at >= later || at - steps.begin() < old) fs::remove(in(folder(), name_of_step(*at)), error);
}

void Checkpoints::clear() {
  std::error_code error;
  fs::remove(in(folder(), kLatest), error);
  for (const std::int64_t step : steps_in(folder())) fs::remove(in(folder(), name_of_step(step)), error);
  rmdir(folder().c_str());
}

std::string checkpoints_folder(const std::string& output) {
  return in(output, "checkpoints");
}

bool has_checkpoint(const std::string& folder) {
  const std::string latest = in(folder, kLatest);
  std::error_code error;
  const bool found = fs::exists(latest, error);
  if (error) throw IoError(latest, "cannot be examined: " + error.message());
  return found;
}

std::string find_checkpoint(const std::string& where) {
  if (fs::path(where).filename() == kLatest)
    return find_checkpoint((fs::path(where) / "..").lexically_normal().string());
  if (!is_folder(where)) {
    if (!fs::exists(where)) throw IoError(where, "there is no such checkpoint");
    return where;
  }
  const std::string folder = has_checkpoint(where) ? where : checkpoints_folder(where);
  if (!has_checkpoint(folder)) throw IoError(where, "no checkpoint has been saved there");
  const std::string pointer = in(folder, kLatest);
  std::string name = read_file(pointer);
  if (name.ends_with('\n')) name.pop_back();
  if (step_of_name(name) < 0) throw IoError(pointer, "does not name a checkpoint");
  if (!fs::exists(in(folder, name))) throw IoError(pointer, "names " + name + ", which is not there");
  return in(folder, name);
}

}  // namespace attune
