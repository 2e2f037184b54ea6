#include "tokenizer/piece_table.h"

#include <bit>

#include "base/check.h"

namespace attune {

static_assert(std::endian::native == std::endian::little, "a piece's length is kept in the last byte of its key");

PieceTable::PieceTable(std::size_t capacity) : slots_(capacity) {}

void PieceTable::add(std::string_view piece, std::int32_t id) {
  if (piece.empty()) return;
  if (piece.size() > kShort) {
    if (find_long(piece) < 0) long_pieces_.emplace(storage_.emplace_back(piece), id);
    return;
  }
  const Key key = key_of(piece, piece.size());
  Slot& slot = slots_.locate(hash_words(key.low, key.high), [&](const Slot& other) { return other.key == key; });
  if (slot.is_free()) slot = {key, id};
}

std::int32_t PieceTable::find_long(std::string_view piece) const {
  const auto found = long_pieces_.find(piece);
  return found == long_pieces_.end() ? -1 : found->second;
}

}  // namespace attune
