// Each piece of the documents is counted separately: with the ids of a separate table while the vocabulary is unknown,
// with the vocabulary's ids if it is known. Then the pieces' ids are mapped to columns, and each row is sorted.
#include "models/linear/word_counts.h"

#include <algorithm>
#include <numeric>

#include "base/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t kLeastDocuments = 64;
constexpr std::int64_t kPiecesPerThread = 4;
constexpr std::int64_t kSortGrain = 256;

struct Entry {
  std::int32_t id, count;
};

// The rows of a run of documents; entries in order of first occurrence.
struct Piece {
  WordTable words;  // of this piece; unused if the vocabulary is given
  std::vector<std::int64_t> row_lengths;
  std::vector<Entry> entries;
};

// id_of(word) is the column of a word; -1 skips it.
template <class IdOf>
void count_piece(std::span<const std::string> documents, const WordSplitter& split, IdOf&& id_of, Piece& piece) {
  std::vector<std::int32_t> counts;  // by id, zero between documents
  std::vector<std::int32_t> seen;    // ids of this document
  std::string buffer;
  std::vector<std::string_view> words;
  for (const std::string& document : documents) {
    split(document, buffer, words);
    for (const std::string_view word : words) {
      const std::int32_t id = id_of(word);
      if (id < 0) continue;
      const auto at = static_cast<std::size_t>(id);
      if (at >= counts.size()) counts.resize(at + at / 2 + 64, 0);
      if (counts[at]++ == 0) seen.push_back(id);
    }
    for (const std::int32_t id : seen) {
      piece.entries.push_back({id, counts[static_cast<std::size_t>(id)]});
      counts[static_cast<std::size_t>(id)] = 0;
    }
    piece.row_lengths.push_back(static_cast<std::int64_t>(seen.size()));
    seen.clear();
  }
}

std::int64_t piece_grain(std::size_t documents) {
  const std::int64_t pieces = num_threads() == 1 ? 1 : num_threads() * kPiecesPerThread;
  return std::max(kLeastDocuments, (static_cast<std::int64_t>(documents) + pieces - 1) / pieces);
}

template <class CountRange>
std::vector<Piece> count_pieces(std::span<const std::string> documents, CountRange&& count_range) {
  const auto n = static_cast<std::int64_t>(documents.size());
  const std::int64_t grain = piece_grain(documents.size());
  std::vector<Piece> pieces(static_cast<std::size_t>((n + grain - 1) / grain));
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    count_range(documents.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)),
                pieces[static_cast<std::size_t>(begin / grain)]);
  });
  return pieces;
}

// Joins the pieces to one matrix with each row's columns ascending.
CountMatrix join(std::vector<Piece>& pieces, std::int32_t columns) {
  CountMatrix out;
  out.columns = columns;
  std::vector<Entry> entries;
  std::size_t total = 0;
  for (const Piece& piece : pieces) total += piece.entries.size();
  entries.reserve(total);
  for (Piece& piece : pieces) {
    for (const std::int64_t length : piece.row_lengths) out.row_starts.push_back(out.row_starts.back() + length);
    entries.insert(entries.end(), piece.entries.begin(), piece.entries.end());
    piece = {};
  }
  out.column_ids.resize(total);
  out.counts.resize(total);
  parallel_for(out.rows(), kSortGrain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const auto begin = static_cast<std::size_t>(out.row_starts[static_cast<std::size_t>(row)]);
      const auto end = static_cast<std::size_t>(out.row_starts[static_cast<std::size_t>(row) + 1]);
      std::sort(entries.data() + begin, entries.data() + end, [](Entry a, Entry b) { return a.id < b.id; });
      for (std::size_t k = begin; k < end; ++k) {
        out.column_ids[k] = entries[k].id;
        out.counts[k] = entries[k].count;
      }
    }
  });
  return out;
}

}  // namespace

WordCounts count_words(std::span<const std::string> documents, const WordSplitter& split) {
  std::vector<Piece> pieces = count_pieces(documents, [&](std::span<const std::string> part, Piece& piece) {
    count_piece(
        part, split, [&](std::string_view word) { return piece.words.insert(word); }, piece);
  });

  WordTable all;
  std::vector<std::vector<std::int32_t>> id_of(pieces.size());  // piece's id -> id in `all`, then -> column
  for (std::size_t p = 0; p < pieces.size(); ++p)
    for (std::int32_t i = 0; i < pieces[p].words.size(); ++i) id_of[p].push_back(all.insert(pieces[p].words.word(i)));

  std::vector<std::int32_t> order(static_cast<std::size_t>(all.size()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return all.word(a) < all.word(b); });
  WordCounts out;
  std::vector<std::int32_t> column(order.size());
  for (const std::int32_t id : order) column[static_cast<std::size_t>(id)] = out.vocabulary.insert(all.word(id));

  parallel_for(static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t p, std::int64_t) {
    for (std::int32_t& id : id_of[static_cast<std::size_t>(p)]) id = column[static_cast<std::size_t>(id)];
    for (Entry& entry : pieces[static_cast<std::size_t>(p)].entries)
      entry.id = id_of[static_cast<std::size_t>(p)][static_cast<std::size_t>(entry.id)];
  });
  out.counts = join(pieces, out.vocabulary.size());
  return out;
}

CountMatrix count_words(std::span<const std::string> documents, const WordSplitter& split,
                        const WordTable& vocabulary) {
  std::vector<Piece> pieces = count_pieces(documents, [&](std::span<const std::string> part, Piece& piece) {
    count_piece(
        part, split, [&](std::string_view word) { return vocabulary.find(word); }, piece);
  });
  return join(pieces, vocabulary.size());
}

}  // namespace attune
