#include "tokenizer/vocabulary.h"

#include "base/check.h"
#include "base/printable.h"

namespace attune {
namespace {

// A file with few tokens and one huge id must not cause an allocation of gigabytes: ids beyond this are gaps in any
// real file.
constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;

}  // namespace

void Vocabulary::add(std::string_view token, std::int64_t id) {
  CHECK(id >= 0 && id < kMaxVocabulary, source_, ": token \"", printable(token), "\" has id ", id, ", expected 0 to ",
        kMaxVocabulary - 1);
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
