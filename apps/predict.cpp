// Predicts with a saved model: the label or labels of each text with probabilities and logits, or its numbers, as text,
// CSV or JSON lines, in the order of the input. Texts are read and printed in batches, so that memory does not grow
// with the input.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#include "apps/support/data_flags.h"
#include "apps/support/flag_checks.h"
#include "apps/support/interrupt.h"
#include "apps/support/main.h"
#include "apps/support/percent.h"
#include "apps/support/predictor.h"
#include "apps/support/progress.h"
#include "apps/support/text_source.h"
#include "base/check.h"
#include "base/input_file.h"
#include "base/printable.h"
#include "engine/io/csv.h"
#include "json/value.h"

namespace attune {
namespace {

constexpr const char* kLabelSeparator = ";";  // of a CSV field

struct PredictFlags {
  PredictorFlags predictor;
  std::string data, csv, column = "text", pair_column, jsonl, field = "text", format = "text";
  TextColumns columns = {.text = ""};
  std::vector<std::string> texts, pairs;
  bool explain = false;

  void declare(CommandLine& app) {
    predictor.declare(app);
    auto* text = app.add_option("--text", texts, "A text; may be repeated")->may_be_empty();
    app.add_option("--text_pair", pairs, "The second text of a pair, once for each --text")
        ->may_be_empty()
        ->needs(text);
    auto* any =
        app.add_option("--data", data,
                       "Classify a .csv, .tsv or .jsonl file (also .json, .ndjson), or a folder with a folder of "
                       ".txt files for each class")
            ->excludes(text);
    app.add_option("--text_column", columns.text, "Column of --data (default: text, or the only one with a usual name)")
        ->needs(any);
    app.add_option("--text_pair_column", columns.pair, "Column of --data with the second text of each pair")
        ->needs(any);
    auto* table = app.add_option("--csv", csv, "Classify a column of a CSV file, whatever its name")
                      ->excludes(text)
                      ->excludes(any);
    app.add_option("--column", column, "Column of --csv")->needs(table)->capture_default_str();
    app.add_option("--pair_column", pair_column, "Column of --csv with the second text of each pair")->needs(table);
    auto* lines = app.add_option("--jsonl", jsonl, "Classify a field of a JSON-lines file (- is standard input)")
                      ->excludes(text)
                      ->excludes(any)
                      ->excludes(table);
    app.add_option("--field", field, "Field of --jsonl")->needs(lines)->capture_default_str();
    app.add_option("--format", format, "text, csv (several labels stand in one field, separated by ;) or jsonl")
        ->check(one_of({"text", "csv", "jsonl"}))
        ->capture_default_str();
    app.add_flag(
        "--explain", explain,
        "Also what each word contributes to the prediction (integrated gradients, 32 passes a text); for --format text "
        "and jsonl");
    app.footer("Without --text, --data, --csv or --jsonl, every line of standard input is a text.");
  }

  /// Finds the column of --data, if no flag names it.
  void find_column() {
    if (data.empty()) return;
    DataFlags found;
    found.train = data;
    found.columns = columns;
    std::vector<std::string> no_labels;
    found.find_columns(no_labels, std::cerr);
    columns = found.columns;
  }
  TextSource source() const {
    if (!pair_column.empty()) check_regular(csv);  // opened twice
    if (!columns.pair.empty()) check_regular(data);
    if (!data.empty()) return TextSource::from_table(data, columns.text);
    if (!texts.empty()) return TextSource::from_texts(texts);
    if (!csv.empty()) return TextSource::from_csv(csv, column);
    if (!jsonl.empty()) return TextSource::from_jsonl(jsonl, field);
    return TextSource::from_lines();
  }
  /// The second texts of pairs; none if texts stand alone.
  std::optional<TextSource> second_source() const {
    if (!pairs.empty() && pairs.size() != texts.size())
      throw UsageError(str_cat("there are ", pairs.size(), " --text_pair for ", texts.size(), " --text"));
    if (!pairs.empty()) return TextSource::from_texts(pairs);
    if (!columns.pair.empty()) return TextSource::from_table(data, columns.pair);
    if (pair_column.empty()) return std::nullopt;
    return TextSource::from_csv(csv, pair_column);
  }
};

bool reads_standard_input(const PredictFlags& flags) {
  return flags.texts.empty() && flags.data.empty() && flags.csv.empty() && (flags.jsonl.empty() || flags.jsonl == "-");
}

// The digits that a float needs.
std::string number(double value) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%.9g", value);
  return digits.data();
}

std::string numbers(const std::vector<double>& values, const char* separator) {
  std::string out;
  for (const double value : values) out += (out.empty() ? "" : separator) + number(value);
  return out;
}

json::Value rounded(const std::vector<double>& values) {
  json::Value out = json::Value::array();
  for (const double value : values) out.push_back(std::stod(number(value)));
  return out;
}

// Whether the outputs are numbers, or several labels may be predicted at once.
bool predicts_numbers(const Predictor& model) {
  return model.task().target() == Target::kNumbers;
}
bool predicts_several(const Predictor& model) {
  return model.task().target() == Target::kLabels;
}

std::vector<std::string> chosen_names(const Predictor& model, const Prediction& prediction) {
  std::vector<std::string> out;
  for (const std::int32_t k : prediction.chosen) out.push_back(model.label_names()[static_cast<std::size_t>(k)]);
  return out;
}

void print_csv_header(const Predictor& model) {
  const std::vector<std::string>& names = model.label_names();
  std::string line = predicts_numbers(model) ? "" : predicts_several(model) ? "labels" : "label";
  if (!predicts_numbers(model))
    for (const char* kind : {"probability_", "logit_"})
      for (const std::string& name : names) line += "," + csv_field(kind + name);
  else if (names.size() == 1)
    line = "prediction";
  else
    for (const std::string& name : names) line += (line.empty() ? "" : ",") + csv_field("prediction_" + name);
  std::puts(line.c_str());
}

// Throws UsageError if a label has the separator in it: then a list of labels is not clear.
void check_csv_labels(const Predictor& model) {
  if (!predicts_several(model)) return;
  for (const std::string& name : model.label_names())
    if (name.find(kLabelSeparator) != std::string::npos)
      throw UsageError(str_cat("--format csv separates labels by ", kLabelSeparator, ", which the label '",
                               printable(name), "' has in it; --format jsonl writes a list"));
}

std::string csv_line(const Predictor& model, const Prediction& prediction, const std::vector<double>& logits) {
  if (predicts_numbers(model)) return numbers(logits, ",");
  std::string labels;
  for (const std::string& name : chosen_names(model, prediction))
    labels += (labels.empty() ? "" : kLabelSeparator) + name;
  return csv_field(labels) + "," + numbers(prediction.probabilities, ",") + "," + numbers(logits, ",");
}

std::string json_line(const Predictor& model, const Prediction& prediction, const std::vector<double>& logits,
                      const Explanation* explanation) {
  json::Value out = json::Value::object();
  if (explanation != nullptr) out.set("words", explanation_json(*explanation));
  if (predicts_numbers(model)) {
    if (logits.size() == 1)
      out.set("prediction", std::stod(number(logits[0])));
    else
      out.set("predictions", rounded(logits));
    return out.dump();
  }
  const std::vector<std::string> names = chosen_names(model, prediction);
  if (predicts_several(model))
    out.set("labels", json::Value::array_of(names));
  else
    out.set("label", names.front());
  out.set("probabilities", rounded(prediction.probabilities));
  out.set("logits", rounded(logits));
  return out.dump();
}

// "good\t98.1%\t[logits]", of several labels "joy 98.1%, fear 60.2%\t[logits]", of numbers "3.25".
std::string text_line(const Predictor& model, const Prediction& prediction, const std::vector<double>& logits) {
  if (predicts_numbers(model)) return numbers(logits, ", ");
  std::string labels;
  for (const std::int32_t k : prediction.chosen) {
    labels += (labels.empty() ? "" : ", ") + printable(model.label_names()[static_cast<std::size_t>(k)]) +
              (predicts_several(model) ? " " : "\t") +
              percent_text(prediction.probabilities[static_cast<std::size_t>(k)]);
  }
  return (labels.empty() ? "-" : labels) + "\t[" + numbers(logits, ", ") + "]";
}

// The output that is explained: the label that is predicted, or the likeliest; of several numbers the first.
std::int32_t explained_output(const Predictor& model, const Prediction& prediction, const std::vector<double>& logits) {
  if (predicts_numbers(model)) return 0;
  if (!prediction.chosen.empty()) return prediction.chosen.front();
  return static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
}

void print(const PredictFlags& flags, const Predictor& model, const std::string& text, const std::string* second,
           const std::vector<double>& logits) {
  const std::string& format = flags.format;
  const Prediction prediction = model.task().predict(logits);
  std::optional<Explanation> explanation;
  if (flags.explain) explanation = model.explain(text, second, explained_output(model, prediction, logits));
  std::string line;
  if (format == "csv") {
    line = csv_line(model, prediction, logits);
  } else if (format == "jsonl") {
    line = json_line(model, prediction, logits, explanation ? &*explanation : nullptr);
  } else {
    line = text_line(model, prediction, logits) + "\t" + printable(text, 100);
    if (explanation) line += "\n  " + explanation_text(*explanation, isatty(STDOUT_FILENO) != 0);
  }
  std::puts(line.c_str());
}

int predict(PredictFlags& flags) {
  if (flags.explain && flags.format == "csv") throw UsageError("--explain needs --format text or jsonl");
  flags.predictor.prepare();
  flags.find_column();
  TextSource source = flags.source();
  std::optional<TextSource> second_source = flags.second_source();
  const std::unique_ptr<Predictor> model = flags.predictor.open(second_source.has_value());
  // A signal that is caught does not end the wait for a line of standard input; one that is not ends the program.
  if (!reads_standard_input(flags)) catch_interrupts("predict ends after the current batch");
  if (flags.format == "csv") {
    check_csv_labels(*model);
    print_csv_header(*model);
  }
  Progress progress("Predicting", 0);
  std::int64_t done = 0;
  while (!interrupted()) {
    const std::vector<std::string> texts = source.next(static_cast<std::size_t>(flags.predictor.batch_size));
    if (texts.empty()) break;
    std::vector<std::string> second;
    if (second_source) second = second_source->next(texts.size());
    const std::vector<std::vector<double>> logits = flags.predictor.logits(*model, texts, second, done);
    progress.clear();
    for (std::size_t i = 0; i < texts.size(); ++i)
      print(flags, *model, texts[i], second_source ? &second[i] : nullptr, logits[i]);
    done += static_cast<std::int64_t>(texts.size());
    progress.update(done, "texts");
  }
  progress.clear();
  if (model->truncated() > 0)
    std::fprintf(stderr, "predict: note: %lld texts reached the model's length and may have been cut\n",
                 static_cast<long long>(model->truncated()));
  return interrupted() ? kInterruptedExit : 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription = "Labels texts with a trained model: a class, several labels, or numbers.";
  return attune::run_program({"predict", kDescription}, [&](attune::CommandLine& app) {
    attune::PredictFlags flags;
    flags.declare(app);
    return app.parse(argc, argv) ? attune::predict(flags) : 0;
  });
}
