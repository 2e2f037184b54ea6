// A hash table for the inner loops: open addressing with linear probing in one array of a power of two of slots, at
// most half of them in use. The owner defines the content of a slot and the comparison of slots; nothing is ever
// removed.
//
// Knuth, The Art of Computer Programming, volume 3, section 6.4.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace attune {

/// A hash of two words whose high bits depend on all bits of both.
inline std::uint64_t hash_words(std::uint64_t low, std::uint64_t high = 0) {
  std::uint64_t x = low * 0x9E3779B97F4A7C15u + high * 0xC2B2AE3D27D4EB4Fu;
  x ^= x >> 29;
  return x * 0xBF58476D1CE4E5B9u;
}

/// `Slot` has is_free(), which is true of a slot made by default.
template <class Slot>
class SlotTable {
 public:
  /// For up to `capacity` slots in use; grow() makes room for more.
  explicit SlotTable(std::size_t capacity) : slots_(std::bit_ceil(2 * capacity + 2)) {}

  /// The slot that `matches`, or the free slot for it. `matches` may also be called with a free slot.
  template <class Matches>
  const Slot& locate(std::uint64_t hash, Matches&& matches) const {
    for (std::size_t at = hash >> shift_;; at = (at + 1) & (slots_.size() - 1))
      if (matches(slots_[at]) || slots_[at].is_free()) return slots_[at];
  }
  template <class Matches>
  Slot& locate(std::uint64_t hash, Matches&& matches) {
    return const_cast<Slot&>(std::as_const(*this).locate(hash, std::forward<Matches>(matches)));
  }

  std::size_t capacity() const { return slots_.size() / 2; }
  /// Doubles the capacity. hash_of(slot) is the hash by which a slot in use was located.
  template <class HashOf>
  void grow(HashOf&& hash_of) {
    SlotTable larger(slots_.size());
    for (const Slot& slot : slots_)
      if (!slot.is_free()) larger.locate(hash_of(slot), [](const Slot&) { return false; }) = slot;
    *this = std::move(larger);
  }

 private:
  std::vector<Slot> slots_;
  int shift_ = 64 - std::countr_zero(slots_.size());
};

}  // namespace attune
