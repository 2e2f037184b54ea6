#include "models/linear/word_table.h"

#include <cstring>
#include <limits>

#include "base/check.h"

namespace attune {
namespace {

constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio: multiplicative hashing, Knuth 6.4
constexpr std::size_t kFirstSlots = 1024;                   // a power of two

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

std::uint64_t mix(std::uint64_t x) {
  x *= kMultiplier;
  return x ^ (x >> 32);
}

std::uint64_t hash_of(std::string_view word, std::uint64_t head) {
  std::uint64_t hash = mix(head ^ word.size());
  for (std::size_t at = 8; at < word.size(); at += 8) hash = mix(hash ^ head_of(word.substr(at)));
  return mix(hash);
}

}  // namespace

WordTable::WordTable() : slots_(kFirstSlots, Slot{0, 0, -1}) {}

// The slot that holds the word, or the free one where it belongs.
std::size_t WordTable::locate(std::string_view word, std::uint64_t head, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.id < 0) return i;
    if (slot.head == head && slot.length == word.size() &&
        (word.size() <= 8 || std::memcmp(bytes_.data() + starts_[static_cast<std::size_t>(slot.id)] + 8,
                                         word.data() + 8, word.size() - 8) == 0))
      return i;
  }
}

std::int32_t WordTable::find(std::string_view word) const {
  const std::uint64_t head = head_of(word);
  return slots_[locate(word, head, hash_of(word, head))].id;
}

std::int32_t WordTable::insert(std::string_view word) {
  const std::uint64_t head = head_of(word);
  const std::size_t at = locate(word, head, hash_of(word, head));
  if (slots_[at].id >= 0) return slots_[at].id;
  CHECK(size() < std::numeric_limits<std::int32_t>::max(), "a vocabulary has at most 2^31 - 1 words");
  CHECK(word.size() <= std::numeric_limits<std::uint32_t>::max(), "a word of ", word.size(), " bytes is too long");
  const std::int32_t id = size();
  slots_[at] = {head, static_cast<std::uint32_t>(word.size()), id};
  bytes_.append(word);
  starts_.push_back(bytes_.size());
  if (starts_.size() * 2 > slots_.size()) grow();
  return id;
}

void WordTable::grow() {
  std::vector<Slot> old(slots_.size() * 2, Slot{0, 0, -1});
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    const std::string_view known = word(slot.id);
    slots_[locate(known, slot.head, hash_of(known, slot.head))] = slot;
  }
}

}  // namespace attune
