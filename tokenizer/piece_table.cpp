#include "tokenizer/piece_table.h"

#include <bit>

#include "base/check.h"

namespace attune {

static_assert(std::endian::native == std::endian::little, "a piece's length is kept in the last byte of its key");

PieceTable::PieceTable(std::size_t capacity) : slots_(std::bit_ceil(2 * capacity + 2)) {
  shift_ = 64 - std::countr_zero(slots_.size());
}

void PieceTable::add(std::string_view piece, std::int32_t id) {
  if (piece.empty()) return;
  if (piece.size() > kShort) {
    if (find_long(piece) < 0) long_pieces_.emplace(storage_.emplace_back(piece), id);
    return;
  }
  const Key key = key_of(piece, piece.size());
  std::size_t at = hash(key) >> shift_;
  for (; slots_[at].key.high != 0; at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].key.low == key.low && slots_[at].key.high == key.high) return;
  slots_[at] = {key, id};
}

std::int32_t PieceTable::find_long(std::string_view piece) const {
  const auto found = long_pieces_.find(piece);
  return found == long_pieces_.end() ? -1 : found->second;
}

}  // namespace attune
