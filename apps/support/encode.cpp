#include "apps/support/encode.h"

#include <vector>

#include "base/check.h"
#include "base/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t kTextsPerPiece = 16;

}  // namespace

Dataset encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                     std::span<const std::string> second, std::int64_t max_length) {
  CHECK(second.empty() || second.size() == texts.size(), second.size(), " second texts for ", texts.size(), " texts");
  const EncodeOptions options{.max_length = max_length};
  std::vector<Encoding> encodings(texts.size());
  parallel_for(std::ssize(texts), kTextsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      encodings[i] =
          second.empty() ? tokenizer.encode(texts[i], options) : tokenizer.encode_pair(texts[i], second[i], options);
  });
  std::vector<std::int64_t> starts{0};
  std::vector<std::int32_t> ids, type_ids;
  for (const Encoding& encoding : encodings) {
    ids.insert(ids.end(), encoding.ids.begin(), encoding.ids.end());
    if (!second.empty()) type_ids.insert(type_ids.end(), encoding.type_ids.begin(), encoding.type_ids.end());
    starts.push_back(std::ssize(ids));
  }
  Dataset out{.name = "texts",
              .ids = Tensor::from(ids, {std::ssize(ids)}),
              .starts = Tensor::from(starts, {std::ssize(starts)}),
              .type_ids = {},
              .labels = {}};
  if (!second.empty()) out.type_ids = Tensor::from(type_ids, {std::ssize(type_ids)});
  return out;
}

void check_segments(const Classifier& model, const Dataset& examples) {
  const std::int64_t segments = model.segments();
  if (segments == 0 || !examples.type_ids.defined()) return;
  for (const std::int32_t segment : examples.type_ids.values<std::int32_t>())
    CHECK(segment < segments, examples.name, ": the tokenizer gives segment ", segment,
          " to a second text, but the model has only ", segments, " token types");
}

}  // namespace attune
