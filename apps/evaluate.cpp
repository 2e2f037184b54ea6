// Evaluates a saved model on labelled texts: the measures of its task, as training computes them
// (engine/train/measures.h), as tables or as one JSON object. --calibrate first fits a temperature to these texts,
// which the model's folder keeps.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "apps/support/evaluation_report.h"
#include "apps/support/flag_checks.h"
#include "apps/support/interrupt.h"
#include "apps/support/labelled_texts.h"
#include "apps/support/main.h"
#include "apps/support/predictor.h"
#include "apps/support/progress.h"
#include "apps/support/task_config.h"
#include "apps/support/validation_fit.h"
#include "base/check.h"
#include "engine/io/locked_folder.h"
#include "models/model_folder.h"

namespace attune {
namespace {

constexpr std::size_t kUsualWidth = 120;  // of lines that do not go to a terminal

struct EvaluateFlags {
  PredictorFlags predictor;
  LabelledTextFlags data;
  std::int64_t mistakes = 0;
  bool json = false, calibrate = false;

  void declare(CommandLine& app) {
    predictor.declare(app);
    data.declare(app);
    app.add_option("--mistakes", mistakes, "Also print this many texts with the largest losses")
        ->check(count_from(0))
        ->capture_default_str();
    app.add_flag("--json", json, "Print one JSON object with every digit");
    app.add_flag(
        "--calibrate", calibrate,
        "Fit the temperature of the probabilities to these texts (validation data, not test data) and store it "
        "in the model's config.json; the measures are those with it");
  }
};

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualWidth;
}

// The logits [E, outputs] of all texts; undefined after Ctrl-C.
Tensor logits_of(const EvaluateFlags& flags, const Predictor& model, const LabelledTexts& data) {
  const std::span<const std::string> texts = data.texts, pairs = data.pairs;
  const auto batch = static_cast<std::size_t>(flags.predictor.batch_size);
  std::vector<double> all;
  Progress progress("Evaluating", std::ssize(texts));
  for (std::size_t begin = 0; begin < texts.size(); begin += batch) {
    if (interrupted()) return {};
    const std::size_t count = std::min(batch, texts.size() - begin);
    const auto rows =
        flags.predictor.logits(model, texts.subspan(begin, count), pairs.empty() ? pairs : pairs.subspan(begin, count),
                               static_cast<std::int64_t>(begin));
    for (const std::vector<double>& row : rows) all.insert(all.end(), row.begin(), row.end());
    progress.update(static_cast<std::int64_t>(begin + count), "texts");
  }
  return Tensor::from(all, {std::ssize(texts), model.task().outputs()});
}

// Fits the temperature and stores it; what was fitted.
json::Value calibrate(const EvaluateFlags& flags, Predictor& model, const json::Value& config,
                      const LabelledTexts& data, const Tensor& logits) {
  ValidationFit fit = fit_to_validation(model.task(), {.temperature = true, .keeps_labels = true}, flags.data.data,
                                        logits, data.labels, flags.json ? std::cerr : std::cout);
  update_config(flags.predictor.model_dir, config, fitted_json(*fit.task));
  model.use(std::move(fit.task));
  return fit.record;
}

// Throws UsageError if the flags or the model do not allow to calibrate it, Error if its folder does not.
void check_calibration(const EvaluateFlags& flags, const Predictor& model) {
  if (flags.predictor.no_calibration)
    throw UsageError("--calibrate stores a temperature, and --no_calibration ignores it; give one of them");
  if (model.task().target() == Target::kNumbers)
    throw UsageError("--calibrate needs probabilities, and this model predicts numbers");
  const std::filesystem::path config = std::filesystem::path(flags.predictor.model_dir) / "config.json";
  CHECK(!std::filesystem::is_symlink(config), config.string(),
        ": is a link, as in the Hugging Face cache; --calibrate changes only a copy of such a folder");
}

int evaluate(const EvaluateFlags& flags) {
  flags.predictor.prepare();
  const json::Value config = read_model_config(flags.predictor.model_dir);
  const std::unique_ptr<Predictor> model = flags.predictor.open(!flags.data.columns.pair.empty());
  std::optional<LockedFolder> lock;
  if (flags.calibrate) {
    check_calibration(flags, *model);
    lock.emplace(flags.predictor.model_dir);
  }
  const LabelledTexts data = flags.data.read(*model, flags.json ? std::cerr : std::cout);
  // Not before: reading, perhaps from a pipe, has no batches to end after.
  catch_interrupts("evaluate ends after the current batch; nothing is printed");
  const Tensor logits = logits_of(flags, *model, data);
  if (!logits.defined()) return kInterruptedExit;
  std::optional<json::Value> calibration;
  if (flags.calibrate) calibration = calibrate(flags, *model, config, data, logits);
  EvaluationReport report(*model, flags.data.data, data, logits);
  report.add_groups();
  if (flags.mistakes > 0) report.add_mistakes(flags.mistakes);
  json::Value object = report.json();
  if (calibration) object.set("calibration", *calibration);
  const std::string text = flags.json ? object.dump(2) + "\n" : report.text(terminal_width());
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (model->truncated() > 0)
    std::fprintf(stderr, "evaluate: note: %lld texts reached the model's length and may have been cut\n",
                 static_cast<long long>(model->truncated()));
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription = "Evaluates a trained model on labelled texts.";
  return attune::run_program({"evaluate", kDescription}, [&](attune::CommandLine& app) {
    attune::EvaluateFlags flags;
    flags.declare(app);
    return app.parse(argc, argv) ? attune::evaluate(flags) : 0;
  });
}
