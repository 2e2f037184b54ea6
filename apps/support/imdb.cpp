#include "apps/support/imdb.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "apps/support/interrupt.h"
#include "base/check.h"
#include "base/read_file.h"
#include "base/torch_random.h"
#include "base/utf8.h"
#include "engine/io/csv.h"
#include "engine/io/file_set.h"
#include "engine/io/sha256.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPerFolder = 12500, kTotal = 4 * kPerFolder;
constexpr std::int64_t kMaxReviewBytes = 1 << 24;  // the longest has 14 KB; sizes in an archive are not trusted
constexpr std::size_t kReadBytes = 1 << 16;
constexpr std::uint32_t kSeed = 123;
constexpr std::int64_t kTrainRows = 35000, kValidationRows = 5000;

// The four folders in the order of the reference's rows.
constexpr std::array<const char*, 4> kFolders = {"test/pos", "test/neg", "train/pos", "train/neg"};

// Collects reviews by folder and file name; checks each and, at the end, that all are there.
class Collector {
 public:
  Collector(std::string source, const ProgressFn& progress) : source_(std::move(source)), progress_(progress) {}

  void add(const std::string& folder, const std::string& name, const std::string& raw) {
    if (interrupted()) throw Interrupted();
    const auto bad = utf8_error(raw);
    CHECK(!bad, source_, ": ", folder, "/", name, " is not valid UTF-8 at its byte ", *bad);
    const bool fresh = by_folder_[folder].emplace(name, universal_newlines(raw)).second;
    CHECK(fresh, source_, ": ", folder, "/", name, " is there twice");
    if (++count_ % 500 == 0) progress_(count_, kTotal);
  }

  std::vector<ImdbReview> finish() {
    std::vector<ImdbReview> out;
    for (const char* folder : kFolders) {
      auto& files = by_folder_[folder];
      CHECK(static_cast<std::int64_t>(files.size()) == kPerFolder, source_, ": found ", files.size(),
            " reviews in aclImdb/", folder, " where ", kPerFolder, " are expected");
      for (auto& [name, text] : files) out.push_back({std::move(text), std::string(folder).ends_with("pos") ? 1 : 0});
    }
    return out;
  }

 private:
  // Text mode: CRLF and CR become LF.
  static std::string universal_newlines(const std::string& raw) {
    std::string out;
    for (std::size_t at = 0; at < raw.size();) {
      const std::size_t end = std::min(raw.find('\r', at), raw.size());
      out.append(raw, at, end - at);
      if (end < raw.size()) out += '\n';
      at = end + (raw.compare(end, 2, "\r\n") == 0 ? 2 : 1);
    }
    return out;
  }

  std::string source_;
  const ProgressFn& progress_;
  std::map<std::string, std::map<std::string, std::string>> by_folder_;
  std::int64_t count_ = 0;
};

struct CloseArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};
// Folder and file name of a review's path in the archive, "aclImdb/test/pos/0_10.txt"; nullopt for any other file.
std::optional<std::pair<std::string, std::string>> review_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || !path.ends_with(".txt")) return std::nullopt;
  const std::string_view parent = path.substr(0, slash);
  for (const std::string_view folder : kFolders)
    if (parent == folder || parent.ends_with("/" + std::string(folder)))
      return std::pair(std::string(folder), std::string(path.substr(slash + 1)));
  return std::nullopt;
}

// The text of a member that should have `size` bytes; fewer if it is cut short. Memory grows with the bytes that are there.
template <class Check>
std::string member_text(archive* reader, std::size_t size, const Check& check) {
  std::string out;
  for (la_ssize_t read = 1; read > 0 && out.size() < size;) {
    const std::size_t begin = out.size();
    out.resize(std::min(size, begin + kReadBytes));
    read = archive_read_data(reader, out.data() + begin, out.size() - begin);
    check(read);
    out.resize(begin + static_cast<std::size_t>(std::max<la_ssize_t>(read, 0)));
  }
  return out;
}

}  // namespace

std::vector<ImdbReview> read_imdb_archive(const std::string& path, const ProgressFn& progress,
                                          const ArchiveLimits& limits) {
  const std::unique_ptr<archive, CloseArchive> reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_format_tar(reader.get());
  std::string name;  // of the member read last
  const auto check = [&](la_ssize_t status) {
    if (status >= ARCHIVE_OK || status == ARCHIVE_WARN) return;
    const char* reason = archive_error_string(reader.get());
    throw Error(str_cat(path, ": the archive cannot be read (is it complete? if it was downloaded, remove it): ",
                        reason == nullptr ? "it is damaged" : reason, name.empty() ? "" : ", at or after " + name));
  };
  if (!fs::is_regular_file(path)) throw IoError(path, fs::exists(path) ? kNotRegular : "no such file");
  check(archive_read_open_filename(reader.get(), path.c_str(), kReadBytes));

  Collector collector(path, progress);
  archive_entry* entry = nullptr;
  std::int64_t members = 0;
  for (int status; (status = archive_read_next_header(reader.get(), &entry)) != ARCHIVE_EOF;) {
    check(status);
    CHECK(++members <= limits.members, path, ": has more than ", limits.members, " members; that is not the data set");
    const char* pathname = archive_entry_pathname(entry);
    name = pathname == nullptr ? "" : pathname;
    const auto review = review_name(name);
    // The first filter's bytes are those of the unpacked archive. The size of a review is checked below.
    const la_int64_t skipped = review ? 0 : std::max<la_int64_t>(archive_entry_size(entry), 0);
    CHECK(skipped <= limits.bytes - archive_filter_bytes(reader.get(), 0), path, ": unpacks to more than ",
          limits.bytes, " bytes; that is not the data set");
    if (!review || archive_entry_filetype(entry) != AE_IFREG) continue;
    const la_int64_t size = archive_entry_size(entry);
    CHECK(size >= 0 && size <= kMaxReviewBytes, path, ": ", name, " has ", size, " bytes; that is no review");
    const std::string text = member_text(reader.get(), static_cast<std::size_t>(size), check);
    CHECK(std::ssize(text) == size, path, ": ", name, " is cut short");
    collector.add(review->first, review->second, text);
  }
  return collector.finish();
}

std::vector<ImdbReview> read_imdb_folder(const std::string& path, const ProgressFn& progress) {
  fs::path root = path;
  if (fs::is_directory(root / "aclImdb")) root /= "aclImdb";
  Collector collector(root.string(), progress);
  for (const char* folder : kFolders) {
    const std::string parent = (root / folder).string();
    if (!fs::is_directory(parent))
      throw IoError(parent, "no such folder; the extracted archive has train and test with pos and neg");
    for (const std::string& name : files_of(parent)) {
      if (!name.ends_with(".txt")) continue;
      const std::string file = (fs::path(parent) / name).string();
      collector.add(folder, name, read_file(file, static_cast<std::size_t>(kMaxReviewBytes), FileKind::kRegular));
    }
  }
  return collector.finish();
}

std::string differing_split(const std::string& folder) {
  constexpr std::array<std::pair<const char*, const char*>, 3> kDigests = {
      {{"train.csv", "fa56e3ac15fcd768f9819fea6ffb15325a230cbab3101531ddcd41095c670479"},
       {"validation.csv", "d0cc4fd482f29f07ddcb72b025498e739e10664ec03f62319c2cfbe2813955eb"},
       {"test.csv", "083b6973772e0c600bd4923a93cf217d50199e7c9bf1966484b887eef0dcea52"}}};
  for (const auto& [name, digest] : kDigests)
    if (sha256_hex(read_file((fs::path(folder) / name).string())) != digest) return name;
  return "";
}

void write_imdb_splits(const std::vector<ImdbReview>& reviews, const std::string& folder) {
  CHECK(static_cast<std::int64_t>(reviews.size()) == kTotal, "the split is of ", kTotal, " reviews, not ",
        reviews.size());
  const auto rows = static_cast<std::int32_t>(reviews.size());
  const std::vector<std::int32_t> order = numpy_permutation(kSeed, rows);
  create_folders(folder);
  struct Split {
    const char* name;
    std::int64_t begin, end;
  };
  const std::array<Split, 3> splits = {{{"train.csv", 0, kTrainRows},
                                        {"validation.csv", kTrainRows, kTrainRows + kValidationRows},
                                        {"test.csv", kTrainRows + kValidationRows, rows}}};
  FileSet files(folder, "train.csv");
  for (const Split& split : splits) {
    std::string text = "text,label\n";
    for (std::int64_t row = split.begin; row < split.end; ++row) {
      const auto shuffled =
          static_cast<std::size_t>(order[static_cast<std::size_t>(order[static_cast<std::size_t>(row)])]);
      text += csv_field(reviews[shuffled].text) + "," + std::to_string(reviews[shuffled].label) + "\n";
    }
    files.add(split.name, text);
  }
  files.refuse_to_replace();
  files.commit();
}

}  // namespace attune
