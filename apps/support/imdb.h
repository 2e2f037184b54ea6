// The IMDb review set (Maas et al., ACL 2011) as the reference recipe splits it.
//
// The 50,000 labelled reviews are put in one order (test before train, positive before negative, then by file name),
// shuffled twice with NumPy's permutation of seed 123, and cut into 35,000 for training, 5,000 for validation and
// 10,000 for the test. The three CSV files come out byte for byte as the reference's pandas writes them.
#pragma once

#include <string>
#include <vector>

#include "apps/support/download.h"

namespace attune {

struct ImdbReview {
  std::string text;
  int label;  // 1 positive, 0 negative
};

/// Bounds on what an archive may unpack to; the publisher's has about 100,000 members and 500 MB.
struct ArchiveLimits {
  std::int64_t bytes = std::int64_t{1} << 32, members = 1'000'000;
};

/// All reviews of an archive (.tar.gz, .tar.xz, .tar) in the order above. Throws IoError or Error naming the member
/// that is damaged, not UTF-8, there twice, or the folder that is not complete, or if the archive exceeds the limits; Interrupted after Ctrl-C.
std::vector<ImdbReview> read_imdb_archive(const std::string& path, const ProgressFn& progress,
                                          const ArchiveLimits& limits = {});
/// The same from an extracted folder: aclImdb itself, or the one that holds it.
std::vector<ImdbReview> read_imdb_folder(const std::string& path, const ProgressFn& progress);

/// The first of the three files in a folder that is not the reference recipe's byte for byte; empty if all are.
std::string differing_split(const std::string& folder);

/// Writes train.csv, validation.csv and test.csv into a folder, in this order and only when all three are safe on the
/// disk. Throws IoError.
void write_imdb_splits(const std::vector<ImdbReview>& reviews, const std::string& folder);

}  // namespace attune
