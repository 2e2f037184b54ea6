#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include "base/check.h"
#include "base/printable.h"
#include "json/value.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/merge_learner.h"
#include "tokenizer/split.h"
#include "tokenizer/utf8.h"

namespace attune {
namespace {

using json::Value;

// The 256 bytes in order of their code points in the alphabet.
const std::array<unsigned char, 256>& bytes_in_order() {
  static const auto sorted = [] {
    std::array<unsigned char, 256> bytes{};
    std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(0));
    std::ranges::sort(bytes, {}, [](unsigned char byte) { return byte_level_alphabet()[byte]; });
    return bytes;
  }();
  return sorted;
}

bool contains(const std::vector<std::string>& tokens, const char* token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

// {"token": id} in order of id.
Value vocab_object(const std::vector<std::string>& tokens) {
  std::vector<Value::Member> members;
  for (std::size_t id = 0; id < tokens.size(); ++id) members.emplace_back(tokens[id], id);
  return Value::object(std::move(members));
}

Value token_flags(const std::string& token) {
  return Value::object({{"content", token},
                        {"single_word", false},
                        {"lstrip", token == "<mask>"},
                        {"rstrip", false},
                        {"normalized", false},
                        {"special", true}});
}

Value added_tokens(const BpeTrainerOptions& options) {
  Value out = Value::array();
  for (const std::string& token : options.special_tokens) {
    Value entry = Value::object({{"id", out.size()}});
    entry.merge(token_flags(token));
    out.push_back(std::move(entry));
  }
  return out;
}

Value byte_level(bool add_prefix_space, bool trim_offsets) {
  return Value::object({{"type", "ByteLevel"},
                        {"add_prefix_space", add_prefix_space},
                        {"trim_offsets", trim_offsets},
                        {"use_regex", true}});
}

Value post_processor(const TrainedBpe& trained, const BpeTrainerOptions& options, bool roberta) {
  if (!roberta) return byte_level(/*add_prefix_space=*/true, /*trim_offsets=*/false);
  const auto token_and_id = [&](const char* token) {
    const auto place = std::find(trained.tokens.begin(), trained.tokens.end(), token);
    return Value::array({token, place - trained.tokens.begin()});
  };
  return Value::object({{"type", "RobertaProcessing"},
                        {"sep", token_and_id("</s>")},
                        {"cls", token_and_id("<s>")},
                        {"trim_offsets", true},
                        {"add_prefix_space", options.add_prefix_space}});
}

Value config_of(const BpeTrainerOptions& options, bool roberta) {
  Value decoder = Value::object();
  for (std::size_t id = 0; id < options.special_tokens.size(); ++id)
    decoder.set(std::to_string(id), token_flags(options.special_tokens[id]));
  Value config = Value::object({{"tokenizer_class", roberta ? "RobertaTokenizer" : "GPT2Tokenizer"},
                                {"add_prefix_space", options.add_prefix_space},
                                {"added_tokens_decoder", decoder}});
  if (contains(options.special_tokens, "<pad>")) config.set("pad_token", "<pad>");
  return config;
}

}  // namespace

BpeTrainer::BpeTrainer(BpeTrainerOptions options) : options_(std::move(options)) {
  std::set<std::string> taken;
  for (const unsigned char byte : bytes_in_order()) {
    const char c = static_cast<char>(byte);
    taken.insert(to_byte_level({&c, 1}));
  }
  for (const std::string& token : options_.special_tokens) {
    utf8::check_utf8(token, "BPE training: special token");
    CHECK(!token.empty(), "BPE training: a special token is empty");
    CHECK(taken.insert(token).second, "BPE training: special token \"", printable(token),
          "\" is given twice or stands for a byte");
  }
  CHECK(options_.vocab_size >= static_cast<std::int64_t>(taken.size()), "BPE training: a vocabulary of ",
        options_.vocab_size, " tokens has no room for 256 bytes and ", options_.special_tokens.size(),
        " special tokens");
}

void BpeTrainer::add(std::string_view text) {
  utf8::check_utf8(text, "text");
  std::string prefixed;
  if (options_.add_prefix_space && !text.empty() && text.front() != ' ') {
    prefixed = str_cat(" ", text);
    text = prefixed;
  }
  for (Splitter splitter(text); !splitter.done();) ++counts_[std::string(splitter.next())];
}

TrainedBpe BpeTrainer::train() const {
  CHECK(!counts_.empty(), "BPE training: the texts are empty");
  TrainedBpe out;
  std::unordered_map<std::string, std::int32_t> ids;
  const auto id_of = [&](const std::string& token) {
    const auto [place, is_new] = ids.try_emplace(token, static_cast<std::int32_t>(out.tokens.size()));
    if (is_new) out.tokens.push_back(token);
    return place->second;
  };
  for (const std::string& token : options_.special_tokens) id_of(token);
  std::array<std::int32_t, 256> byte_ids{};
  for (const unsigned char byte : bytes_in_order()) {
    const char c = static_cast<char>(byte);
    byte_ids[byte] = id_of(to_byte_level({&c, 1}));
  }
  std::vector<CountedWord> words;
  words.reserve(counts_.size());
  for (const auto& [piece, count] : counts_) {
    CountedWord& word = words.emplace_back();
    word.count = count;
    for (const char byte : piece) word.symbols.push_back(byte_ids[static_cast<unsigned char>(byte)]);
  }
  learn_merges(std::move(words), options_.min_frequency,
               [&](std::int32_t left, std::int32_t right) -> std::optional<std::int32_t> {
                 if (static_cast<std::int64_t>(out.tokens.size()) >= options_.vocab_size) return std::nullopt;
                 const std::string a = out.tokens[static_cast<std::size_t>(left)];
                 const std::string b = out.tokens[static_cast<std::size_t>(right)];
                 out.merges.emplace_back(a, b);
                 return id_of(a + b);
               });
  return out;
}

std::vector<std::pair<std::string, std::string>> bpe_files(const TrainedBpe& trained,
                                                           const BpeTrainerOptions& options) {
  const bool roberta = contains(options.special_tokens, "<s>") && contains(options.special_tokens, "</s>");
  std::string merges_txt = "#version: 0.2\n";
  Value merges = Value::array();
  for (const auto& [left, right] : trained.merges) {
    merges_txt += left + " " + right + "\n";
    merges.push_back(Value::array({left, right}));
  }
  const Value vocab = vocab_object(trained.tokens);
  const Value split = byte_level(options.add_prefix_space, /*trim_offsets=*/true);
  const Value root = Value::object({{"version", "1.0"},
                                    {"truncation", nullptr},
                                    {"padding", nullptr},
                                    {"added_tokens", added_tokens(options)},
                                    {"normalizer", nullptr},
                                    {"pre_tokenizer", split},
                                    {"post_processor", post_processor(trained, options, roberta)},
                                    {"decoder", split},
                                    {"model", Value::object({{"type", "BPE"},
                                                             {"dropout", nullptr},
                                                             {"unk_token", nullptr},
                                                             {"continuing_subword_prefix", nullptr},
                                                             {"end_of_word_suffix", nullptr},
                                                             {"fuse_unk", false},
                                                             {"byte_fallback", false},
                                                             {"ignore_merges", false},
                                                             {"vocab", vocab},
                                                             {"merges", merges}})}});
  return {{"vocab.json", vocab.dump() + "\n"},
          {"merges.txt", merges_txt},
          {"tokenizer.json", root.dump() + "\n"},
          {"tokenizer_config.json", config_of(options, roberta).dump(1) + "\n"}};
}

}  // namespace attune
