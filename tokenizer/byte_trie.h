// A trie of byte strings in a double array: one step is one addition, one load and one comparison.
//
// Every state is a cell. The child of state s by byte b, if there is one, is cell base(s) + b, and names s as its
// parent. Reference: J. Aoe, "An efficient digital search algorithm by using a double-array structure", IEEE TSE 15(9),
// 1989.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace attune {

class ByteTrie {
 public:
  using State = std::int32_t;
  static constexpr State kRoot = 0;
  static constexpr State kNone = -1;

  /// A trie of (key, value) pairs: keys distinct and not empty, values not negative.
  explicit ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> entries);

  /// The state after `byte`, or kNone.
  State step(State state, char byte) const {
    const State next = cells_[static_cast<std::size_t>(state)].base + static_cast<unsigned char>(byte);
    return cells_[static_cast<std::size_t>(next)].parent == state ? next : kNone;
  }
  /// The state after all of `bytes`, or kNone.
  State walk(State state, std::string_view bytes) const;
  /// The value of the key that ends here, or -1.
  std::int32_t value(State state) const { return cells_[static_cast<std::size_t>(state)].value; }

 private:
  struct Cell {
    std::int32_t base = 0;
    State parent = kNone;  // kNone: the cell is free
    std::int32_t value = -1;
  };
  class Builder;

  std::vector<Cell> cells_;
};

}  // namespace attune
