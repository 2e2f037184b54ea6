#include "models/linear/word_table.h"

#include <cstring>
#include <limits>

#include "base/check.h"

namespace attune {
namespace {

// Up to the first eight bytes; distinct for distinct words of one length up to eight.
std::uint64_t head_of(std::string_view word) {
  const char* p = word.data();
  const std::size_t n = word.size();
  std::uint64_t head = 0;
  if (n >= 8) {
    std::memcpy(&head, p, 8);
  } else if (n >= 4) {
    std::uint32_t low, high;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + n - 4, 4);
    head = low | static_cast<std::uint64_t>(high) << 32;
  } else {
    for (std::size_t i = 0; i < n; ++i) head |= static_cast<std::uint64_t>(static_cast<unsigned char>(p[i])) << (8 * i);
  }
  return head;
}

std::uint64_t hash_of(std::string_view word, std::uint64_t head) {
  std::uint64_t hash = hash_words(head, word.size());
  for (std::size_t at = 8; at < word.size(); at += 8) hash = hash_words(hash, head_of(word.substr(at)));
  return hash;
}

}  // namespace

bool WordTable::holds(const Slot& slot, std::string_view word, std::uint64_t head) const {
  return slot.head == head && slot.length == word.size() && slot.id >= 0 &&
         (word.size() <= 8 || std::memcmp(bytes_.data() + starts_[static_cast<std::size_t>(slot.id)] + 8,
                                          word.data() + 8, word.size() - 8) == 0);
}

std::int32_t WordTable::find(std::string_view word) const {
  const std::uint64_t head = head_of(word);
  return slots_.locate(hash_of(word, head), [&](const Slot& slot) { return holds(slot, word, head); }).id;
}

std::int32_t WordTable::insert(std::string_view word) {
  const std::uint64_t head = head_of(word);
  Slot& slot = slots_.locate(hash_of(word, head), [&](const Slot& other) { return holds(other, word, head); });
  if (!slot.is_free()) return slot.id;
  CHECK(size() < std::numeric_limits<std::int32_t>::max(), "a vocabulary has at most 2^31 - 1 words");
  CHECK(word.size() <= std::numeric_limits<std::uint32_t>::max(), "a word of ", word.size(), " bytes is too long");
  const std::int32_t id = size();
  slot = {head, static_cast<std::uint32_t>(word.size()), id};
  bytes_.append(word);
  starts_.push_back(bytes_.size());
  if (starts_.size() > slots_.capacity())
    slots_.grow([this](const Slot& known) { return hash_of(this->word(known.id), known.head); });
  return id;
}

}  // namespace attune
