// Documents as bags of words: one row per document, one column per word of the vocabulary, how often it occurs.
//
// The rules are those of scikit-learn's CountVectorizer: the vocabulary is every word of the training documents, its
// columns in code-point order (which for UTF-8 is byte order); words outside it are ignored afterwards. The caller
// defines words: a WordSplitter lower-cases and cuts.
//
// Counts are integers, so every number of threads gives the same matrix, in any distribution of the documents.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/linear/word_table.h"

namespace attune {

/// Replaces `words` by the words of `text`, in order; they may point into `buffer`, which the splitter may write and
/// which lives as long as they do. Called by several threads at once.
using WordSplitter =
    std::function<void(std::string_view text, std::string& buffer, std::vector<std::string_view>& words)>;

/// A sparse matrix of counts, compressed by rows: row i is [row_starts[i], row_starts[i + 1]) of the other two, its
/// columns ascending, its counts at least 1.
struct CountMatrix {
  std::int32_t columns = 0;
  std::vector<std::int64_t> row_starts{0};
  std::vector<std::int32_t> column_ids;
  std::vector<std::int32_t> counts;

  std::int64_t rows() const { return static_cast<std::int64_t>(row_starts.size()) - 1; }
  std::int64_t nonzeros() const { return static_cast<std::int64_t>(column_ids.size()); }
};

struct WordCounts {
  WordTable vocabulary;  // in byte order
  CountMatrix counts;
};

/// The vocabulary of these documents and their counts in it.
WordCounts count_words(std::span<const std::string> documents, const WordSplitter& split);
/// The counts of documents in a given vocabulary; unknown words are ignored.
CountMatrix count_words(std::span<const std::string> documents, const WordSplitter& split, const WordTable& vocabulary);

}  // namespace attune
