#include "apps/support/encode.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t kTextsPerPiece = 16;

// A text or pair; cut, it is one window.
struct Encoded {
  Windows windows;
  std::vector<std::int32_t> type_ids;  // only of a pair
};

Encoded encoded(const Tokenizer& tokenizer, const std::string& text, const std::string* second, const BatchForm& form) {
  const EncodeOptions options{.max_length = form.max_length};
  if (form.windows) return {tokenizer.encode_windows(text, options, form.windows->overlap), {}};
  Encoding one = second == nullptr ? tokenizer.encode(text, options) : tokenizer.encode_pair(text, *second, options);
  const std::int64_t length = std::ssize(one.ids);
  return {{.ids = std::move(one.ids), .lengths = {length}}, std::move(one.type_ids)};
}

}  // namespace

Dataset encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                     std::span<const std::string> second, const BatchForm& form) {
  CHECK(second.empty() || second.size() == texts.size(), second.size(), " second texts for ", texts.size(), " texts");
  CHECK(second.empty() || !form.windows, "the model reads long texts in windows; it cannot read pairs of texts");
  std::vector<Encoded> all(texts.size());
  parallel_for(std::ssize(texts), kTextsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      all[i] = encoded(tokenizer, texts[i], second.empty() ? nullptr : &second[i], form);
  });
  std::vector<std::int64_t> starts{0}, firsts{0};
  std::vector<std::int32_t> ids, type_ids;
  for (const auto& [windows, types] : all) {
    ids.insert(ids.end(), windows.ids.begin(), windows.ids.end());
    if (!second.empty()) type_ids.insert(type_ids.end(), types.begin(), types.end());
    for (const std::int64_t length : windows.lengths) starts.push_back(starts.back() + length);
    firsts.push_back(std::ssize(starts) - 1);
  }
  Dataset out{.name = "texts",
              .ids = Tensor::from(ids, {std::ssize(ids)}),
              .starts = Tensor::from(starts, {std::ssize(starts)}),
              .type_ids = {},
              .labels = {}};
  if (!second.empty()) out.type_ids = Tensor::from(type_ids, {std::ssize(type_ids)});
  if (form.windows) out.windows = Tensor::from(firsts, {std::ssize(firsts)});
  return out;
}

std::int64_t room_for_text(const Tokenizer& tokenizer, std::int64_t max_length) {
  return max_length - std::ssize(tokenizer.encode("", {}).ids);
}

void check_segments(const Classifier& model, const Dataset& examples) {
  const std::int64_t segments = model.segments();
  if (segments == 0 || !examples.type_ids.defined()) return;
  for (const std::int32_t segment : examples.type_ids.values<std::int32_t>())
    CHECK(segment < segments, examples.name, ": the tokenizer gives segment ", segment,
          " to a second text, but the model has only ", segments, " token types");
}

}  // namespace attune
