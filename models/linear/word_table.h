// Words <-> ids, ids in the order of insertion: the vocabulary of a bag-of-words model, and the scratch table that
// finds it.
//
// A slot holds the first eight bytes of its word and its length, so that a word of up to eight bytes (most of English) is
// compared without following a pointer. All bytes of all words lie in one string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/slot_table.h"

namespace attune {

class WordTable {
 public:
  WordTable() : slots_(16) {}

  std::int32_t size() const { return static_cast<std::int32_t>(starts_.size()) - 1; }
  /// The word with this id, 0 <= id < size(); valid until the next insert.
  std::string_view word(std::int32_t id) const {
    const auto at = static_cast<std::size_t>(id);
    return {bytes_.data() + starts_[at], starts_[at + 1] - starts_[at]};
  }
  /// The id of a word, -1 if it is unknown.
  std::int32_t find(std::string_view word) const;
  /// The id of a word, a new one if it is unknown. Throws Error beyond 2^31 - 1 words or a word of 4 GiB.
  std::int32_t insert(std::string_view word);

 private:
  struct Slot {
    std::uint64_t head = 0;
    std::uint32_t length = 0;
    std::int32_t id = -1;
    bool is_free() const { return id < 0; }
  };
  /// Whether a slot holds `word`, whose first bytes are `head`.
  bool holds(const Slot& slot, std::string_view word, std::uint64_t head) const;

  SlotTable<Slot> slots_;
  std::string bytes_;
  std::vector<std::size_t> starts_{0};
};

}  // namespace attune
