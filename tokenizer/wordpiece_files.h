// The files of a WordPiece model: vocab.txt, or the "model" of a tokenizer.json.
#pragma once

#include <memory>
#include <string>

#include "json/value.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/vocabulary.h"

namespace attune {

/// Adds the tokens of a vocab.txt whose content is `text`: one per line, the id is the line's number from 0. Throws
/// Error
/// "<file>:<line>: ..." on an empty line, a token that appeared before, and text that is not UTF-8.
void read_vocab_txt(std::string_view text, const std::string& file, Vocabulary& vocabulary);

/// The tokenizer of a vocab.txt whose content is `text`, as BertTokenizer creates it: `config` gives do_lower_case,
/// strip_accents and tokenize_chinese_chars, and the spelling of the special tokens.
PipelineParts read_wordpiece(std::string_view text, const std::string& file, const TokenizerConfig& config);

/// The model of a tokenizer.json of type WordPiece; its tokens are added to `vocabulary`.
std::unique_ptr<TextModel> read_wordpiece(const json::Value& root, Vocabulary& vocabulary);

}  // namespace attune
