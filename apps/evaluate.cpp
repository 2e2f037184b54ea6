// Evaluates a saved model on labelled texts: the measures of its task, as training computes them (engine/train/measures.h),
// as tables or as one JSON object.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "apps/support/evaluation_report.h"
#include "apps/support/flag_checks.h"
#include "apps/support/interrupt.h"
#include "apps/support/labelled_texts.h"
#include "apps/support/main.h"
#include "apps/support/predictor.h"
#include "apps/support/progress.h"

namespace attune {
namespace {

constexpr std::size_t kUsualWidth = 120;  // of lines that do not go to a terminal

struct EvaluateFlags {
  PredictorFlags predictor;
  LabelledTextFlags data;
  std::int64_t mistakes = 0;
  bool json = false;

  void declare(CommandLine& app) {
    predictor.declare(app);
    data.declare(app);
    app.add_option("--mistakes", mistakes, "Also print this many texts with the largest losses")
        ->check(count_from(0))
        ->capture_default_str();
    app.add_flag("--json", json, "Print one JSON object with every digit");
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

int evaluate(const EvaluateFlags& flags) {
  flags.predictor.prepare();
  const std::unique_ptr<Predictor> model = flags.predictor.open();
  catch_interrupts("evaluate ends after the current batch; nothing is printed");
  const LabelledTexts data = flags.data.read(*model, flags.json ? std::cerr : std::cout);
  const Tensor logits = logits_of(flags, *model, data);
  if (!logits.defined()) return kInterruptedExit;
  EvaluationReport report(*model, flags.data.data, data, logits);
  report.add_groups();
  if (flags.mistakes > 0) report.add_mistakes(flags.mistakes);
  const std::string text = flags.json ? report.json().dump(2) + "\n" : report.text(terminal_width());
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
