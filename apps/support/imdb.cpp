#include "apps/support/imdb.h"

#include <archive.h>
#include <archive_entry.h>
#include <curl/curl.h>

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <regex>

#include "apps/support/interrupt.h"
#include "base/check.h"
#include "base/read_file.h"
#include "base/torch_random.h"
#include "base/utf8.h"
#include "engine/io/csv.h"
#include "engine/io/files.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPerFolder = 12500, kTotal = 4 * kPerFolder;
constexpr std::uint32_t kSeed = 123;
constexpr std::int64_t kTrainRows = 35000, kValidationRows = 5000;

// The four folders in the order of the reference's rows.
constexpr std::array<const char*, 4> kFolders = {"test/pos", "test/neg", "train/pos", "train/neg"};

// Collects reviews by folder and file name; checks each and, at the end, that all are there.
class Collector {
 public:
  Collector(std::string source, const ImdbProgress& progress) : source_(std::move(source)), progress_(progress) {}

  void add(const std::string& folder, const std::string& name, const std::string& raw) {
    CHECK(!interrupted(), "interrupted");
    const auto bad = utf8_error(raw);
    CHECK(!bad, source_, ": ", folder, "/", name, " is not valid UTF-8 at its byte ", *bad);
    by_folder_[folder][name] = universal_newlines(raw);
    if (++count_ % 500 == 0) progress_(count_, kTotal);
  }

  std::vector<ImdbReview> finish() {
    std::vector<ImdbReview> out;
    for (const char* folder : kFolders) {
      auto& files = by_folder_[folder];
      CHECK(static_cast<std::int64_t>(files.size()) == kPerFolder, source_, ": found ", files.size(), " reviews in aclImdb/", folder,
            " where ", kPerFolder, " are expected");
      for (auto& [name, text] : files) out.push_back({std::move(text), std::string(folder).ends_with("pos") ? 1 : 0});
    }
    return out;
  }

 private:
  // Text mode: CRLF and CR become LF.
  static std::string universal_newlines(const std::string& raw) {
    std::string out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\r') out += raw[i];
      else if (i + 1 == raw.size() || raw[i + 1] != '\n') out += '\n';
    }
    return out;
  }

  std::string source_;
  const ImdbProgress& progress_;
  std::map<std::string, std::map<std::string, std::string>> by_folder_;
  std::int64_t count_ = 0;
};

struct CloseArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};
struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// What the callbacks of one download share.
struct Download {
  AtomicFile file;
  const ImdbProgress& progress;
  std::string error;
};

std::size_t on_bytes(char* bytes, std::size_t size, std::size_t count, void* raw) {
  auto& download = *static_cast<Download*>(raw);
  try {
    download.file.write(std::string_view(bytes, size * count));
    return size * count;
  } catch (const std::exception& error) {
    download.error = error.what();
    return 0;  // ends the transfer
  }
}

int on_progress(void* raw, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  static_cast<Download*>(raw)->progress(done, total);
  return interrupted() ? 1 : 0;
}

}  // namespace

std::vector<ImdbReview> read_imdb_archive(const std::string& path, const ImdbProgress& progress) {
  const std::unique_ptr<archive, CloseArchive> reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_tar(reader.get());
  const auto check = [&](la_ssize_t status) {
    CHECK(status >= ARCHIVE_WARN, path, ": the archive cannot be read: ", archive_error_string(reader.get()));
  };
  if (!fs::exists(path)) throw IoError(path, "no such file");
  check(archive_read_open_filename(reader.get(), path.c_str(), 1 << 20));

  static const std::regex review(R"((?:.*/)?((?:train|test)/(?:pos|neg))/([^/]+\.txt))");
  Collector collector(path, progress);
  archive_entry* entry = nullptr;
  for (int status; (status = archive_read_next_header(reader.get(), &entry)) != ARCHIVE_EOF;) {
    check(status);
    std::smatch match;
    const char* pathname = archive_entry_pathname(entry);
    const std::string name = pathname == nullptr ? "" : pathname;
    if (archive_entry_filetype(entry) != AE_IFREG || !std::regex_match(name, match, review)) continue;
    std::string text(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    const la_ssize_t read = archive_read_data(reader.get(), text.data(), text.size());
    check(read);
    CHECK(static_cast<std::size_t>(read) == text.size(), path, ": ", name, " is cut short");
    collector.add(match[1], match[2], text);
  }
  return collector.finish();
}

std::vector<ImdbReview> read_imdb_folder(const std::string& path, const ImdbProgress& progress) {
  fs::path root = path;
  if (fs::is_directory(root / "aclImdb")) root /= "aclImdb";
  Collector collector(root.string(), progress);
  for (const char* folder : kFolders) {
    if (!fs::is_directory(root / folder)) throw IoError((root / folder).string(), "no such folder; the extracted archive has train and test with pos and neg");
    for (const auto& file : fs::directory_iterator(root / folder))
      if (file.path().extension() == ".txt") collector.add(folder, file.path().filename().string(), read_file(file.path().string()));
  }
  return collector.finish();
}

void download_file(const std::string& url, const std::string& path, const ImdbProgress& progress) {
  const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
  CHECK(handle != nullptr, "libcurl cannot be started");
  Download download{AtomicFile(path), progress, ""};
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(handle.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &download);
  curl_easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &download);
  const CURLcode code = curl_easy_perform(handle.get());
  CHECK(!interrupted(), "interrupted");
  CHECK(download.error.empty(), download.error);
  CHECK(code == CURLE_OK, url, ": the download failed: ", curl_easy_strerror(code),
        "; fetch the archive another way and name it with --archive");
  download.file.commit();
}

void write_imdb_splits(const std::vector<ImdbReview>& reviews, const std::string& folder) {
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
  std::vector<std::unique_ptr<AtomicFile>> files;
  for (const Split& split : splits) {
    files.push_back(std::make_unique<AtomicFile>((fs::path(folder) / split.name).string()));
    std::string text = "text,label\n";
    for (std::int64_t row = split.begin; row < split.end; ++row) {
      const auto shuffled = static_cast<std::size_t>(order[static_cast<std::size_t>(order[static_cast<std::size_t>(row)])]);
      text += csv_field(reviews[shuffled].text) + "," + std::to_string(reviews[shuffled].label) + "\n";
    }
    files.back()->write(text);
  }
  for (const auto& file : files) file->commit();
}

}  // namespace attune
