// The baseline row of the reference recipe (train_sklearn_logreg.py): bags of words, the most frequent class as dummy,
// and logistic regression, here solved to its optimum.
#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <optional>

#include "apps/support/class_counts.h"
#include "apps/support/data_flags.h"
#include "apps/support/flag_checks.h"
#include "apps/support/interrupt.h"
#include "apps/support/labels.h"
#include "apps/support/main.h"
#include "apps/support/output_folder.h"
#include "apps/support/progress.h"
#include "apps/support/text_list.h"
#include "base/clock.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "engine/io/locked_folder.h"
#include "engine/train/measures.h"
#include "models/linear/bag_of_words.h"
#include "models/model_folder.h"
#include "tokenizer/words.h"

namespace attune {
namespace {

struct LogregFlags {
  DataFlags data;
  std::string output, load;
  std::string label_column;
  bool trust_labels = false;
  LogisticOptions options;
  std::int64_t top = 20;
  std::uint64_t seed = 123;
  int threads = 0;

  void declare(CommandLine& app) {
    const auto add = [&](const char* group, const char* name, auto& value, const char* text) {
      return app.add_option(name, value, text)->group(group)->capture_default_str();
    };
    data.declare(app);
    add("Data", "--seed", seed, "Seed of --split");
    app.add_option("--label_column", label_column,
                   "Column of the labels: 0 .. n-1, or names (default: label, or the only one called class, category, "
                   "target, sentiment, y)")
        ->group("Data");
    Flag* trusted =
        app.add_flag("--trust_labels", trust_labels,
                     "Accept training labels that look like mistakes: integers with gaps below the largest, a class "
                     "with a single example")
            ->group("Data");
    Flag* strength =
        add("Training", "--C", options.c, "Inverse strength of the penalty on the weights")->check(positive());
    Flag* tolerance =
        add("Training", "--tolerance", options.minimise.tolerance, "Gradient to stop at")->check(positive());
    Flag* iterations =
        add("Training", "--max_iterations", options.minimise.max_iterations, "Most iterations")->check(count_from(1));
    add("Training", "--threads", threads, "CPU threads; 0: all cores")->check(thread_count());
    add("Results", "--top", top, "Strongest words to list per class")->check(count_from(0));
    Flag* folder = app.add_option("--output", output, "Folder for the trained model")->group("Results");
    Flag* trained = app.add_option("--load", load, "Folder of a trained model to evaluate instead of training one")
                        ->group("Results");
    for (const Flag* of_training : {trusted, strength, tolerance, iterations, folder}) trained->excludes(of_training);
  }
};

struct Split {
  const char* title;
  std::vector<std::string> texts;
  Tensor classes;                    // int32 [E]
  std::vector<std::int32_t> labels;  // the same
  CountMatrix counts;
};

Split read_split(const char* title, const SplitSource& from, const TextColumns& columns, ClassLabels& labels) {
  Split out{title, {}, {}, {}, {}};
  TextList list(out.texts);
  read_rows(from.rows(columns, labels, 0), columns, &labels, list);
  out.classes = labels.finish(from.title());
  out.labels.assign(out.classes.values<std::int32_t>().begin(), out.classes.values<std::int32_t>().end());
  return out;
}

void print_accuracy(const Split& split, const std::vector<std::int32_t>& predicted) {
  std::printf("%s accuracy: %.2f%%\n", split.title, 100 * measures::accuracy(predicted, split.labels));
}

// Counts the words of all splits, in the model's vocabulary or, for training, in a new one of the training texts.
void count_all(std::vector<Split>& splits, bool training, BagOfWords& model) {
  const auto begin = Clock::now();
  if (training) {
    WordCounts counted = count_words(splits[0].texts, split_words);
    model.vocabulary = std::move(counted.vocabulary);
    splits[0].counts = std::move(counted.counts);
  }
  for (std::size_t i = training ? 1 : 0; i < splits.size(); ++i)
    splits[i].counts = count_words(splits[i].texts, split_words, model.vocabulary);
  std::printf("\nVocabulary: %d words, counted in %.2f seconds\n", model.vocabulary.size(), seconds_since(begin));
  std::fflush(stdout);
}

// False after Ctrl-C.
bool train(LogisticOptions options, const Split& training, LogisticRegression& model) {
  const auto begin = Clock::now();
  Progress progress("Training", 0);
  options.minimise.progress = [&](const MinimiseProgress& at) {
    char detail[96];
    std::snprintf(detail, sizeof detail, "iterations, objective %.6f, gradient %.1e", at.objective, at.gradient);
    progress.update(at.iteration, detail);
    return !interrupted();
  };
  LogisticFit fit = fit_logistic_regression(training.counts, training.labels, options);
  progress.clear();
  if (fit.end == MinimiseEnd::kStopped) return false;
  if (fit.end == MinimiseEnd::kIterations)
    std::fprintf(stderr, "train_logreg: warning: not converged: the gradient is %.1e after %lld iterations, not %.1e\n",
                 fit.gradient, static_cast<long long>(fit.iterations), options.minimise.tolerance);
  std::printf("Objective %.10f after %lld iterations, gradient %.1e, fitted in %.2f seconds\n", fit.objective,
              static_cast<long long>(fit.iterations), fit.gradient, seconds_since(begin));
  model = std::move(fit.model);
  return true;
}

void print_strongest_words(const BagOfWords& model, std::int64_t top) {
  const LogisticRegression& classifier = model.classifier;
  for (std::size_t k = 0; k < classifier.classes.size(); ++k) {
    const std::int32_t label = classifier.classes[k];
    const auto& names = model.label_names;
    const std::string name = names.empty() ? std::to_string(label) : names[static_cast<std::size_t>(label)];
    std::printf("\nStrongest words for class %s:\n", printable(name).c_str());
    for (const WordWeight& word : strongest_columns(classifier, static_cast<int>(k), top))
      std::printf("%10.4f  %s\n", word.weight, std::string(model.vocabulary.word(word.column)).c_str());
  }
}

int run(LogregFlags flags) {
  if (flags.threads > 0) set_num_threads(flags.threads);
  std::optional<LockedFolder> output;
  if (!flags.output.empty()) {
    output.emplace(flags.output);
    check_output_folder(flags.output, {flags.data.split_output});
    check_model_folder(flags.output, {});
  }
  ignore_closed_pipes();
  std::vector<std::string> label_columns = {flags.label_column};
  flags.data.find_columns(label_columns);
  const SplitSources sources = flags.data.sources(flags.seed);
  if (!flags.data.split_output.empty()) check_split_output(flags.data.split_output, sources);

  const bool training = flags.load.empty();
  BagOfWords model = training ? BagOfWords{} : load_bag_of_words(flags.load);
  const std::string& column = label_columns.front();
  ClassLabels labels =
      training ? ClassLabels(column, 2) : ClassLabels(column, {model.classifier.classes.back() + 1, model.label_names});
  std::vector<Split> splits;
  splits.push_back(read_split("Training", sources[0], flags.data.columns, labels));
  if (training) check_training_labels(splits[0].classes, labels.names(), 2, flags.trust_labels, sources[0].title());
  splits.push_back(read_split("Validation", sources[1], flags.data.columns, labels));
  splits.push_back(read_split("Test", sources[2], flags.data.columns, labels));
  // Not before: reading has no iterations to end after.
  catch_interrupts("train_logreg ends after the current iteration; nothing is saved");
  if (!flags.data.split_output.empty())
    write_splits(flags.data.split_output, flags.output, sources, flags.data.columns, labels);
  model.label_names = labels.classes().names;
  std::vector<SplitSummary> summaries;
  for (std::size_t i = 0; i < splits.size(); ++i)
    summaries.push_back({kSplitNames[i], splits[i].classes, facts_of(splits[i].texts)});
  print_splits(labels.names(), summaries);
  warn_of_texts(summaries);
  std::printf("\nDummy classifier:\n");  // it always predicts the most frequent training label
  const std::int32_t guess = most_frequent_label(splits[0].labels);
  for (const Split& split : splits) print_accuracy(split, std::vector<std::int32_t>(split.labels.size(), guess));

  count_all(splits, training, model);
  if (training && !train(flags.options, splits[0], model.classifier)) {
    std::fprintf(stderr, "train_logreg: interrupted; nothing was saved\n");
    return kInterruptedExit;
  }
  if (!flags.output.empty()) {
    save_bag_of_words(model, flags.output);
    std::printf("Saved to %s\n", flags.output.c_str());
  }
  std::printf("\nLogistic regression classifier:\n");
  for (const Split& split : splits) print_accuracy(split, predict_labels(model.classifier, split.counts));
  if (flags.top > 0) print_strongest_words(model, flags.top);
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription = "Bag-of-words logistic regression: the baseline of text classification.";
  return attune::run_program({"train_logreg", kDescription}, [&](attune::CommandLine& app) {
    attune::LogregFlags flags;
    flags.declare(app);
    return app.parse(argc, argv) ? attune::run(flags) : 0;
  });
}
