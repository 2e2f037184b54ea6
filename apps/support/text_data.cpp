#include "apps/support/text_data.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>

#include "apps/support/text_facts.h"
#include "base/check.h"
#include "base/descriptor.h"
#include "base/environment.h"
#include "base/math.h"
#include "base/parallel.h"
#include "engine/data/dataset_file.h"
#include "engine/io/files.h"
#include "engine/io/sha256.h"
#include "engine/io/table.h"
#include "json/value.h"

namespace attune {

// The files of a table, and properties that change if one of them is written to meanwhile.
struct SourceState {
  std::vector<std::string> files;
  std::vector<std::uintmax_t> sizes;
  std::vector<std::filesystem::file_time_type> changed;
  bool operator==(const SourceState&) const = default;
};

namespace {

namespace fs = std::filesystem;

// Increase it when a tokenizer gives different ids for the same files and text, when labels are read in another way, or
// when the format of the stored files or of their names changes.
constexpr int kFormat = 7;
constexpr std::uintmax_t kMaxStoredBytes = 4'000'000'000;
// A run writes its files without a pause: one that was not written to for so long belongs to a run that was killed.
constexpr std::chrono::hours kDead{24};
constexpr std::string_view kPrefix = "ids-", kSuffix = ".safetensors";

SourceState state_of(const std::string& path) {
  SourceState out{table_files(path), {}, {}};
  for (const std::string& file : out.files) {
    std::error_code error;
    out.sizes.push_back(fs::file_size(file, error));
    if (!error) out.changed.push_back(fs::last_write_time(file, error));
    if (error) throw IoError(file, error.message());
  }
  return out;
}

// The digest of the digests of a file's pieces, which are read on all threads.
std::string file_digest(const std::string& path, std::uintmax_t size) {
  constexpr std::uintmax_t kPiece = std::uintmax_t{8} << 20;
  const Descriptor file(open_descriptor(path, O_RDONLY));
  if (file.get() < 0) throw IoError(path, std::strerror(errno));
  std::vector<std::string> digests(ceil_div(size, kPiece));
  parallel_for(std::ssize(digests), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::uintmax_t begin = static_cast<std::uintmax_t>(i) * kPiece;
      Sha256 digest;
      if (!read_blocks(file.get(), begin, std::min(kPiece, size - begin), [&](auto block) { digest.update(block); }))
        throw IoError(path, read_failure(errno));
      digests[static_cast<std::size_t>(i)] = digest.hex();
    }
  });
  Sha256 whole;
  for (const std::string& digest : digests) whole.update(digest);
  return whole.hex();
}

// Everything about a table that its rows depend on, as text: its form, and the names and contents of its files.
std::string description(const std::string& path, const SourceState& state) {
  if (!is_folder(path)) {
    return json::Value::array({fs::path(path).extension().string(), file_digest(path, state.sizes[0])}).dump();
  }
  Sha256 all;
  for (std::size_t i = 0; i < state.files.size(); ++i)
    all.update(fs::path(state.files[i]).lexically_relative(path).string() + '\0' +
               file_digest(state.files[i], state.sizes[i]));
  return json::Value::array({"folder", all.hex()}).dump();
}

// Tokenises texts, and passes on their ids.
class Encoder : public TextSink {
 public:
  Encoder(const Tokenizer& tokenizer, std::int64_t max_length, bool pairs, std::optional<std::int64_t> overlap,
          DatasetWriter& writer)
      : tokenizer_(tokenizer), options_{.max_length = max_length}, pairs_(pairs), overlap_(overlap), writer_(writer) {}

  void add(std::size_t part, std::string_view text, std::string_view pair) override {
    if (overlap_) return add_windows(part, text);
    const Encoding encoding = pairs_ ? tokenizer_.encode_pair(text, pair, options_) : tokenizer_.encode(text, options_);
    Part& to = parts_[part];
    to.lengths.push_back(std::ssize(encoding.ids));
    to.marks.push_back(text_mark(text, pair, encoding.cut));
    to.ids.insert(to.ids.end(), encoding.ids.begin(), encoding.ids.end());
    if (pairs_) to.type_ids.insert(to.type_ids.end(), encoding.type_ids.begin(), encoding.type_ids.end());
  }

  void take(std::size_t part) override {
    Part& from = parts_[part];
    writer_.add(from.lengths, from.ids, from.type_ids, from.windows);
    marks_.insert(marks_.end(), from.marks.begin(), from.marks.end());
    from.marks.clear();
    from.lengths.clear();
    from.windows.clear();
    from.ids.clear();
    from.type_ids.clear();
  }

  // Of the texts of all parts that are complete.
  std::vector<std::int64_t> take_marks() { return std::exchange(marks_, {}); }

 private:
  void add_windows(std::size_t part, std::string_view text) {
    const Windows windows = tokenizer_.encode_windows(text, options_, *overlap_);
    Part& to = parts_[part];
    to.lengths.insert(to.lengths.end(), windows.lengths.begin(), windows.lengths.end());
    to.windows.push_back(std::ssize(windows.lengths));
    to.marks.push_back(text_mark(text, {}, false));
    to.ids.insert(to.ids.end(), windows.ids.begin(), windows.ids.end());
  }

  struct Part {
    std::vector<std::int64_t> lengths, windows;  // windows: of each text, if texts are not cut
    std::vector<std::int32_t> ids, type_ids;
    std::vector<std::int64_t> marks;
  };

  const Tokenizer& tokenizer_;
  EncodeOptions options_;
  bool pairs_;
  std::optional<std::int64_t> overlap_;
  DatasetWriter& writer_;
  std::array<Part, kParts> parts_;
  std::vector<std::int64_t> marks_;
};

// The data set of a file under `name`, whose labels the reader goes on with. Nothing if the file is not there, and with
// a warning if it cannot be used.
std::optional<Dataset> stored_dataset(const std::string& path, const std::string& name, LabelReader& labels) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  try {
    StoredDataset kept = open_dataset(path, name);
    CHECK(kept.dataset.marks.defined(), path, ": has no marks of its texts");
    labels.restore(kept.label_text, kept.dataset.labels);
    return std::move(kept.dataset);
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {
    if (!fs::exists(path, ignored)) return std::nullopt;  // another run has removed it
    const std::string reason = error.what(), place = path + ": ";
    std::cerr << "warning: " << (reason.starts_with(place) ? "" : place) << reason << "; the token ids are made anew"
              << std::endl;
    return std::nullopt;
  }
}

}  // namespace

std::string default_cache_folder() {
  const std::string cache = user_cache_folder();
  return cache.empty() ? "" : (fs::path(cache) / "attune").string();
}

void limit_stored_ids(const std::string& folder, std::uintmax_t max_bytes, const std::vector<std::string>& in_use) {
  struct File {
    fs::file_time_type used;
    std::uintmax_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  std::uintmax_t total = 0;
  std::error_code error;  // a file that another run removes meanwhile is gone, which is as good
  if (!fs::is_directory(folder, error)) return;
  for (const std::string& name : files_of(folder)) {
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const fs::path path = fs::path(folder) / name;
    const File file{fs::last_write_time(path, error), error ? 0 : fs::file_size(path, error), path};
    if (error) continue;
    total += file.bytes;
    if (std::ranges::find(in_use, file.path.string()) == in_use.end()) files.push_back(file);
  }
  std::ranges::sort(files, {}, &File::used);
  for (auto oldest = files.begin(); total > max_bytes && oldest != files.end(); total -= (oldest++)->bytes)
    fs::remove(oldest->path, error);
}

SplitReader::SplitReader(const Tokenizer& tokenizer, TextColumns columns, LabelReader& labels, std::string cache,
                         std::optional<std::int64_t> overlap)
    : tokenizer_(tokenizer),
      columns_(std::move(columns)),
      labels_(labels),
      cache_(std::move(cache)),
      overlap_(overlap) {
  if (cache_.empty()) return;
  json::Value files = json::Value::array();
  for (const TokenizerFile& file : tokenizer_.files())
    files.push_back(json::Value::array({fs::path(file.path).filename().string(), sha256_hex(file.text)}));
  tokenizer_files_ = files.dump();
  try {
    prepare_output_folder(cache_);
    remove_temporaries(cache_, kDead);
  } catch (const IoError& error) {
    give_up_cache(error.what());
  }
}

void SplitReader::give_up_cache(const std::string& reason) {
  std::cerr << "warning: " << reason << "; token ids are not kept for the next run" << std::endl;
  cache_.clear();
}

std::string SplitReader::kept_path(const SplitSource& from, const std::string& source, std::int64_t max_rows,
                                   std::int64_t max_length) const {
  // Of a file that is split they are not the first ones.
  const json::Value rows = from.split && max_rows > 0 ? json::Value::array({max_rows}) : json::Value(max_rows);
  const std::string key = json::Value::object({{"format", kFormat},
                                               {"source", source},
                                               {"split", from.split ? from.split->exact() : json::Value("")},
                                               {"part", from.split ? int{from.part} : 0},
                                               {"text", columns_.text},
                                               {"pair", columns_.pair},
                                               {"rows", rows},
                                               {"tokenizer", tokenizer_files_},
                                               {"length", max_length},
                                               {"overlap", overlap_ ? json::Value(*overlap_) : json::Value()},
                                               {"labels", labels_.state()}})
                              .dump();
  return (fs::path(cache_) / str_cat(kPrefix, sha256_hex(key), kSuffix)).string();
}

struct SplitReader::Source {
  SourceState state;
  std::string description;  // only if ids are stored
};

const SplitReader::Source& SplitReader::source(const std::string& path) {
  SourceState now = state_of(path);
  auto& known = sources_[path];
  if (!known) {
    const std::string text = cache_.empty() ? "" : description(path, now);
    known = std::make_shared<Source>(Source{std::move(now), text});
  } else {
    CHECK(now == known->state, path, ": has changed while it was read");
  }
  return *known;
}

Dataset SplitReader::read(const SplitSource& from, std::int64_t max_rows, std::int64_t max_length) {
  const std::string& path = from.path;
  const Source& whole = source(path);
  const std::string keep_at = cache_.empty() ? "" : kept_path(from, whole.description, max_rows, max_length);
  if (std::optional<Dataset> kept = keep_at.empty() ? std::nullopt : stored_dataset(keep_at, path, labels_)) {
    std::error_code ignored;
    fs::last_write_time(keep_at, fs::file_time_type::clock::now(), ignored);  // it was used now
    used_.push_back(keep_at);
    std::cout << "Token ids of " << from.title() << ": from " << keep_at << std::endl;
    return *std::move(kept);
  }
  const bool pairs = !columns_.pair.empty();
  DatasetWriter writer(cache_, pairs);
  Encoder encoder(tokenizer_, max_length, pairs, overlap_, writer);
  read_rows(from.rows(columns_, labels_, max_rows), columns_, &labels_, encoder);
  Dataset made = writer.finish(path, labels_.finish(from.title()));
  made.marks = Tensor::from(encoder.take_marks(), {made.size()});
  CHECK(state_of(path) == whole.state, path, ": has changed while it was read");
  if (keep_at.empty()) return made;
  try {
    writer.write(keep_at, made, labels_.state());
    used_.push_back(keep_at);
    limit_stored_ids(cache_, kMaxStoredBytes, used_);
  } catch (const IoError& error) {
    give_up_cache(error.what());
  }
  return made;
}

}  // namespace attune
