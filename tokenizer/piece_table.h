// Maps pieces of text to ids with one look-up per piece.
//
// A piece of up to 15 bytes is two machine words, zero-padded, with its length in the last byte; the words are hashed
// and compared whole. Longer pieces go through a std map.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/slot_table.h"

namespace attune {

class PieceTable {
 public:
  /// `capacity`: how many pieces will be added at most.
  explicit PieceTable(std::size_t capacity);

  /// Adds a piece; does nothing if it is known already. Empty pieces are not kept.
  void add(std::string_view piece, std::int32_t id);

  /// The id of a piece, or -1. `readable`: how many bytes from piece.data() on may be read (at least piece.size()).
  std::int32_t find(std::string_view piece, std::size_t readable) const {
    if (piece.size() > kShort) return find_long(piece);
    const Key key = key_of(piece, readable);
    return slots_.locate(hash_words(key.low, key.high), [&](const Slot& slot) { return slot.key == key; }).id;
  }

 private:
  static constexpr std::size_t kShort = 15;

  struct Key {
    std::uint64_t low = 0, high = 0;  // high == 0 only in a free slot: its last byte is the length
    bool operator==(const Key&) const = default;
  };
  struct Slot {
    Key key;
    std::int32_t id = -1;
    bool is_free() const { return key.high == 0; }
  };

  static Key key_of(std::string_view piece, std::size_t readable) {
    // All ones, then all zeros: 16 bytes from kMask + 16 - n are n ones.
    static constexpr unsigned char kMask[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                255, 255, 255, 255, 255, 255, 255, 255};
    Key key, mask;
    if (readable >= sizeof(Key)) {
      std::memcpy(&key, piece.data(), sizeof(Key));
      std::memcpy(&mask, kMask + sizeof(Key) - piece.size(), sizeof(Key));
      key.low &= mask.low;
      key.high &= mask.high;
    } else {
      std::memcpy(&key, piece.data(), piece.size());
    }
    key.high |= std::uint64_t{piece.size()} << 56;
    return key;
  }

  std::int32_t find_long(std::string_view piece) const;

  SlotTable<Slot> slots_;
  std::deque<std::string> storage_;
  std::unordered_map<std::string_view, std::int32_t> long_pieces_;
};

}  // namespace attune
