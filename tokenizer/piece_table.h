// Maps pieces of text to ids, fast enough that a text costs one look-up per piece.
//
// A piece of up to 15 bytes is two machine words, zero-padded, with its length in the last byte; the words are hashed
// and compared whole, in a table with open addressing that is at most half full. Longer pieces go through a std map.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace attune {

class PieceTable {
 public:
  /// `capacity`: how many pieces will be added at most.
  explicit PieceTable(std::size_t capacity);

  /// Adds a piece; does nothing where it is known already. Empty pieces are not kept.
  void add(std::string_view piece, std::int32_t id);

  /// The id of a piece, or -1. `readable`: how many bytes from piece.data() on may be read (at least piece.size()).
  std::int32_t find(std::string_view piece, std::size_t readable) const {
    if (piece.size() > kShort) return find_long(piece);
    const Key key = key_of(piece, readable);
    for (std::size_t at = hash(key) >> shift_;; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.key.low == key.low && slot.key.high == key.high) return slot.id;
      if (slot.key.high == 0) return -1;
    }
  }

 private:
  static constexpr std::size_t kShort = 15;

  struct Key {
    std::uint64_t low = 0, high = 0;  // high == 0 only for an empty slot: its last byte is the length
  };
  struct Slot {
    Key key;
    std::int32_t id = -1;
  };

  static std::uint64_t hash(const Key& key) {
    std::uint64_t x = key.low * 0x9E3779B97F4A7C15u + key.high * 0xC2B2AE3D27D4EB4Fu;
    x ^= x >> 29;
    return x * 0xBF58476D1CE4E5B9u;
  }

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

  std::vector<Slot> slots_;  // a power of two
  int shift_ = 0;
  std::deque<std::string> storage_;
  std::unordered_map<std::string_view, std::int32_t> long_pieces_;
};

}  // namespace attune
