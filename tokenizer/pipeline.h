// The one implementation of Tokenizer: added tokens, normaliser, model, template, in the reference's order.
//
//   text -> raw added tokens | rest -> normalise -> normalised added tokens | rest -> model -> cut, template
#pragma once

#include <memory>

#include "tokenizer/added_tokens.h"
#include "tokenizer/template.h"
#include "tokenizer/text_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace attune {

/// The contents of a tokenizer's files, collected by a loader.
struct PipelineParts {
  Vocabulary vocabulary;  // added tokens included
  std::vector<AddedToken> added_tokens;
  std::unique_ptr<TextModel> model;
  Template post_template;
  std::int32_t pad_id = -1;
  std::vector<TokenizerFile> files;
};

class Pipeline final : public Tokenizer {
 public:
  explicit Pipeline(PipelineParts parts);

  Encoding encode(std::string_view text, const EncodeOptions& options) const override;
  Encoding encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options) const override;
  Windows encode_windows(std::string_view text, const EncodeOptions& options, std::int64_t overlap) const override;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override;
  std::int32_t vocab_size() const override { return parts_.vocabulary.size(); }
  std::string token(std::int32_t id) const override { return std::string(parts_.vocabulary.token(id)); }
  std::int32_t id(std::string_view token) const override { return parts_.vocabulary.id(token); }
  std::int32_t pad_id() const override { return parts_.pad_id; }
  const std::vector<TokenizerFile>& files() const override { return parts_.files; }

 private:
  /// The ids of a text before cutting; at least its first `limit` ids, and exactly those that precede the stop.
  std::vector<std::int32_t> text_ids(std::string_view text, bool parse_special, std::size_t limit) const;

  PipelineParts parts_;
  AddedTokens added_;
};

}  // namespace attune
