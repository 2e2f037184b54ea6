// Turns texts into ids and shows them, their digest or their lengths.
//
//   tokenize --tokenizer DIR --text "Hello world" --format tokens
//   tokenize --tokenizer DIR --csv train.csv --column text --max_length 256 --format digest
#include "apps/support/id_report.h"
#include "apps/support/main.h"
#include "apps/support/text_source.h"
#include "base/parallel.h"
#include "tokenizer/tokenizer.h"

#include <memory>
#include <nlohmann/json.hpp>

namespace attune {
namespace {

constexpr std::size_t kBlock = 4096;  // texts encoded at a time

struct Flags {
  std::string tokenizer, csv, column = "text", jsonl, field = "text", format = "ids";
  std::vector<std::string> texts;
  EncodeOptions encode;
  bool literal = false;
  int threads = 0;
};

void declare(CLI::App& app, Flags& flags) {
  app.add_option("--tokenizer", flags.tokenizer, "Folder with tokenizer.json, vocab.json + merges.txt, or vocab.txt")
      ->required();
  app.add_option("--text", flags.texts, "A text; may be given more than once");
  app.add_option("--csv", flags.csv, "CSV file with a header row");
  app.add_option("--column", flags.column, "Column of the CSV file")->capture_default_str();
  app.add_option("--jsonl", flags.jsonl, "File with a JSON object per line; - is standard input");
  app.add_option("--field", flags.field, "Field of the JSON objects")->capture_default_str();
  app.add_option("--max_length", flags.encode.max_length, "Cut to this many ids, special tokens included; 0: whole")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--special,!--no-special", flags.encode.add_special_tokens,
               "Put the template's special tokens around each text (default)");
  app.add_flag("--literal", flags.literal, "Take special tokens written in a text for plain text");
  app.add_option("--format", flags.format,
                 "ids, tokens, jsonl (ids, type_ids and tokens), digest (as JSON), or lengths")
      ->check(CLI::IsMember({"ids", "tokens", "jsonl", "digest", "lengths"}))
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "Threads; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

TextSource open_source(const Flags& flags) {
  if (!flags.texts.empty() + !flags.csv.empty() + !flags.jsonl.empty() != 1)
    throw UsageError("give the texts with exactly one of --text, --csv and --jsonl");
  if (!flags.csv.empty()) return TextSource::from_csv(flags.csv, flags.column);
  if (!flags.jsonl.empty()) return TextSource::from_jsonl(flags.jsonl, flags.field);
  return TextSource::from_texts(flags.texts);
}

void print_jsonl(const Tokenizer& tokenizer, const Encoding& encoding) {
  nlohmann::ordered_json row = {
      {"ids", encoding.ids}, {"type_ids", encoding.type_ids}, {"tokens", nlohmann::json::array()}};
  for (const std::int32_t id : encoding.ids) row["tokens"].push_back(tokenizer.token(id));
  std::cout << row.dump() << "\n";
}

void print_row(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, bool as_tokens) {
  std::string line;
  for (const std::int32_t id : ids) {
    if (!line.empty()) line += ' ';
    line += as_tokens ? tokenizer.token(id) : std::to_string(id);
  }
  std::cout << line << "\n";
}

// Whole rows, and rows cut to max_length where that is given.
void print_digest(const Tokenizer& tokenizer, TextSource& source, const EncodeOptions& options) {
  constexpr std::int64_t kUsualLength = 256;
  EncodeOptions whole = options;
  whole.max_length = 0;
  LengthReport lengths;
  IdDigest full, cut;
  for (auto texts = source.next(kBlock); !texts.empty(); texts = source.next(kBlock)) {
    for (const auto& ids : tokenizer.encode_batch(texts, whole)) {
      full.add(ids);
      lengths.add(ids.size());
    }
    if (options.max_length > 0)
      for (const auto& ids : tokenizer.encode_batch(texts, options)) cut.add(ids);
  }
  const std::int64_t limit = options.max_length > 0 ? options.max_length : kUsualLength;
  const auto rounded = [](double value, double unit) { return std::round(value * unit) / unit; };
  nlohmann::ordered_json report = {{"rows", lengths.rows()},
                                   {"ids", lengths.total()},
                                   {"max_length", lengths.longest()},
                                   {"mean_length", rounded(lengths.mean(), 1e3)},
                                   {str_cat("share_over_", limit), rounded(lengths.share_over(limit), 1e5)},
                                   {"full", full.hex()}};
  if (options.max_length > 0) report[str_cat("truncated_", options.max_length)] = cut.hex();
  std::cout << report.dump(1) << "\n";
}

int run(const Flags& flags) {
  if (flags.threads > 0) set_num_threads(flags.threads);
  TextSource source = open_source(flags);
  const auto tokenizer = load_tokenizer(flags.tokenizer);
  EncodeOptions options = flags.encode;
  options.parse_special = !flags.literal;
  LengthReport lengths;
  if (flags.format == "digest") {
    print_digest(*tokenizer, source, options);
    return 0;
  }
  for (auto texts = source.next(kBlock); !texts.empty(); texts = source.next(kBlock)) {
    if (flags.format == "jsonl") {
      for (const std::string& text : texts) print_jsonl(*tokenizer, tokenizer->encode(text, options));
      continue;
    }
    for (const auto& ids : tokenizer->encode_batch(texts, options)) {
      if (flags.format == "lengths")
        lengths.add(ids.size());
      else
        print_row(*tokenizer, ids, flags.format == "tokens");
    }
  }
  if (flags.format == "lengths") lengths.print(std::cout);
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  CLI::App app("Turns texts into the ids of a Hugging Face tokenizer folder.", "tokenize");
  attune::Flags flags;
  attune::declare(app, flags);
  return attune::run_program(app, argc, argv, [&] { return attune::run(flags); });
}
