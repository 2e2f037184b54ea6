#include "tokenizer/vocabulary.h"

#include <algorithm>

#include "base/check.h"
#include "base/printable.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;
// A file with few tokens and one huge id must not cause a huge allocation. Added tokens, which come last, fill gaps of
// this size in any real file.
constexpr std::int64_t kMaxGap = std::int64_t{1} << 16;

}  // namespace

void Vocabulary::expect(std::size_t tokens) {
  expected_ = storage_.size() + tokens;
}

void Vocabulary::add(std::string_view token, std::int64_t id) {
  const auto tokens = static_cast<std::int64_t>(std::max(storage_.size() + 1, expected_));
  const std::int64_t end = std::min(kMaxVocabulary, tokens + kMaxGap);
  CHECK(id >= 0 && id < end, source_, ": token \"", printable(token), "\" has id ", id, ", but with ", tokens,
        " tokens the largest id may be ", end - 1);
  const auto at = static_cast<std::size_t>(id);
  if (at >= spelling_.size()) {
    spelling_.resize(at + 1);
    present_.resize(at + 1);
  }
  CHECK(!present_[at], source_, ": id ", id, " is given to both \"", printable(spelling_[at]), "\" and \"",
        printable(token), "\"");
  const std::string_view kept = storage_.emplace_back(token);
  const auto [where, inserted] = ids_.emplace(kept, static_cast<std::int32_t>(id));
  CHECK(inserted, source_, ": token \"", printable(token), "\" appears twice, with ids ", where->second, " and ", id);
  spelling_[at] = kept;
  present_[at] = true;
}

void Vocabulary::check_complete() const {
  CHECK(!spelling_.empty(), source_, ": the vocabulary is empty");
  for (std::size_t id = 0; id < present_.size(); ++id)
    CHECK(present_[id], source_, ": id ", id, " has no token, while ids go up to ", present_.size() - 1);
}

std::string_view Vocabulary::token(std::int32_t id) const {
  CHECK(id >= 0 && id < size(), "id ", id, " is outside the vocabulary of ", size(), " tokens (", source_, ")");
  return spelling_[static_cast<std::size_t>(id)];
}

std::int32_t Vocabulary::id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

}  // namespace attune
