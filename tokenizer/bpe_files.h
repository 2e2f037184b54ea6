// The files of a byte-level BPE model: vocab.json + merges.txt, or the "model" of a tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/vocabulary.h"

namespace attune {

/// Adds every member of a {"token": id} object.
void read_vocab(const json::Value& tokens, Vocabulary& vocabulary);

/// The merges of a merges.txt whose content is `text`: "left right" per line after an optional "#version" line. Throws
/// Error "<file>:<line>: ..." on any other line and on tokens the vocabulary lacks.
std::vector<BpeMerge> read_merges_txt(std::string_view text, const std::string& file, const Vocabulary& vocabulary);

/// A vocab.json and the content of a merges.txt, as GPT2Tokenizer or RobertaTokenizer load them: with their special
/// tokens and template. Without a tokenizer_class, a vocabulary that holds "<s>" and "</s>" is RoBERTa's.
PipelineParts read_bpe_parts(const json::Value& vocab, std::string_view merges, const std::string& merges_name,
                             const TokenizerConfig& config);

/// The model of a tokenizer.json of type BPE; its tokens are added to `vocabulary`.
std::unique_ptr<TextModel> read_bpe(const json::Value& root, Vocabulary& vocabulary);

}  // namespace attune
