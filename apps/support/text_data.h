// Labelled texts from the user's files: tokenised while they are read, and stored as ids for the next run.
//
// Ids are stored in files of the cache folder, one per split. Their names are digests of everything that determines
// their contents: the form and the bytes of the source, how it is split, the columns, how many rows, the tokenizer's
// files, the length to which texts are cut or that of their windows and the overlap of these, and how labels are read.
// A damaged file is replaced. Several runs may use one folder at once. When the folder has more than 4 GB of them,
// those that were used longest ago are removed, but none that this run has used. Temporaries of killed runs are removed
// as well.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/support/labels.h"
#include "apps/support/row_split.h"
#include "engine/data/dataset.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// A run's data: three splits whose texts, or the windows of texts, have at most `max_length` tokens.
struct TextSplits {
  Dataset train, validation, test;
  SplitSources sources = {};
  std::int64_t max_length = 0;
};

/// The default folder for stored ids: attune/ in $XDG_CACHE_HOME or ~/.cache; empty if neither is set.
std::string default_cache_folder();

/// Removes stored ids from a folder, those that were used longest ago first and none of the paths in `in_use`, until
/// they have at most `max_bytes`.
void limit_stored_ids(const std::string& folder, std::uintmax_t max_bytes, const std::vector<std::string>& in_use = {});

/// Makes data sets of tables.
class SplitReader {
 public:
  /// `cache`: the folder of stored ids; empty: none are stored. `overlap`: that of the windows of a longer text; none:
  /// it is cut.
  SplitReader(const Tokenizer& tokenizer, TextColumns columns, LabelReader& labels, std::string cache,
              std::optional<std::int64_t> overlap = {});

  /// One split, the training split first: every text tokenised, special tokens included, cut to `max_length` tokens (0:
  /// whole) or in windows of as many. Prints a line if they are stored ids; a warning on standard error if those cannot
  /// be used, and one if the cache cannot be used. Throws Error as read_rows.
  Dataset read(const SplitSource& from, std::int64_t max_rows, std::int64_t max_length);

 private:
  struct Source;
  /// A file or folder as it was when its first split was read. Throws Error if it has changed since.
  const Source& source(const std::string& path);
  /// The file that stores this split, of a file or folder with this description.
  std::string kept_path(const SplitSource& from, const std::string& source, std::int64_t max_rows,
                        std::int64_t max_length) const;
  void give_up_cache(const std::string& reason);

  const Tokenizer& tokenizer_;
  TextColumns columns_;
  LabelReader& labels_;
  std::string cache_;
  std::optional<std::int64_t> overlap_;
  std::string tokenizer_files_;                                   // their names and digests
  std::map<std::string, std::shared_ptr<const Source>> sources_;  // by path
  std::vector<std::string> used_;  // paths of stored ids that this reader has read or written
};

}  // namespace attune
