#include "apps/support/run_report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <utility>

#include "apps/report/scale.h"
#include "apps/support/command_line.h"
#include "apps/support/integrated_gradients.h"
#include "apps/support/interrupt.h"
#include "apps/support/percent.h"
#include "apps/support/prediction_figures.h"
#include "apps/support/progress.h"
#include "apps/support/run_keeper.h"
#include "apps/support/text_facts.h"
#include "apps/support/texts_again.h"
#include "base/printable.h"
#include "engine/io/files.h"
#include "engine/train/best_model.h"

namespace attune {
namespace {

constexpr int kExplanationSteps = 8;                                 // passes forward and backward for each text
constexpr std::int64_t kMaxExplainedTokens = std::int64_t{1} << 15;  // in all passes
constexpr std::size_t kMaxCommand = 8000;

// A file with its folder.
std::string short_path(const std::string& path) {
  const std::filesystem::path whole = path;
  return (whole.parent_path().filename() / whole.filename()).string();
}

// As one would type it for a POSIX shell.
std::string shell_quoted(const std::string& argument) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./=:,+@%-";
  if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) return argument;
  std::string out = "'";
  for (const char c : argument) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string command_of(const CommandLine& line) {
  std::string out;
  for (const std::string& argument : line.arguments()) out += (out.empty() ? "" : " ") + shell_quoted(argument);
  return out;
}

std::vector<PageOption> options_of(const RunSummary& run) {
  const OptionValues values = used_options(run), given = run.command_line.values(),
                     defaults = run.command_line.defaults();
  std::vector<PageOption> out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& [name, value] = values[i];
    const bool taken = value != given[i].second;  // from the model's folder, in place of the default
    const std::string& standard = taken ? value : defaults[i].second;
    out.push_back({name, same_value(value, standard) ? standard : value, standard});
  }
  return out;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (seconds < 60) return str_cat(std::round(seconds * 10) / 10, " s");
  if (whole < 3600) return str_cat(whole / 60, " min ", whole % 60, " s");
  return str_cat(whole / 3600, " h ", whole / 60 % 60, " min");
}

std::string headline_number(const Headline& headline, double value) {
  if (std::isnan(value)) return "undefined";
  return headline.percent ? percent_text(value) : str_cat(std::round(value * 1e4) / 1e4);
}

// Makes no parameter trainable while it lives: the gradients of the words need none of theirs.
class AllFrozen {
 public:
  explicit AllFrozen(const Classifier& model) {
    model.for_each_parameter([&](const std::string&, const Variable& parameter) {
      if (!parameter.requires_grad()) return;
      trained_.push_back(parameter);
      parameter.set_requires_grad(false);
    });
  }
  ~AllFrozen() {
    for (const Variable& parameter : trained_) parameter.set_requires_grad(true);
  }
  AllFrozen(const AllFrozen&) = delete;
  AllFrozen& operator=(const AllFrozen&) = delete;

 private:
  std::vector<Variable> trained_;
};

// Examples with each class or label.
std::vector<std::int64_t> counts_of_outputs(const Tensor& labels, std::size_t outputs) {
  std::vector<std::int64_t> out(outputs);
  if (labels.dtype() == DType::kInt32) {
    for (const std::int32_t label : labels.values<std::int32_t>()) ++out.at(static_cast<std::size_t>(label));
  } else {
    const auto flags = labels.values<float>();
    for (std::size_t i = 0; i < flags.size(); ++i) out[i % outputs] += flags[i] != 0 ? 1 : 0;
  }
  return out;
}

// Mean and standard deviation of each number.
std::vector<std::pair<double, double>> means_of_numbers(const Tensor& labels, std::size_t outputs) {
  const auto values = labels.values<float>();
  const double examples = static_cast<double>(values.size()) / static_cast<double>(outputs);
  std::vector<std::pair<double, double>> out(outputs);
  for (std::size_t i = 0; i < values.size(); ++i) out[i % outputs].first += values[i] / examples;
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto& [mean, deviation] = out[i % outputs];
    deviation += (values[i] - mean) * (values[i] - mean) / examples;
  }
  for (auto& [mean, deviation] : out) deviation = std::sqrt(deviation);
  return out;
}

// Texts that are in two splits.
std::vector<std::string> shared_texts(const std::vector<std::pair<std::string, TextFacts>>& facts) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < facts.size(); ++i)
    for (std::size_t other = 0; other < i; ++other)
      if (const std::int64_t n = shared(facts[i].second, facts[other].second); n > 0)
        out.push_back(str_cat(n, n == 1 ? " text" : " texts", " of the ", facts[i].first, " split ",
                              n == 1 ? "is" : "are", " also in the ", facts[other].first, " split."));
  return out;
}

TextPairs environment_of(const RunSummary& run) {
  const json::Value facts = run_json(run), machine = facts["machine"];
  TextPairs out = {{"program", facts["program"].string() + " of attune " + facts["attune"].string()}};
  if (const std::string commit = facts.string_or("commit", ""); !commit.empty()) out.emplace_back("commit", commit);
  out.emplace_back("processor", machine["processor"].string());
  out.emplace_back("threads", std::to_string(machine["threads"].integer()));
  out.emplace_back("device", machine["device"].string());
  out.emplace_back("begin", facts["begin"].string());
  out.emplace_back("time in all", duration_text(facts["seconds"].number()));
  out.emplace_back("time of training", duration_text(run.training_seconds));
  out.emplace_back("batches", html::count_text(run.steps));
  out.emplace_back("parameters", html::count_text(run.parameters));
  out.emplace_back("trained parameters", html::count_text(run.trained_parameters));
  if (run.fitted.size() > 0) out.emplace_back("fitted to the validation split", run.fitted.dump());
  out.emplace_back("folder", facts["folder"].string());
  if (!run.start.weights.empty()) out.emplace_back("SHA-256 of the weights before", run.start.weights);
  for (const auto& [name, split] : run.splits)
    if (!split->digest.empty()) out.emplace_back("SHA-256 of the " + name + " examples", split->digest);
  return out;
}

}  // namespace

void RunReport::add(const std::string& name, const Evaluation& evaluation, const Task& task) {
  if (flags_.output.empty() || flags_.no_report) return;
  PageEvaluation& out = evaluations_.emplace_back();
  out.split = name;
  out.examples = evaluation.examples;
  out.measures.push_back({.name = "loss", .value = evaluation.loss});
  for (const Measure& measure : evaluation.measures) {
    const std::size_t point = measure.name.find('.');
    PageMeasure& to = out.measures.emplace_back(PageMeasure{measure.name.substr(0, point), measure.value});
    if (point == std::string::npos) continue;
    const auto output = std::ranges::find(job_.label_names, measure.name.substr(point + 1));
    if (output == job_.label_names.end())
      out.measures.pop_back();
    else
      to.output = static_cast<std::size_t>(output - job_.label_names.begin());
  }
  if (name == "test") figures_ = figures_of(evaluation, task, job_.label_names);
}

void RunReport::explain_mistakes() {
  if (!figures_ || figures_->mistakes.empty()) return;
  std::vector<std::int64_t> rows;
  for (const PageMistake& mistake : figures_->mistakes) rows.push_back(mistake.row - 1);
  try {
    const RowChoice source = job_.test_source.rows(flags_.data.columns, job_.labels, flags_.max_eval_examples);
    const auto texts = read_texts_again(source, flags_.data.columns, job_.test, rows);
    const AllFrozen frozen(job_.model);
    BatchForm form = job_.form;
    form.max_length = job_.context_length;
    const TextClassifier classifier{job_.model, job_.tokenizer, form, flags_.placement.device(), job_.task.target()};
    Progress progress("Explaining mistakes", std::ssize(texts));
    std::int64_t tokens = 0;
    for (std::size_t i = 0; i < texts.size() && !interrupted(); ++i) {
      if (!texts[i]) continue;
      PageMistake& mistake = figures_->mistakes[i];
      mistake.text_found = true;
      mistake.text = texts[i]->text;
      mistake.pair = texts[i]->pair;
      const std::int64_t cost = kExplanationSteps * job_.test.length(rows[i]);
      if (tokens + cost > kMaxExplainedTokens) continue;
      tokens += cost;
      const bool pair = !flags_.data.columns.pair.empty();
      for (const auto& [word, value] : explain_text(classifier, mistake.text, pair ? &mistake.pair : nullptr,
                                                    static_cast<std::int32_t>(mistake.explained), kExplanationSteps))
        mistake.words.emplace_back(word, value);
      progress.update(static_cast<std::int64_t>(i) + 1, "texts");
    }
    progress.clear();
  } catch (const Error& error) {
    std::cerr << "warning: report.html does not explain its mistakes: " << one_line(error.what()) << std::endl;
  }
}

PageSplit RunReport::split_of(const std::string& title, const Dataset& split, const TextFacts& facts) const {
  PageSplit out{.title = title, .examples = split.size()};
  if (job_.task.target() == Target::kNumbers)
    out.numbers = means_of_numbers(split.labels, job_.label_names.size());
  else
    out.counts = counts_of_outputs(split.labels, job_.label_names.size());
  out.median = facts.lengths->median;
  out.percentile_95 = facts.lengths->percentile_95;
  out.longest = facts.lengths->longest;
  out.cut = facts.lengths->cut;
  out.windows = facts.lengths->windows;
  out.empty = facts.empty;
  out.repeated = repeated(facts);
  for (std::int64_t e = 0; e < split.size(); ++e) {
    const auto length = static_cast<std::size_t>(split.length(e));
    if (length >= out.lengths.size()) out.lengths.resize(length + 1);
    ++out.lengths[length];
  }
  return out;
}

void RunReport::add_numbers(RunPage& page, const RunSummary& run, bool finished) const {
  if (!evaluations_.empty()) {
    const PageEvaluation& last = evaluations_.back();
    for (const Headline& headline : job_.task.headlines())
      for (const PageMeasure& measure : last.measures)
        if (measure.name == headline.measure && !measure.output)
          page.tiles.emplace_back(headline_number(headline, measure.value),
                                  last.split + " " + std::string(headline.title));
    page.tiles.emplace_back(str_cat(std::round(last.measures.front().value * 1e4) / 1e4), last.split + " loss");
  }
  page.tiles.emplace_back(html::count_text(run.steps), "batches");
  page.tiles.emplace_back(duration_text(run.training_seconds), "of training");
  page.tiles.emplace_back(html::count_text(run.trained_parameters), "trained parameters");
  if (!finished)
    page.remarks.emplace_back("This run was interrupted: the page shows it after " + html::count_text(run.steps) +
                              " batches. --resume goes on with it.");
  else if (evaluations_.empty())
    page.remarks.emplace_back("This run has no final evaluation: the page has no measures and no predictions.");
}

void RunReport::write(const std::string& folder, const RunSummary& run, const RunCurves& curves, const BestModel* best,
                      bool finished) const {
  RunPage page;
  const std::string model = job_.model.hf_config().string_or("model_type", "model");
  page.title = "Training run: " + model + " on " + short_path(job_.train.name);
  page.subtitle = std::string(job_.task.problem_type()) + ", " + str_cat(job_.label_names.size()) +
                  (job_.label_names.size() == 1 ? " output, " : " outputs, ") + str_cat(job_.train.size()) +
                  " training texts";
  page.outputs = job_.label_names;
  page.numbers = job_.task.target() == Target::kNumbers;
  page.labels = job_.task.target() == Target::kLabels;
  add_numbers(page, run, finished);
  page.options = options_of(run);
  page.command = printable(command_of(run.command_line), kMaxCommand);
  page.environment = environment_of(run);
  std::vector<std::pair<std::string, TextFacts>> facts;
  for (const auto& [name, split] : run.splits) {
    facts.emplace_back(name, facts_of(*split));
    page.splits.push_back(split_of(name, *split, facts.back().second));
  }
  page.data_remarks = shared_texts(facts);
  page.max_length = job_.context_length;
  page.curves = curves;
  if (best != nullptr) {
    page.kept_measure = best->measure();
    if (const std::optional<BestValue> value = best->best()) {
      page.best_step = value->step;
      const ThinnedCurve& measured = curves.measured;  // no record has the value of the end of a run
      if (measured.buckets().empty() || value->step / measured.width() > measured.buckets().back().index)
        page.curves.measured.add(value->step, value->value);
    }
  }
  page.evaluations = evaluations_;
  page.figures = figures_;
  write_file(folder + "/" + kReportFile, run_page(page));
}

}  // namespace attune
