// The speed of tokenization on one core: whole texts with special tokens, without the reading of files.
//
//   bench_tokenizers --csv train.csv --csv test.csv --tokenizer DIR [--tokenizer DIR ...]
//
// One line per tokenizer: its folder, texts, bytes, ids, processor seconds of the fastest pass, megabytes (1e6 bytes)
// per second. bench/peers/time_tokenizers.py runs it together with tiktoken and Hugging Face's tokenizers and prints
// the ratios.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <functional>
#include <iomanip>
#include <iostream>

#include "base/check.h"
#include "engine/io/csv.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

struct Flags {
  std::vector<std::string> tokenizers, csv;
  std::string column = "text";
  int passes = 3;
};

// Processor time: what else the machine does troubles it little.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

void measure(const std::string& folder, const std::vector<std::string>& texts, int passes) {
  const auto tokenizer = load_tokenizer(folder);
  std::size_t bytes = 0, ids = 0;
  for (const std::string& text : texts) bytes += text.size();
  double best = 1e30;
  for (int pass = 0; pass < passes; ++pass) {
    ids = 0;
    best = std::min(best, seconds_of([&] {
                      for (const std::string& text : texts) ids += tokenizer->encode(text).ids.size();
                    }));
  }
  std::cout << folder << " texts " << texts.size() << " bytes " << bytes << " ids " << ids << " seconds " << std::fixed
            << std::setprecision(3) << best << " MB/s " << std::setprecision(1)
            << static_cast<double>(bytes) / best / 1e6 << std::endl;
}

void run(const Flags& flags) {
  std::vector<std::string> texts, fields;
  for (const std::string& path : flags.csv) {
    CsvReader reader(path);
    const std::size_t column = reader.column(flags.column);
    while (reader.next(fields)) texts.push_back(std::move(fields[column]));
  }
  for (const std::string& folder : flags.tokenizers) measure(folder, texts, flags.passes);
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  CLI::App app("Measures how fast texts become ids on one core.", "bench_tokenizers");
  attune::Flags flags;
  app.add_option("--tokenizer", flags.tokenizers, "Folder of a tokenizer; may be given more than once")->required();
  app.add_option("--csv", flags.csv, "CSV file of texts; may be given more than once")->required();
  app.add_option("--column", flags.column, "Column of the texts")->capture_default_str();
  app.add_option("--passes", flags.passes, "Passes, of which the fastest counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    attune::run(flags);
  } catch (const attune::Error& error) {
    std::cerr << "bench_tokenizers: error: " << error.what() << std::endl;
    return 1;
  }
}
