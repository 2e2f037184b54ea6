#include "apps/support/run_file.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <set>

#include "apps/support/command_line.h"
#include "apps/support/version.h"
#include "base/check.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "engine/io/files.h"

namespace attune {
namespace {

constexpr std::size_t kWholePath = 65536;  // bytes

std::string utc_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// The processor's name as Linux gives it; empty if it does not.
std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name"))
      if (const auto at = line.find(": "); at != std::string::npos) return printable(line.substr(at + 2));
  return "";
}

}  // namespace

void warn_of_left_out(const CommandLine& command_line) {
  for (const auto& [name, value] : command_line.values())
    if (utf8_error(value))
      std::cerr << "warning: run.json leaves out " << name << ", whose value is not UTF-8" << std::endl;
}

OptionValues used_options(const RunSummary& run) {
  OptionValues out = run.command_line.values();
  for (auto& [name, value] : out)
    for (const auto& [taken, of_folder] : run.taken)
      if (name == taken) value = of_folder;
  return out;
}

json::Value run_json(const RunSummary& run) {
  json::Value options = json::Value::object(), taken = json::Value::object(), data = json::Value::object();
  for (const auto& [name, value] : run.command_line.values())
    if (!utf8_error(value)) options.set(name, value);
  for (const auto& [name, value] : run.taken) taken.set(name, value);
  for (const auto& [name, split] : run.splits)
    data.set(name, json::Value::object({{"examples", split->size()}, {"digest", split->digest}}));
  const std::chrono::duration<double> all = std::chrono::system_clock::now() - run.start.time;
  return json::Value::object(
      {{"attune", built_version()},
       {"commit", built_commit()},
       {"program", run.command_line.name()},
       {"folder", printable(std::filesystem::current_path().string(), kWholePath)},
       {"options", options},
       {"taken", taken},
       {"data", data},
       {"weights", run.start.weights},
       {"parameters", run.parameters},
       {"trained_parameters", run.trained_parameters},
       {"steps", run.steps},
       {"measures", run.measures},
       {"fitted", run.fitted},
       {"begin", utc_text(run.start.time)},
       {"seconds", all.count()},
       {"training_seconds", run.training_seconds},
       {"machine",
        json::Value::object({{"processor", processor_name()}, {"threads", num_threads()}, {"device", run.device}})}});
}

void write_run_file(const std::string& folder, const RunSummary& run) {
  write_file(folder + "/run.json", run_json(run).dump(2) + "\n");
}

OptionValues options_of_run(const std::string& file, const std::string& program) {
  // What the earlier run has written, and what only it can mean.
  static const std::set<std::string> once = {"--options",          "--without",      "--resume",       "--output",
                                             "--log_file",         "--save_adapter", "--split_output", "--tensorboard",
                                             "--checkpoint_every", "--keep"};
  const json::Value run = json::read(file);
  CHECK(!run.has("seeds"), file, ": describes several runs; each has a run.json in its folder");
  const std::string& written = run["program"].string();
  CHECK(written == program, file, ": has the options of ", printable(written), ", not of ", program);
  if (const std::string version = run.string_or("attune", ""); version != built_version())
    std::cerr << "warning: " << file << ": is of attune " << (version.empty() ? "?" : printable(version))
              << ", and this is " << built_version() << ": equal options may give other numbers" << std::endl;
  static const std::set<std::string> paths = {"--data",      "--train",     "--validation", "--test",
                                              "--tokenizer", "--model_dir", "--config"};
  const std::filesystem::path folder = run.string_or("folder", "");
  // With --train, --data is the default, which says nothing.
  const bool of_train = !run["options"].string_or("--train", "").empty();
  OptionValues out;
  run["options"].for_each([&](const std::string& name, const json::Value& value) {
    const std::string& text = value.string();
    const bool moved = paths.contains(name) && !text.empty() && folder != std::filesystem::current_path();
    if (!once.contains(name) && !(of_train && name == "--data"))
      out.emplace_back(name, moved ? (folder / text).lexically_normal().string() : text);
  });
  return out;
}

void warn_of_other_run(const std::string& file, const Splits& splits, const RunStart& start) {
  const json::Value run = json::read(file);
  const auto warn = [&](const std::string& what) {
    std::cerr << "warning: the " << what << " are not those of the run of " << printable(file)
              << ": this run is another one" << std::endl;
  };
  if (const std::optional<json::Value> data = run.find("data"))
    for (const auto& [name, split] : splits)
      if (const std::optional<json::Value> before = data->find(name);
          before && before->string_or("digest", split->digest) != split->digest)
        warn(name + " examples");
  if (run.string_or("weights", start.weights) != start.weights) warn("starting weights");
}

}  // namespace attune
