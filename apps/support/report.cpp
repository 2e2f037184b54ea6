#include "apps/support/report.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "base/check.h"

namespace attune {
namespace {

// A double with all its digits; JSON has no nan or infinity, they become null.
std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.17g", value);
  return value - value == 0 ? text : "null";
}

// printf into a string.
template <class... Args>
std::string text(const char* format, Args... args) {
  char line[256];
  std::snprintf(line, sizeof(line), format, args...);
  return line;
}

}  // namespace

TrainReport::TrainReport(const std::string& log_file) : log_path_(log_file) {
  if (log_file.empty()) return;
  log_.open(log_file, std::ios::trunc);
  if (!log_) throw IoError(log_file, std::string("the log file cannot be created: ") + std::strerror(errno));
}

void TrainReport::log(const std::string& line) {
  if (!log_.is_open()) return;
  errno = 0;
  log_ << line << std::endl;
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

void TrainReport::begin(std::int64_t total_steps) {
  progress_ = std::make_unique<Progress>("Training", total_steps);
}

void TrainReport::step(const StepRecord& r) {
  log(str_cat("{\"step\": ", r.step, ", \"loss\": ", number(r.loss), ", \"learning_rate\": ", number(r.learning_rate),
              ", \"grad_norm\": ", r.grad_norm ? number(*r.grad_norm) : "null",
              ", \"tokens_per_second\": ", number(r.tokens_per_second), "}"));
  progress_->update(r.step + 1, text("loss %.3f, %.0f tokens/s", r.loss, r.tokens_per_second));
}

void TrainReport::evaluation(const EvaluationRecord& r) {
  log(str_cat("{\"step\": ", r.step, ", \"train_loss\": ", number(r.train_loss),
              ", \"val_loss\": ", number(r.validation_loss), "}"));
  clear_progress();
  std::cout << text("Ep %lld (Step %06lld): Train loss %.3f, Val loss %.3f", static_cast<long long>(r.epoch),
                    static_cast<long long>(r.step), r.train_loss, r.validation_loss)
            << std::endl;
}

void TrainReport::epoch(const EpochRecord& r) {
  log(str_cat("{\"epoch\": ", r.epoch, ", \"train_accuracy\": ", number(r.train_accuracy),
              ", \"val_accuracy\": ", number(r.validation_accuracy), "}"));
  clear_progress();
  std::cout << text("Training accuracy: %.2f%% | Validation accuracy: %.2f%%", 100 * r.train_accuracy,
                    100 * r.validation_accuracy)
            << std::endl;
}

void TrainReport::accuracy(const std::string& title, const std::string& split, const Evaluation& evaluation) {
  log(str_cat("{\"split\": \"", split, "\", \"accuracy\": ", number(evaluation.accuracy()),
              ", \"loss\": ", number(evaluation.loss), "}"));
  clear_progress();
  std::cout << text("%s accuracy: %.2f%%", title.c_str(), 100 * evaluation.accuracy()) << std::endl;
}

}  // namespace attune
