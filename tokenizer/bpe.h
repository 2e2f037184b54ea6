// Byte-level BPE: GPT-2, RoBERTa, ModernBERT and every tokenizer whose tokenizer.json has a BPE model with ByteLevel.
//
// A piece of text (split.h) begins as one symbol per byte. The adjacent pair of lowest rank, leftmost among equals, is
// merged until no pair is in the table. A byte without a token becomes the unknown token, or is dropped if there is
// none.
//
// Most pieces of a text are whole tokens. Loading collects the tokens that a merge sequence reaches in a table. It maps
// a piece of up to 15 bytes, in two machine words, to its id; the merge loop runs for other pieces. Merging keeps
// candidate pairs in a heap ordered by (rank, position), O(n log n) in the bytes of the piece.
//
// Sennrich, Haddow, Birch: "Neural machine translation of rare words with subword units", ACL 2016; Radford et al.
// 2019. The plain implementation is in tests/tokenizer/plain.h.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "base/slot_table.h"
#include "tokenizer/piece_table.h"
#include "tokenizer/text_model.h"
#include "tokenizer/vocabulary.h"

namespace attune {

struct BpeOptions {
  bool nfc = false;               // normaliser: Unicode normal form C
  bool add_prefix_space = false;  // U+0020 is added to a text that does not begin with it
  bool split = true;              // GPT-2's pre-split; otherwise a text is one piece
  bool ignore_merges = false;     // a piece that is a token is that token, whether merges reach it or not
  std::int32_t unknown_id = -1;   // of bytes without a token; -1: they are dropped
  bool fuse_unknown = false;      // neighbouring unknown bytes become one unknown token
};

/// (left, right, merged) ids, in order of rank.
struct BpeMerge {
  std::int32_t left = -1, right = -1, merged = -1;
};

/// The merge loop alone.
class BpeMerger {
 public:
  /// Memory that successive calls reuse.
  struct Scratch {
    std::vector<std::uint32_t> rank;            // [symbols] of the pair that begins at a symbol, or none
    std::vector<std::uint32_t> next, previous;  // [symbols] neighbours of a symbol
    std::vector<std::uint64_t> heap;            // rank << 32 | position, some of them outdated
  };

  /// Merges in order of rank; a later merge of the same pair replaces an earlier one.
  explicit BpeMerger(std::span<const BpeMerge> merges);

  /// Merges the symbols of one piece in place.
  void merge(std::vector<std::int32_t>& symbols, Scratch& scratch) const;

 private:
  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFFu;

  struct Slot {
    std::uint64_t pair = kNoPair;  // left id << 32 | right id
    std::uint32_t rank = kNoRank;
    bool is_free() const { return pair == kNoPair; }
  };
  /// The rank of a pair, or kNoRank.
  std::uint32_t rank_of(std::int32_t left, std::int32_t right) const;

  SlotTable<Slot> slots_;
  std::vector<std::int32_t> merged_;  // [ranks]
};

class ByteLevelBpe final : public TextModel {
 public:
  /// `vocabulary` holds the model's tokens alone, no added tokens yet.
  ByteLevelBpe(const Vocabulary& vocabulary, std::span<const BpeMerge> merges, const BpeOptions& options);

  bool normalize(std::string_view text, std::string& out) const override;
  void encode(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const override;
  void append_decoded(std::string_view token, bool added, bool first, std::string& out) const override;

 private:
  /// Appends the ids of a piece that is not in the table.
  void encode_rare(std::string_view piece, BpeMerger::Scratch& scratch, std::vector<std::int32_t>& symbols) const;

  BpeOptions options_;
  BpeMerger merger_;
  std::array<std::int32_t, 256> byte_ids_;  // -1: no token
  PieceTable whole_;                        // pieces that are one token
};

}  // namespace attune
