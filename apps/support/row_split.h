// The rows of one file dealt to a training, a validation and a test split: at random, but each class in the same
// shares.
//
// Row r (from 0) has the random number that philox4x32 gives for the counter (r, 0, kSplitStream, 0) under the seed:
// its first two words, the second one high. The rows of a class, in the order of these numbers, go to the splits: first
// those of the training split, then validation, then test, as many as split_sizes() says. Inside a split rows keep the
// order of the file. So a split depends on the rows' order and labels, the shares and the seed, and on nothing else.
// Some rows of a split are chosen in the same way: each class in its share of the split, those with the smallest
// numbers.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/labels.h"
#include "apps/support/read_rows.h"
#include "json/value.h"

namespace attune {

/// Shares of the training, validation and test split, which sum to 1.
using SplitShares = std::array<double, 3>;
inline constexpr std::array<const char*, 3> kSplitNames = {"train", "validation", "test"};
inline constexpr std::uint32_t kSplitStream = 0x73706C74;  // "splt"

/// How many of `rows` rows of a class each split gets: its share rounded down; of the rows that are left, one to each
/// of the splits with the largest fractions plus what is `owed` to them, the first of equal ones. Then a split without
/// a row but with a share takes one of the largest split, if that has more than one. `owed`: what earlier classes have
/// left of each share; this class is added.
std::array<std::int64_t, 3> split_sizes(std::int64_t rows, const SplitShares& shares, SplitShares& owed);

/// The split (0, 1 or 2) of each row, from the class of each. Classes come in the order of their numbers.
std::vector<std::uint8_t> deal_rows(std::span<const std::int32_t> classes, const SplitShares& shares,
                                    std::uint64_t seed);

/// Some rows of a split, as the `parts` of a RowChoice: `max_rows` of those that `parts` deals to `part`. They come in
/// the order of r / n, and of their classes if that is equal: the row is the r-th (from 0) of the n rows of its class
/// in the split, in the order of their random numbers. So every class has a row if there are enough, and more rows
/// include fewer.
std::vector<std::uint8_t> choose_rows(std::span<const std::uint8_t> parts, std::uint8_t part,
                                      std::span<const std::int32_t> classes, std::int64_t max_rows, std::uint64_t seed);

/// A file or folder whose rows are dealt to splits.
class RowSplit {
 public:
  RowSplit(std::string path, const SplitShares& shares, std::uint64_t seed);

  /// The split of each row. The first call reads all labels of the file: if they are classes, each is dealt by itself.
  /// Throws Error if a split has no example of a class.
  std::span<const std::uint8_t> parts(const TextColumns& columns, const LabelReader& labels);
  /// The same with `max_rows` rows of one split, as choose_rows() chooses them; 0: all.
  std::span<const std::uint8_t> chosen(std::uint8_t part, std::int64_t max_rows, const TextColumns& columns,
                                       const LabelReader& labels);
  /// What decides the split besides the file and its labels, for messages: "0.8/0.1/0.1 with seed 123".
  std::string description() const;
  /// The same with all digits.
  json::Value exact() const;

 private:
  std::string path_;
  SplitShares shares_;
  std::uint64_t seed_;
  std::vector<std::int32_t> classes_;  // of the rows; all 0 if labels are no classes
  std::vector<std::uint8_t> parts_;
  std::map<std::pair<std::uint8_t, std::int64_t>, std::vector<std::uint8_t>> chosen_;  // by split and number of rows
};

/// The rows of one split of a run: all those of a file or folder, or those that are dealt to it.
struct SplitSource {
  std::string path;
  std::uint8_t part = 0;                 // 0, 1 or 2: training, validation, test
  std::shared_ptr<RowSplit> split = {};  // none: all rows

  /// For messages: "reviews.csv", or "reviews.csv (train)".
  std::string title() const;
  /// `max_rows` of its rows (0: all): the first ones, or of a file that is split those of RowSplit::chosen().
  RowChoice rows(const TextColumns& columns, const LabelReader& labels, std::int64_t max_rows) const;
};
using SplitSources = std::array<SplitSource, 3>;

/// Before hours of reading: creates the folder of write_splits(). Throws IoError if no file can be created there, Error
/// if one of its files is a source.
void check_split_output(const std::string& folder, const SplitSources& sources);
/// Writes the splits to this folder as train.csv, validation.csv and test.csv, with the columns of the texts and labels
/// under their names. Locks the folder, unless it is `locked`, the one that the run has locked already. Throws IoError, and
/// Error if another run writes to the folder.
void write_splits(const std::string& folder, const std::string& locked, const SplitSources& sources,
                  const TextColumns& columns, const LabelReader& labels);

}  // namespace attune
