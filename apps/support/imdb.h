// The IMDb review set (Maas et al., ACL 2011) as the reference recipe splits it.
//
// The 50,000 labelled reviews are put in one order (test before train, positive before negative, then by file name), shuffled twice with NumPy's
// permutation of seed 123, and cut into 35,000 for training, 5,000 for validation and 10,000 for the test. The three CSV files come out byte
// for byte as the reference's pandas writes them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace attune {

struct ImdbReview {
  std::string text;
  int label;  // 1 positive, 0 negative
};

/// Called with what has been done so far; the total is 0 where it is not known.
using ImdbProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// All reviews of an archive (.tar.gz, .tar.xz, .tar) in the order above. Throws IoError or Error naming the archive's member that is damaged, not
/// UTF-8, or missing.
std::vector<ImdbReview> read_imdb_archive(const std::string& path, const ImdbProgress& progress);
/// The same from an extracted folder: aclImdb itself, or the one that holds it.
std::vector<ImdbReview> read_imdb_folder(const std::string& path, const ImdbProgress& progress);

/// Downloads a file. Throws Error naming the address; nothing is left behind where it fails.
void download_file(const std::string& url, const std::string& path, const ImdbProgress& progress);

/// Writes train.csv, validation.csv and test.csv into a folder; all of them or none.
void write_imdb_splits(const std::vector<ImdbReview>& reviews, const std::string& folder);

}  // namespace attune
