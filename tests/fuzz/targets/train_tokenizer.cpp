// Texts that a tokenizer is trained on: its files load, and give the texts back. Input: two bytes for the kind and the
// size, texts in lines; the first is a special token.
#include <stdexcept>

#include "tests/fuzz/tokenizer_checks.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/wordpiece_trainer.h"

namespace attune::fuzz {
namespace {

template <class Files>
Pipeline load(const Files& files) {
  for (const auto& [name, content] : files)
    if (name == "tokenizer.json") return Pipeline(read_tokenizer_json(json::parse(content, name)));
  throw std::logic_error("no tokenizer.json");
}

template <class Trainer, class Options>
Trainer trained_on(const std::vector<std::string_view>& texts, const Options& options) {
  Trainer trainer(options);
  for (const std::string_view text : texts) trainer.add(text);
  return trainer;
}

}  // namespace

void run(std::string_view input) {
  if (input.size() < 2) return;
  const auto kind = static_cast<unsigned char>(input[0]), size = static_cast<unsigned char>(input[1]);
  std::vector<std::string_view> lines;
  for (std::string_view rest = input.substr(2); !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::vector<std::string> specials;
  if (!lines.empty() && !lines.front().empty()) specials.emplace_back(lines.front());
  const std::int64_t min_frequency = 1 + kind / 2 % 3;
  if (kind % 2 == 0) {
    BpeTrainerOptions options{.vocab_size = 256 + size / 8, .min_frequency = min_frequency};
    options.special_tokens = specials;
    const auto files = bpe_files(trained_on<BpeTrainer>(lines, options).train(), options);
    const Pipeline tokenizer = load(files);
    accepted();
    for (const std::string_view line : lines) check_text(tokenizer, line, {});
    return;
  }
  WordPieceTrainerOptions options{.vocab_size = size, .min_frequency = min_frequency, .limit_alphabet = 40};
  options.special_tokens.insert(options.special_tokens.end(), specials.begin(), specials.end());
  options.normalizer.lowercase = options.normalizer.strip_accents = (kind & 64) != 0;
  const auto files = wordpiece_files(trained_on<WordPieceTrainer>(lines, options).train(), options);
  const Pipeline tokenizer = load(files);
  accepted();
  for (const std::string_view line : lines) check_text(tokenizer, line, {});
}

}  // namespace attune::fuzz
