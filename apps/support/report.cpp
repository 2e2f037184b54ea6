#include "apps/support/report.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "apps/support/memory_advice.h"
#include "apps/support/percent.h"

namespace attune {
namespace {

// printf into a string.
template <class... Args>
std::string text(const char* format, Args... args) {
  char line[256];
  std::snprintf(line, sizeof(line), format, args...);
  return line;
}

// Every measure as a member; its name starts with `prefix`.
void set_measures(json::Value& record, const std::string& prefix, const Evaluation& evaluation) {
  for (const Measure& measure : evaluation.measures) record.set(prefix + measure.name, measure.value);
}

// Every measure under a tag that starts with `prefix`.
void add_measures(EventFile::Scalars& scalars, const std::string& prefix, const Evaluation& evaluation) {
  for (const Measure& measure : evaluation.measures) scalars.emplace_back(prefix + measure.name, measure.value);
}

// "accuracy: 98.75%".
std::string headline_text(const Headline& headline, const Evaluation& evaluation) {
  const double value = evaluation.measure(headline.measure);
  const std::string title(headline.title);
  if (std::isnan(value)) return title + ": undefined";
  return headline.percent ? text("%s: %.2f%%", title.c_str(), 100 * value) : text("%s: %.4f", title.c_str(), value);
}

}  // namespace

TrainReport::TrainReport(const std::string& log_file, const Task& task, const std::optional<ReportState>& resumed)
    : headlines_(task.headlines()) {
  if (resumed) history_.restore(resumed->history);
  if (!log_file.empty()) log_.emplace(log_file, resumed.has_value(), resumed ? resumed->log : std::nullopt);
}

void TrainReport::log(const json::Value& record) {
  if (!log_ || log_->write(record)) return;
  const std::string why = std::strerror(errno);
  clear_progress();
  std::cerr << "warning: " << log_->path() << ": the log file cannot be written: " << why
            << "; the run goes on without it" << std::endl;
}

void TrainReport::write_event(std::int64_t step, const EventFile::Scalars& scalars) {
  if (events_ == nullptr) return;
  events_->write(step, scalars);
}

void TrainReport::clear_progress() {
  if (progress_) progress_->clear();
}

void TrainReport::begin(std::int64_t step, std::int64_t total_steps) {
  if (log_ && log_->next_step() && *log_->next_step() < step)
    std::cerr << "warning: " << log_->path() << ": the lines of the steps " << *log_->next_step() << " to " << step - 1
              << " are missing" << std::endl;
  if (!events_folder_.empty()) events_ = std::make_unique<EventFile>(events_folder_, step);
  progress_ = std::make_unique<Progress>("Training", total_steps, step);
  last_step_ = std::max<std::int64_t>(step - 1, 0);
}

void TrainReport::step(const StepRecord& r) {
  history_.add(r);
  log(json::Value::object({{"step", r.step},
                           {"loss", r.loss},
                           {"learning_rate", r.learning_rate},
                           {"grad_norm", r.grad_norm ? json::Value(*r.grad_norm) : json::Value()},
                           {"tokens_per_second", r.tokens_per_second}}));
  EventFile::Scalars scalars = {{"train/loss", r.loss},
                                {"train/learning_rate", r.learning_rate},
                                {"train/tokens_per_second", r.tokens_per_second}};
  if (r.grad_norm) scalars.emplace_back("train/grad_norm", *r.grad_norm);
  write_event(r.step, scalars);
  last_step_ = r.step;
  std::string detail = text("loss %.3f, %.0f tokens/s", r.loss, r.tokens_per_second);
  if (peak_) detail += ", " + percent_text(r.tokens_per_second / *peak_) + " of peak";
  if (memory_of_ && progress_->due(r.step + 1)) detail += ", " + memory_in_use_text(*memory_of_);
  progress_->update(r.step + 1, detail);
}

void TrainReport::evaluation(const EvaluationRecord& r) {
  history_.add(r);
  json::Value record =
      json::Value::object({{"step", r.step}, {"train_loss", r.train_loss}, {"val_loss", r.validation_loss}});
  if (r.measure) record.set("keep_best", r.measure->value);
  log(record);
  EventFile::Scalars scalars = {{"evaluation/train_loss", r.train_loss},
                                {"evaluation/validation_loss", r.validation_loss}};
  if (r.measure) scalars.emplace_back("evaluation/validation_split_" + r.measure->name, r.measure->value);
  write_event(r.step, scalars);
  clear_progress();
  std::cout << text("Ep %lld (Step %06lld): Train loss %.3f, Val loss %.3f", static_cast<long long>(r.epoch),
                    static_cast<long long>(r.step), r.train_loss, r.validation_loss);
  if (r.measure)
    std::cout << ", whole validation split: " << r.measure->name << text(" %.4f", r.measure->value)
              << (r.best ? " (best)" : "");
  std::cout << std::endl;
}

void TrainReport::epoch(const EpochRecord& r) {
  json::Value record = json::Value::object({{"epoch", r.epoch}});
  set_measures(record, "train_", r.train);
  set_measures(record, "val_", r.validation);
  log(record);
  EventFile::Scalars scalars;
  add_measures(scalars, "epoch/train_", r.train);
  add_measures(scalars, "epoch/validation_", r.validation);
  write_event(last_step_, scalars);
  clear_progress();
  const Headline& main = headlines_.front();
  std::cout << "Training " << headline_text(main, r.train) << " | Validation " << headline_text(main, r.validation)
            << std::endl;
}

void TrainReport::best(const std::string& measure, const std::optional<BestValue>& best) {
  log(json::Value::object({{"best_step", best ? json::Value(best->step) : json::Value()},
                           {"measure", measure},
                           {"value", best ? json::Value(best->value) : json::Value()}}));
}

void TrainReport::split(const std::string& title, const std::string& name, const Evaluation& evaluation) {
  json::Value record = json::Value::object({{"split", name}}), measures = json::Value::object();
  set_measures(measures, "", evaluation);
  measures.set("loss", evaluation.loss);
  record.merge(measures);
  log(record);
  splits_.set(name, measures);
  EventFile::Scalars scalars = {{"final/" + name + "_loss", evaluation.loss}};
  add_measures(scalars, "final/" + name + "_", evaluation);
  write_event(last_step_, scalars);
  clear_progress();
  for (const Headline& headline : headlines_)
    std::cout << title << " " << headline_text(headline, evaluation) << std::endl;
}

void TrainReport::fitted(const json::Value& record) {
  log(record);
  fitted_ = record;
}

void TrainReport::stopped(const NotFiniteError& error) {
  const std::optional<NotFinite>& tensor = error.tensor();
  log(json::Value::object({{"stopped_at_step", error.step() ? json::Value(*error.step()) : json::Value()},
                           {"kind", tensor ? json::Value(tensor->kind_name()) : json::Value()},
                           {"tensor", tensor ? json::Value(tensor->name) : json::Value()},
                           {"error", error.what()}}));
  clear_progress();
}

}  // namespace attune
