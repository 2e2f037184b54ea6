// Turns texts into ids and shows them, their digest or their lengths; or trains a tokenizer on them.
//
//   tokenize --tokenizer DIR --text "Hello world" --format tokens
//   tokenize --tokenizer DIR --csv train.csv --column text --max_length 256 --format digest
//   tokenize --train bpe --vocab_size 8000 --csv train.csv --output DIR
#include "apps/support/flag_checks.h"
#include "apps/support/main.h"
#include "apps/support/print_ids.h"
#include "apps/support/text_source.h"
#include "apps/support/train_tokenizer.h"
#include "base/parallel.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

struct Flags {
  std::string tokenizer, csv, column = "text", jsonl, field = "text", format = "ids";
  std::vector<std::string> texts;
  EncodeOptions encode;
  bool literal = false;
  int threads = 0;
  TrainTokenizerOptions train;
};

void declare_source(CommandLine& app, Flags& flags) {
  app.add_option("--text", flags.texts, "A text; may be given more than once")->may_be_empty();
  Flag* table = app.add_option("--csv", flags.csv, "CSV file with a header row");
  app.add_option("--column", flags.column, "Column of the CSV file")->needs(table)->capture_default_str();
  Flag* lines = app.add_option("--jsonl", flags.jsonl, "File with a JSON object per line; - is standard input");
  app.add_option("--field", flags.field, "Field of the JSON objects")->needs(lines)->capture_default_str();
}

Flag* declare_encoding(CommandLine& app, Flags& flags) {
  Flag* tokenizer = app.add_option("--tokenizer", flags.tokenizer,
                                   "Folder with tokenizer.json, vocab.json + merges.txt, or vocab.txt");
  app.add_option("--max_length", flags.encode.max_length, "Cut to this many ids, special tokens included; 0: whole")
      ->check(count_from(0))
      ->needs(tokenizer)
      ->capture_default_str();
  app.add_flag("--special,!--no-special", flags.encode.add_special_tokens,
               "Put the template's special tokens around each text (default)")
      ->needs(tokenizer);
  app.add_flag("--literal", flags.literal, "Treat special tokens in a text as plain text")->needs(tokenizer);
  app.add_option("--format", flags.format,
                 "ids, tokens, jsonl (ids, type_ids and tokens), digest (as JSON), or lengths")
      ->check(one_of({"ids", "tokens", "jsonl", "digest", "lengths"}))
      ->needs(tokenizer)
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "Threads; 0: all cores")->check(thread_count())->capture_default_str();
  return tokenizer;
}

void declare_training(CommandLine& app, TrainTokenizerOptions& train, const Flag* tokenizer) {
  auto* kind = app.add_option("--train", train.kind, "Train a tokenizer: bpe (byte-level) or wordpiece")
                   ->check(one_of({"bpe", "wordpiece"}))
                   ->excludes(tokenizer);
  auto* size = app.add_option("--vocab_size", train.vocab_size, "Tokens to train, special ones included")
                   ->check(count_from(1))
                   ->needs(kind);
  auto* output = app.add_option("--output", train.output, "Folder for the trained tokenizer's files")->needs(kind);
  kind->needs(size)->needs(output);
  app.add_option("--min_frequency", train.min_frequency, "Minimum count of a pair that becomes a token")
      ->check(count_from(1))
      ->needs(kind)
      ->capture_default_str();
  app.add_option("--special_token", train.special_tokens,
                 "Special tokens in order of id (default: <|endoftext|> for bpe; [PAD] [UNK] [CLS] [SEP] [MASK] for "
                 "wordpiece); may be given more than once")
      ->needs(kind);
  app.add_flag("--cased", train.cased, "WordPiece: keep upper case and accents")->needs(kind);
}

TextSource open_source(const Flags& flags) {
  if (!flags.texts.empty() + !flags.csv.empty() + !flags.jsonl.empty() != 1)
    throw UsageError("give the texts with exactly one of --text, --csv and --jsonl");
  if (!flags.csv.empty()) return TextSource::from_csv(flags.csv, flags.column);
  if (!flags.jsonl.empty()) return TextSource::from_jsonl(flags.jsonl, flags.field);
  return TextSource::from_texts(flags.texts);
}

int run(const Flags& flags) {
  if (flags.tokenizer.empty() && flags.train.kind.empty()) throw UsageError("--tokenizer is required (or --train)");
  if (flags.train.cased && flags.train.kind != "wordpiece") throw UsageError("--cased needs --train wordpiece");
  if (flags.threads > 0) set_num_threads(flags.threads);
  TextSource texts = open_source(flags);
  if (!flags.train.kind.empty()) {
    const std::int64_t tokens = train_tokenizer(flags.train, texts);
    std::cout << flags.train.output << ": " << tokens << " tokens" << std::endl;
    return 0;
  }
  EncodeOptions options = flags.encode;
  options.parse_special = !flags.literal;
  print_ids(*load_tokenizer(flags.tokenizer), texts, options, flags.format, std::cout);
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription =
      "Turns texts into the ids of a Hugging Face tokenizer folder, or trains a tokenizer on them.";
  return attune::run_program({"tokenize", kDescription}, [&](attune::CommandLine& app) {
    attune::Flags flags;
    attune::declare_source(app, flags);
    attune::declare_training(app, flags.train, attune::declare_encoding(app, flags));
    return app.parse(argc, argv) ? attune::run(flags) : 0;
  });
}
