#include "tokenizer/tokenizer.h"

#include <filesystem>

#include "base/check.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "base/read_file.h"
#include "tokenizer/bpe_files.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/wordpiece_files.h"

namespace attune {
namespace {

// Texts per piece of parallel work: about 100 microseconds.
constexpr std::int64_t kTextsPerPiece = 16;

// The padding id: from the configuration, else by the usual names.
std::int32_t find_pad_id(const TokenizerConfig& config, const Vocabulary& vocabulary) {
  const std::string named = config.token_or("pad_token", "");
  if (!named.empty()) {
    CHECK(vocabulary.id(named) >= 0, vocabulary.source(), ": pad_token \"", printable(named),
          "\" of tokenizer_config.json ", "is not in the vocabulary");
    return vocabulary.id(named);
  }
  for (const char* usual : {"[PAD]", "<pad>", "<|endoftext|>"})
    if (vocabulary.id(usual) >= 0) return vocabulary.id(usual);
  return -1;
}

}  // namespace

std::vector<std::vector<std::int32_t>> Tokenizer::encode_batch(std::span<const std::string> texts,
                                                               const EncodeOptions& options) const {
  std::vector<std::vector<std::int32_t>> out(texts.size());
  parallel_for(static_cast<std::int64_t>(texts.size()), kTextsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        out[i] = encode(texts[i], options).ids;
      } catch (const Error& error) {
        throw Error(str_cat("text number ", i, " (from 0): ", error.what()));
      }
    }
  });
  return out;
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& folder) {
  CHECK(std::filesystem::is_directory(folder), folder, ": no such folder (expected one with a tokenizer's files)");
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  const auto has = [&](const char* name) { return std::filesystem::exists(path(name)); };

  std::vector<TokenizerFile> files;
  files.reserve(4);
  const auto text_of = [&](const char* name) -> const std::string& {
    files.push_back({path(name), read_file(path(name), json::Limits{}.max_bytes, FileKind::kRegular)});
    return files.back().text;
  };
  const auto json_of = [&](const char* name) { return json::parse(text_of(name), path(name)); };
  const auto bpe = [&](const char* vocab, const char* merges, const TokenizerConfig& config) {
    const json::Value tokens = json_of(vocab);
    return read_bpe_parts(tokens, text_of(merges), path(merges), config);
  };
  const auto read = [&](const TokenizerConfig& config) {
    if (has("tokenizer.json")) return read_tokenizer_json(json_of("tokenizer.json"));
    if (has("vocab.json") && has("merges.txt")) return bpe("vocab.json", "merges.txt", config);
    if (has("encoder.json") && has("vocab.bpe")) return bpe("encoder.json", "vocab.bpe", config);
    if (has("vocab.txt")) return read_wordpiece(text_of("vocab.txt"), path("vocab.txt"), config);
    throw Error(folder + ": holds no tokenizer.json, no vocab.json with merges.txt and no vocab.txt");
  };
  TokenizerConfig config;
  if (has("tokenizer_config.json")) config = TokenizerConfig(json_of("tokenizer_config.json"));
  PipelineParts parts = read(config);
  parts.files = std::move(files);
  parts.pad_id = find_pad_id(config, parts.vocabulary);
  return std::make_unique<Pipeline>(std::move(parts));
}

}  // namespace attune
