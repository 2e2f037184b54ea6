// Text to ids and back: the interface of every tokenizer, for any algorithm.
//
// A tokenizer is immutable once loaded and may be used from many threads at once. Encoding a text is: find added
// tokens, normalise, split, apply the model, cut to max_length, then put the template's special tokens around it
// (reference-library order: huggingface/tokenizers).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// Ids of one text or pair, with the template's special tokens.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;  // segment of each id: all 0 except for the second text of a BERT pair
  bool cut = false;                    // whether the text or the pair has more ids than fit
};

/// A text as windows: pieces of its ids, each with the template's special tokens.
struct Windows {
  std::vector<std::int32_t> ids;      // of all windows, one after the other
  std::vector<std::int64_t> lengths;  // ids of each
  std::int64_t before = 0;            // special tokens in front of each piece
  std::int64_t after = 0;             // and after it
};

struct EncodeOptions {
  /// Longest result, special tokens included; the text is cut from the right (pairs: longest first). 0: no limit.
  std::int64_t max_length = 0;
  /// Whether the template ([CLS] ... [SEP] and the like) is put around the text.
  bool add_special_tokens = true;
  /// Whether special tokens written out in the text (e.g. "<|endoftext|>") are recognised; otherwise they are plain
  /// text.
  bool parse_special = true;
};

/// A file of a tokenizer, with the bytes that were read.
struct TokenizerFile {
  std::string path, text;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Throws Error on text that is not valid UTF-8 (naming the byte offset) and if max_length is too short for the
  /// template.
  virtual Encoding encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  virtual Encoding encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options = {}) const = 0;
  /// All ids of a text, in windows of at most max_length. Each window begins with the last `overlap` ids of the text
  /// that the one before it has, and the last one ends with the text; a text that fits is one window, with the ids of
  /// encode(). Throws Error as encode(), and if `overlap` is negative or not smaller than the room for the text in a
  /// window.
  virtual Windows encode_windows(std::string_view text, const EncodeOptions& options, std::int64_t overlap) const = 0;
  /// The ids of every text, in order; runs on all threads of the pool.
  std::vector<std::vector<std::int32_t>> encode_batch(std::span<const std::string> texts,
                                                      const EncodeOptions& options = {}) const;

  /// Text of the ids; skip_special drops special tokens. Throws Error on an id outside the vocabulary.
  virtual std::string decode(std::span<const std::int32_t> ids, bool skip_special = false) const = 0;

  /// Number of ids, added tokens included (the largest id + 1).
  virtual std::int32_t vocab_size() const = 0;
  /// The spelling of an id as the vocabulary file has it (e.g. "Ġthe", "##ing"). Throws Error outside the vocabulary.
  virtual std::string token(std::int32_t id) const = 0;
  /// The id of a vocabulary spelling, or -1.
  virtual std::int32_t id(std::string_view token) const = 0;
  /// The id that fills batches to equal lengths (GPT-2: <|endoftext|>), or -1 if the tokenizer has none.
  virtual std::int32_t pad_id() const = 0;
  /// The files that load_tokenizer read, as they were then: for the folder of a saved model.
  virtual const std::vector<TokenizerFile>& files() const = 0;
};

/// Loads the tokenizer of a Hugging Face folder: tokenizer.json if there is one, otherwise vocab.json + merges.txt
/// (byte-level BPE; or OpenAI's names encoder.json + vocab.bpe) or vocab.txt (WordPiece), with tokenizer_config.json in
/// the same folder. Throws Error naming the file (and line or key) of everything that is missing, malformed or of an
/// unsupported kind.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& folder);

}  // namespace attune
