#include "apps/support/report.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/check.h"

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

// "accuracy: 98.75%".
std::string headline_text(const Headline& headline, const Evaluation& evaluation) {
  const double value = evaluation.measure(headline.measure);
  const std::string title(headline.title);
  if (std::isnan(value)) return title + ": undefined";
  return headline.percent ? text("%s: %.2f%%", title.c_str(), 100 * value) : text("%s: %.4f", title.c_str(), value);
}

// Cuts a log to its first bytes, which end a line.
void cut_log(const std::string& path, std::int64_t bytes) {
  std::error_code error;
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path, error));
  char last = '\n';
  if (!error && bytes > 0 && bytes <= size) std::ifstream(path).seekg(bytes - 1).get(last);
  if (error || bytes < 0 || bytes > size || last != '\n')
    throw IoError(path, str_cat("is not the log that the checkpoint was made with: no line ends after byte ", bytes));
  std::filesystem::resize_file(path, static_cast<std::uintmax_t>(bytes), error);
  if (error) throw IoError(path, "the log file cannot be cut: " + error.message());
}

}  // namespace

TrainReport::TrainReport(const std::string& log_file, const Task& task, std::optional<std::int64_t> log_offset)
    : headlines_(task.headlines()), log_path_(log_file) {
  if (log_file.empty()) return;
  const bool goes_on = log_offset && std::filesystem::is_regular_file(log_file);
  if (goes_on) cut_log(log_file, *log_offset);
  log_.open(log_file, goes_on ? std::ios::app : std::ios::trunc);
  if (!log_) throw IoError(log_file, std::string("the log file cannot be created: ") + std::strerror(errno));
}

std::optional<std::int64_t> TrainReport::log_offset() {
  if (!log_.is_open()) return std::nullopt;
  log_.seekp(0, std::ios::end);
  const auto at = static_cast<std::int64_t>(log_.tellp());
  return at >= 0 ? std::optional(at) : std::nullopt;
}

void TrainReport::log(const json::Value& record) {
  if (!log_.is_open()) return;
  errno = 0;
  log_ << record.dump() << std::endl;
  if (log_) return;
  const std::string why = errno == 0 ? "" : std::string(": ") + std::strerror(errno);
  log_.close();
  clear_progress();
  std::cerr << "warning: " << log_path_ << ": the log file cannot be written" << why << "; the run goes on without it"
            << std::endl;
}

void TrainReport::clear_progress() {
  if (progress_) progress_->clear();
}

void TrainReport::begin(std::int64_t step, std::int64_t total_steps) {
  progress_ = std::make_unique<Progress>("Training", total_steps, step);
}

void TrainReport::step(const StepRecord& r) {
  log(json::Value::object({{"step", r.step},
                           {"loss", r.loss},
                           {"learning_rate", r.learning_rate},
                           {"grad_norm", r.grad_norm ? json::Value(*r.grad_norm) : json::Value()},
                           {"tokens_per_second", r.tokens_per_second}}));
  progress_->update(r.step + 1, text("loss %.3f, %.0f tokens/s", r.loss, r.tokens_per_second));
}

void TrainReport::evaluation(const EvaluationRecord& r) {
  log(json::Value::object({{"step", r.step}, {"train_loss", r.train_loss}, {"val_loss", r.validation_loss}}));
  clear_progress();
  std::cout << text("Ep %lld (Step %06lld): Train loss %.3f, Val loss %.3f", static_cast<long long>(r.epoch),
                    static_cast<long long>(r.step), r.train_loss, r.validation_loss)
            << std::endl;
}

void TrainReport::epoch(const EpochRecord& r) {
  json::Value record = json::Value::object({{"epoch", r.epoch}});
  set_measures(record, "train_", r.train);
  set_measures(record, "val_", r.validation);
  log(record);
  clear_progress();
  const Headline& main = headlines_.front();
  std::cout << "Training " << headline_text(main, r.train) << " | Validation " << headline_text(main, r.validation)
            << std::endl;
}

void TrainReport::split(const std::string& title, const std::string& name, const Evaluation& evaluation) {
  json::Value record = json::Value::object({{"split", name}});
  set_measures(record, "", evaluation);
  record.set("loss", evaluation.loss);
  log(record);
  clear_progress();
  for (const Headline& headline : headlines_)
    std::cout << title << " " << headline_text(headline, evaluation) << std::endl;
}

}  // namespace attune
