// Classifies texts with a saved model: label, probabilities and logits as text, CSV or JSON lines, in the order of the
// input. Texts are read, classified and printed in batches, so that memory does not grow with the input.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>

#include "apps/support/flag_checks.h"
#include "apps/support/interrupt.h"
#include "apps/support/main.h"
#include "apps/support/memory_advice.h"
#include "apps/support/predictor.h"
#include "apps/support/progress.h"
#include "apps/support/text_source.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "engine/io/csv.h"
#include "json/value.h"

namespace attune {
namespace {

struct PredictFlags {
  std::string model_dir, tokenizer, csv, column = "text", jsonl, field = "text", format = "text";
  PlacementFlags placement;
  std::vector<std::string> texts;
  std::int64_t batch_size = 32;
  int threads = 0;

  void declare(CommandLine& app) {
    app.add_option("--model_dir", model_dir, "Folder of the model: one of attune's, or one of save_pretrained")
        ->required();
    app.add_option("--tokenizer", tokenizer, "Folder of the tokenizer; otherwise the model's");
    auto* text = app.add_option("--text", texts, "A text; may be repeated");
    auto* table = app.add_option("--csv", csv, "Classify a column of a CSV file")->excludes(text);
    app.add_option("--column", column, "Column of --csv")->capture_default_str();
    app.add_option("--jsonl", jsonl, "Classify a field of a JSON-lines file (- is standard input)")
        ->excludes(text)
        ->excludes(table);
    app.add_option("--field", field, "Field of --jsonl")->capture_default_str();
    app.add_option("--format", format, "text, csv or jsonl")
        ->check(one_of({"text", "csv", "jsonl"}))
        ->capture_default_str();
    app.add_option("--batch_size", batch_size, "Texts per batch")->check(count_from(1, 65535))->capture_default_str();
    placement.declare(app, "");
    app.add_option("--threads", threads, "CPU threads; 0: all cores")->check(thread_count())->capture_default_str();
    app.footer("Without --text, --csv or --jsonl, every line of standard input is a text.");
  }

  TextSource source() const {
    if (!texts.empty()) return TextSource::from_texts(texts);
    if (!csv.empty()) return TextSource::from_csv(csv, column);
    if (!jsonl.empty()) return TextSource::from_jsonl(jsonl, field);
    return TextSource::from_lines(std::cin);
  }
};

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

void print_header(const PredictFlags& flags, const std::vector<std::string>& labels) {
  if (flags.format != "csv") return;
  std::string line = "label";
  for (const char* kind : {"probability_", "logit_"})
    for (const std::string& label : labels) line += "," + csv_field(kind + label);
  std::puts(line.c_str());
}

void print(const PredictFlags& flags, const std::vector<std::string>& labels, const std::string& text,
           const Prediction& prediction) {
  const auto winner = static_cast<std::size_t>(prediction.label);
  std::string line;
  if (flags.format == "csv") {
    line = csv_field(labels[winner]) + "," + numbers(prediction.probabilities, ",") + "," +
           numbers(prediction.logits, ",");
  } else if (flags.format == "jsonl") {
    line = json::Value::object({{"label", labels[winner]},
                                {"probabilities", rounded(prediction.probabilities)},
                                {"logits", rounded(prediction.logits)}})
               .dump();
  } else {
    std::array<char, 16> percent{};
    std::snprintf(percent.data(), percent.size(), "%.1f%%", 100 * prediction.probabilities[winner]);
    line = printable(labels[winner]) + "\t" + percent.data() + "\t[" + numbers(prediction.logits, ", ") + "]\t" +
           printable(text, 100);
  }
  std::puts(line.c_str());
}

// Predictions for one batch; where memory ends, with what would need less.
std::vector<Prediction> predict_batch(const PredictFlags& flags, const Predictor& model,
                                      const std::vector<std::string>& texts) {
  try {
    return model.predict(texts);
  } catch (const OutOfMemory& error) {
    std::vector<std::string> ways = flags.placement.memory_savers();
    if (texts.size() > 1) ways.insert(ways.begin(), "a smaller --batch_size");
    throw OutOfMemory(error.what() + memory_advice(ways));
  }
}

int predict(const PredictFlags& flags) {
  flags.placement.prepare();
  if (flags.threads > 0) set_num_threads(flags.threads);
  TextSource source = flags.source();
  const std::unique_ptr<Predictor> model = open_predictor(flags.model_dir, flags.tokenizer, flags.placement);
  catch_interrupts();
  print_header(flags, model->label_names());
  Progress progress("Predicting", 0);
  std::int64_t done = 0;
  while (!interrupted()) {
    const std::vector<std::string> texts = source.next(static_cast<std::size_t>(flags.batch_size));
    if (texts.empty()) break;
    const std::vector<Prediction> predictions = predict_batch(flags, *model, texts);
    progress.clear();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CHECK(std::ranges::all_of(predictions[i].logits, [](double z) { return std::isfinite(z); }), flags.model_dir,
            ": the logits of text ", done + static_cast<std::int64_t>(i) + 1,
            " are not finite; the model is damaged or its training has failed");
      print(flags, model->label_names(), texts[i], predictions[i]);
    }
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
  attune::CommandLine app("Classifies texts with a trained model.", "predict");
  attune::PredictFlags flags;
  flags.declare(app);
  return attune::run_program(app, argc, argv, [&] { return attune::predict(flags); });
}
