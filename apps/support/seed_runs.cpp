#include "apps/support/seed_runs.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "apps/support/command_line.h"
#include "apps/support/processes.h"
#include "apps/support/run_keeper.h"
#include "apps/support/text_table.h"
#include "apps/support/version.h"
#include "base/printable.h"
#include "base/whole_number.h"
#include "engine/io/files.h"
#include "engine/train/checkpoints.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSeeds = 1000;
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

std::string name_of(std::uint64_t seed) {
  return str_cat("seed-", seed);
}

// A folder or file of a run: below the folder, or in the name of the file.
std::string folder_of(const std::string& folder, std::uint64_t seed) {
  return (fs::path(folder) / name_of(seed)).string();
}
std::string file_of(const std::string& file, std::uint64_t seed) {
  const fs::path path = file;
  return (path.parent_path() / str_cat(path.stem().string(), "-", name_of(seed), path.extension().string())).string();
}

// Options that would do nothing, or mean something else.
void check_flags(const TrainingFlags& flags) {
  if (flags.no_final_evaluation)
    throw UsageError("--seeds compares the final evaluations of the runs, and --no_final_evaluation makes none");
  if (flags.resume && !flags.resume->empty())
    throw UsageError("--seeds goes on with the runs of --output: --resume has no value then");
  if (flags.resume && flags.output.empty())
    throw UsageError("--resume with --seeds needs --output: the folder of the runs");
}

constexpr std::pair<const char*, const char*> kSplitTitles[] = {
    {"train", "Training"}, {"validation", "Validation"}, {"test", "Test"}};

std::string text_of(double value, bool percent) {
  if (std::isnan(value)) return "undefined";
  char out[64];
  std::snprintf(out, sizeof out, percent ? "%.2f%%" : "%.4f", percent ? 100 * value : value);
  return out;
}

using Runs = decltype(SeedRecord::runs);

Spread spread_of_runs(const Runs& runs, const char* split, const std::string& measure) {
  std::vector<double> values;
  for (const auto& [seed, measures] : runs) {
    const std::optional<json::Value> of_split = measures.find(split);
    values.push_back(of_split ? of_split->number_or(measure, kUndefined) : kUndefined);
  }
  return spread_of(values);
}

// Reads a seed and adds it to the earlier ones. Throws Error if it is one of them.
std::uint64_t read_new_seed(const json::Value& value, std::set<std::uint64_t>& earlier) {
  const std::uint64_t seed = value.unsigned_integer();
  if (!earlier.insert(seed).second) value.fail(str_cat("the seed ", seed, " occurs twice"));
  return seed;
}

// The runs that are finished, and what they have in common: the contents of seeds.json.
class SeedRuns {
 public:
  SeedRuns(const TrainingFlags& flags, std::vector<std::uint64_t> seeds) : flags_(flags), seeds_(std::move(seeds)) {
    for (auto& [name, value] : flags.deciding_options())
      if (name != "--seeds") options_.emplace_back(name, value);
    if (flags_.output.empty()) return;
    if (flags_.resume)
      read();
    else
      refuse_unfinished();
  }

  const std::vector<std::uint64_t>& seeds() const { return seeds_; }
  bool finished(std::uint64_t seed) const {
    return std::ranges::any_of(runs_, [&](const auto& run) { return run.first == seed; });
  }
  RunHooks hooks(std::uint64_t seed) {
    return {.begin = [this](const Splits& splits, const std::string& model) { begin(splits, model); },
            .end =
                [this, seed](const json::Value& measures, const std::vector<Headline>& headlines) {
                  measured_.clear();
                  for (const Headline& h : headlines)
                    measured_.push_back({std::string(h.measure), std::string(h.title), h.percent});
                  runs_.emplace_back(seed, measures);
                  write();
                }};
  }
  std::string table() const;
  void write() const;

 private:
  std::string path() const { return (fs::path(flags_.output) / "seeds.json").string(); }
  void read();
  void refuse_unfinished() const;
  // A command that fails before it has read its data leaves the file as it was.
  void begin(const Splits& splits, const std::string& model);

  const TrainingFlags& flags_;
  std::vector<std::uint64_t> seeds_;
  std::vector<std::pair<std::string, std::string>> options_;
  // Digests of the splits and of the model's config; empty: not known yet.
  std::vector<std::pair<std::string, std::string>> data_;
  std::vector<SeedMeasure> measured_;
  Runs runs_, other_runs_;  // other_runs_: of seeds that an earlier command had and this one has not
};

void SeedRuns::read() {
  SeedRecord in = read_seed_record(path(), flags_.command_line().name());
  for (const auto& [name, value] : options_) {
    const auto found = std::ranges::find(in.options, name, [](const auto& option) { return option.first; });
    const std::string before = found == in.options.end() ? "" : found->second;
    CHECK(same_value(value, before),
          difference_of_options(name, value, before, str_cat("the runs of ", path(), " were")));
  }
  data_ = std::move(in.data);
  measured_ = std::move(in.measures);
  for (auto& run : in.runs) {
    const bool asked_for = std::ranges::find(seeds_, run.first) != seeds_.end();
    (asked_for ? runs_ : other_runs_).push_back(std::move(run));
  }
}

void SeedRuns::refuse_unfinished() const {
  const char* what = "--resume goes on with them; otherwise remove the folder";
  if (fs::exists(path())) {
    const SeedRecord in = read_seed_record(path(), flags_.command_line().name());
    CHECK(in.runs.size() >= in.seeds, path(), ": ", in.runs.size(), " of ", in.seeds, " runs are finished: ", what);
  }
  for (const std::uint64_t seed : seeds_) {
    const std::string checkpoints = checkpoints_folder(folder_of(flags_.output, seed));
    CHECK(!has_checkpoint(checkpoints) || read_run_state(find_checkpoint(checkpoints)).finished, checkpoints,
          ": has the checkpoints of a run that is not finished: remove the folder");
  }
}

void SeedRuns::begin(const Splits& splits, const std::string& model) {
  std::vector<std::pair<std::string, std::string>> now;
  for (const auto& [name, split] : splits) now.emplace_back(name, split->digest);
  now.emplace_back("config and input form of the model", model);
  for (std::size_t i = 0; i < data_.size() && i < now.size(); ++i)
    CHECK(data_[i] == now[i], "the ", now[i].first, i < splits.size() ? " examples" : "",
          " are not those of the other runs of --seeds");
  data_ = now;
  write();
}

void SeedRuns::write() const {
  if (flags_.output.empty()) return;
  json::Value options = json::Value::object(), data = json::Value::object(), headlines = json::Value::array(),
              runs = json::Value::array(), summary = json::Value::object();
  for (const auto& [name, value] : options_) options.set(name, value);
  for (const auto& [name, digest] : data_) data.set(name, digest);
  for (const SeedMeasure& m : measured_)
    headlines.push_back(json::Value::object({{"measure", m.name}, {"title", m.title}, {"percent", m.percent}}));
  Runs all = runs_;
  all.insert(all.end(), other_runs_.begin(), other_runs_.end());
  for (const auto& [seed, measures] : all)
    runs.push_back(json::Value::object({{"seed", seed}, {"measures", measures}}));
  std::vector<std::uint64_t> seeds = seeds_;
  for (const auto& [seed, measures] : other_runs_) seeds.push_back(seed);
  for (const auto& [split, title] : kSplitTitles) {
    json::Value of_split = json::Value::object();
    for (const SeedMeasure& m : measured_) {
      const Spread s = spread_of_runs(all, split, m.name);
      of_split.set(
          m.name,
          json::Value::object({{"mean", s.mean}, {"standard_deviation", s.deviation}, {"min", s.min}, {"max", s.max}}));
    }
    summary.set(split, of_split);
  }
  write_file(path(), json::Value::object({{"attune", built_version()},
                                          {"program", flags_.command_line().name()},
                                          {"seeds", json::Value::array_of(seeds)},
                                          {"options", options},
                                          {"data", data},
                                          {"headlines", headlines},
                                          {"runs", runs},
                                          {"summary", summary}})
                             .dump(2) +
                         "\n");
}

std::string SeedRuns::table() const {
  TableLines lines = {{str_cat("Runs: ", runs_.size()), "mean", "standard deviation", "min", "max"}};
  for (const auto& [split, title] : kSplitTitles)
    for (const SeedMeasure& m : measured_) {
      const Spread s = spread_of_runs(runs_, split, m.name);
      lines.push_back({str_cat(title, " ", m.title), text_of(s.mean, m.percent), text_of(s.deviation, m.percent),
                       text_of(s.min, m.percent), text_of(s.max, m.percent)});
    }
  return table_text(lines);
}

// What all processes must have in common before the first run.
std::vector<std::pair<std::string, std::string>> options_of_all(const TrainingFlags& flags) {
  std::vector<std::pair<std::string, std::string>> out = flags.deciding_options();
  out.emplace_back("--resume", flags.resume.has_value() ? "true" : "false");
  return out;
}

// Whether the run with a seed goes on from a checkpoint; one that was killed before its first begins again. On all
// processes what the one finds that writes them.
bool run_goes_on(const TrainingFlags& flags, std::uint64_t seed) {
  const bool may = flags.resume && !flags.output.empty();
  return processes().any(leads() && may && has_checkpoint(checkpoints_folder(folder_of(flags.output, seed))));
}

// The command line of the run with a seed.
std::vector<std::string> arguments_of(const TrainingFlags& flags, const std::vector<std::string>& given,
                                      std::uint64_t seed, bool first) {
  std::set<std::string> left_out = {"--seeds", "--resume"};
  if (!first) left_out.insert("--split_output");  // the same files
  std::vector<std::string> out = flags.command_line().arguments_without(given, left_out);
  out.push_back(str_cat("--seed=", seed));
  if (!flags.data.train.empty()) out.push_back(str_cat("--split_seed=", flags.data.split_seed_or(flags.seed)));
  if (!flags.log_file.empty()) out.push_back("--log_file=" + file_of(flags.log_file, seed));
  if (!flags.tensorboard.empty()) out.push_back("--tensorboard=" + folder_of(flags.tensorboard, seed));
  if (!flags.lora.adapter.empty()) out.push_back("--save_adapter=" + folder_of(flags.lora.adapter, seed));
  if (flags.output.empty()) return out;
  const std::string folder = folder_of(flags.output, seed);
  out.push_back("--output=" + folder);
  if (run_goes_on(flags, seed)) out.emplace_back("--resume");
  return out;
}

}  // namespace

std::vector<std::uint64_t> seed_list(const std::string& text) {
  const auto refuse = [&](const std::string& what) { throw UsageError("--seeds " + printable(text) + ": " + what); };
  std::vector<std::uint64_t> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string item = text.substr(at, end - at);
    const std::size_t dots = item.find("..");
    const std::optional<std::uint64_t> from = whole_number<std::uint64_t>(item.substr(0, dots)),
                                       to = dots == std::string::npos
                                                ? from
                                                : whole_number<std::uint64_t>(item.substr(dots + 2));
    if (!from || !to) refuse("is no list of seeds, as 1..5 or 1,2,7");
    if (*from > *to) refuse(str_cat(*from, " is above ", *to));
    if (*to - *from >= kMaxSeeds || out.size() + (*to - *from) >= kMaxSeeds)
      refuse(str_cat("has more than ", kMaxSeeds, " seeds"));
    for (std::uint64_t i = 0; i <= *to - *from; ++i) {
      if (std::ranges::find(out, *from + i) != out.end()) refuse(str_cat("has the seed ", *from + i, " twice"));
      out.push_back(*from + i);
    }
    at = end + 1;
  }
  return out;
}

Spread spread_of(const std::vector<double>& values) {
  if (values.empty() || std::ranges::any_of(values, [](double x) { return std::isnan(x); }))
    return {kUndefined, kUndefined, kUndefined, kUndefined};
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double x : values) sum += x;
  for (const double x : values) squares += (x - sum / n) * (x - sum / n);
  const auto [min, max] = std::ranges::minmax(values);
  return {sum / n, n > 1 ? std::sqrt(squares / (n - 1)) : kUndefined, min, max};
}

SeedRecord read_seed_record(const std::string& path, const std::string& program) {
  const json::Value in = json::read(path);
  const std::string of_program = in["program"].string(), version = in["attune"].string();
  CHECK(of_program == program, path, ": has the runs of ", printable(of_program));
  CHECK(version == built_version(), path, ": was made by attune ", printable(version), "; this is ", built_version());
  SeedRecord out;
  std::set<std::uint64_t> seeds, finished;
  for (const json::Value& seed : in["seeds"].items()) read_new_seed(seed, seeds);
  out.seeds = seeds.size();
  const auto read_texts = [&](const char* key, auto& texts) {
    in[key].for_each(
        [&](const std::string& name, const json::Value& text) { texts.emplace_back(name, text.string()); });
  };
  read_texts("options", out.options);
  read_texts("data", out.data);
  for (const json::Value& h : in["headlines"].items())
    out.measures.push_back({h["measure"].string(), h["title"].string(), h["percent"].boolean()});
  for (const json::Value& run : in["runs"].items())
    out.runs.emplace_back(read_new_seed(run["seed"], finished), run["measures"]);
  // A measure that is no number would be found only when the next run is finished.
  for (const auto& [split, title] : kSplitTitles)
    for (const SeedMeasure& m : out.measures) (void)spread_of_runs(out.runs, split, m.name);
  return out;
}

int train_seeds(const TrainingFlags& flags, const std::vector<std::string>& arguments, const OneRun& run) {
  const std::vector<std::uint64_t> seeds = seed_list(flags.seeds);
  check_flags(flags);
  join_launched(flags.threads, flags.peer_timeout, flags.placement.device());
  if (!processes().alone()) check_same_run(options_of_all(flags));
  TrainingFlags own = flags;
  if (!leads()) own.output = "";  // only the first process writes
  const std::unique_ptr<LockedFolder> output = own.lock_output();
  SeedRuns runs(own, seeds);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    std::cout << (i == 0 ? "" : "\n") << "Seed " << seeds[i] << " (" << i + 1 << " of " << seeds.size() << ")";
    if (processes().any(runs.finished(seeds[i]))) {
      std::cout << ": finished before" << std::endl;
      continue;
    }
    std::cout << std::endl;
    const RunHooks hooks = runs.hooks(seeds[i]);
    const int code = run(arguments_of(flags, arguments, seeds[i], i == 0), hooks);
    if (code != 0) return code;
    CHECK(runs.finished(seeds[i]), "the run of seed ", seeds[i], " has no measures");
  }
  runs.write();
  std::cout << "\n" << runs.table();
  if (!flags.output.empty()) std::cout << "Saved to " << (fs::path(flags.output) / "seeds.json").string() << std::endl;
  return 0;
}

}  // namespace attune
