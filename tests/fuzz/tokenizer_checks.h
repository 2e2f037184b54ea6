// What holds for every tokenizer that loads, whatever its files say, and every text.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "tests/fuzz/harness.h"
#include "tokenizer/tokenizer.h"

namespace attune::fuzz {

inline void check_ids(const Tokenizer& tokenizer, const Encoding& encoding) {
  require(encoding.ids.size() == encoding.type_ids.size(), "every id has a segment");
  for (const std::int32_t id : encoding.ids)
    require(id >= 0 && id < tokenizer.vocab_size(), "every id is in the vocabulary");
  require(!utf8_error(tokenizer.decode(encoding.ids)), "decoded text is UTF-8");
  (void)tokenizer.decode(encoding.ids, true);
}

/// Encodes a text whole, and cut to `max_length` ids of the text.
inline void check_text(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options) {
  EncodeOptions plain = options;
  plain.max_length = 0;
  plain.add_special_tokens = false;
  Encoding whole;
  const bool valid = succeeds([&] { whole = tokenizer.encode(text, plain); });
  require(valid == !utf8_error(text), "exactly the texts that are not UTF-8 are refused");
  if (!valid) return;
  check_ids(tokenizer, whole);
  Encoding cut;
  if (!succeeds([&] { cut = tokenizer.encode(text, options); })) {
    require(options.max_length > 0 && options.add_special_tokens, "only a length without room is refused");
    return;
  }
  check_ids(tokenizer, cut);
  if (options.max_length > 0)
    require(std::cmp_less_equal(cut.ids.size(), options.max_length), "no more ids than max_length");
  if (options.add_special_tokens) return;
  require(std::equal(cut.ids.begin(), cut.ids.end(), whole.ids.begin()), "a cut text has the first ids");
  require(options.max_length == 0
              ? cut.ids.size() == whole.ids.size()
              : cut.ids.size() == std::min<std::size_t>(whole.ids.size(), static_cast<std::size_t>(options.max_length)),
          "a text is cut only to max_length");
  require(cut.cut == (cut.ids.size() < whole.ids.size()), "a text says whether it was cut");
}

inline void check_pair(const Tokenizer& tokenizer, std::string_view a, std::string_view b,
                       const EncodeOptions& options) {
  Encoding pair;
  if (!succeeds([&] { pair = tokenizer.encode_pair(a, b, options); })) return;
  check_ids(tokenizer, pair);
  if (options.max_length > 0)
    require(std::cmp_less_equal(pair.ids.size(), options.max_length), "no more ids than max_length");
}

/// A few texts, for tokenizers whose files are the input.
inline void check_tokenizer(const Tokenizer& tokenizer) {
  for (const std::string_view text : {"", "a b", "unaffable [MASK] words<mask> 42!",
                                      "\u4e2d\u6587 e\u0301 \u0130 </s>a", "  x\n\t <|endoftext|>  "}) {
    check_text(tokenizer, text, {});
    check_text(tokenizer, text, {.max_length = 3, .add_special_tokens = false});
    check_pair(tokenizer, text, "b a", {.max_length = 6});
  }
  for (std::int32_t id = 0; id < std::min(tokenizer.vocab_size(), 20); ++id)
    require(tokenizer.id(tokenizer.token(id)) == id, "a spelling has one id");
  require(tokenizer.pad_id() < tokenizer.vocab_size(), "the padding id is in the vocabulary");
}

}  // namespace attune::fuzz
