#include "apps/support/train_tokenizer.h"

#include "base/check.h"
#include "base/printable.h"
#include "engine/io/file_set.h"
#include "engine/io/locked_folder.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/wordpiece_trainer.h"

namespace attune {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

template <class Trainer>
auto train_on(Trainer trainer, TextSource& texts) {
  constexpr std::size_t kBlock = 4096;
  for (auto block = texts.next(kBlock); !block.empty(); block = texts.next(kBlock))
    for (const std::string& text : block) trainer.add(text);
  return trainer.train();
}

std::pair<std::size_t, Files> train_bpe(const TrainTokenizerOptions& options, TextSource& texts) {
  BpeTrainerOptions bpe{.vocab_size = options.vocab_size, .min_frequency = options.min_frequency};
  if (!options.special_tokens.empty()) bpe.special_tokens = options.special_tokens;
  const TrainedBpe trained = train_on(BpeTrainer(bpe), texts);
  return {trained.tokens.size(), bpe_files(trained, bpe)};
}

std::pair<std::size_t, Files> train_wordpiece(const TrainTokenizerOptions& options, TextSource& texts) {
  WordPieceTrainerOptions wordpiece{.vocab_size = options.vocab_size, .min_frequency = options.min_frequency};
  if (!options.special_tokens.empty()) wordpiece.special_tokens = options.special_tokens;
  wordpiece.normalizer.lowercase = wordpiece.normalizer.strip_accents = !options.cased;
  const auto tokens = train_on(WordPieceTrainer(wordpiece), texts);
  return {tokens.size(), wordpiece_files(tokens, wordpiece)};
}

}  // namespace

std::int64_t train_tokenizer(const TrainTokenizerOptions& options, TextSource& texts) {
  CHECK(options.kind == "bpe" || options.kind == "wordpiece", "no such kind of tokenizer: ", options.kind);
  const LockedFolder output(options.output);
  for (const std::string& name : files_of(options.output))
    CHECK(!name.ends_with(".safetensors") && !name.ends_with(".bin"), options.output, ": has the weights of a model (",
          printable(name), "), for which ids of another tokenizer have no meaning; name another folder");
  const auto [tokens, files] = options.kind == "bpe" ? train_bpe(options, texts) : train_wordpiece(options, texts);
  FileSet set(options.output, "tokenizer.json");
  for (const auto& [name, content] : files) set.add(name, content);
  for (const char* name : {"vocab.json", "merges.txt", "vocab.txt", "tokenizer_config.json"}) set.supersede(name);
  set.commit();
  return static_cast<std::int64_t>(tokens);
}

}  // namespace attune
