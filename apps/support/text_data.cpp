#include "apps/support/text_data.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <utility>

#include "apps/support/encode.h"
#include "base/byte_reader.h"
#include "base/check.h"
#include "base/environment.h"
#include "base/input_file.h"
#include "engine/data/dataset_file.h"
#include "engine/io/csv.h"
#include "engine/io/files.h"
#include "engine/io/sha256.h"
#include "json/value.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// Increase it when a tokenizer gives different ids for the same files and text, when labels are read in another way, or
// when the format of the stored files changes.
constexpr int kFormat = 3;
// Texts tokenised at once: a few megabytes.
constexpr std::size_t kBlock = 4096;
constexpr std::uintmax_t kMaxStoredBytes = 4'000'000'000;
// A run writes its files without a pause: one that was not written to for so long belongs to a run that was killed.
constexpr std::chrono::hours kDead{24};
constexpr std::string_view kPrefix = "ids-", kSuffix = ".safetensors";

// The digest of a file, and properties that change if it is written to meanwhile.
struct FileState {
  std::uintmax_t size;
  fs::file_time_type changed;
  bool operator==(const FileState&) const = default;
};
FileState state_of(const std::string& path) {
  std::error_code error;
  const FileState out{fs::file_size(path, error), fs::last_write_time(path, error)};
  if (error) throw IoError(path, error.message());
  return out;
}

std::string file_digest(const std::string& path) {
  ByteReader file(path);
  Sha256 digest;
  for (std::string_view block = file.block(); !block.empty(); block = file.block()) digest.update(block);
  return digest.hex();
}

// Texts that are tokenised together.
class Block {
 public:
  Block(const Tokenizer& tokenizer, std::int64_t max_length, bool pairs, DatasetWriter& writer)
      : tokenizer_(tokenizer), max_length_(max_length), pairs_(pairs), writer_(writer) {}

  void add(std::string&& text, std::string&& pair) {
    texts_.push_back(std::move(text));
    if (pairs_) second_.push_back(std::move(pair));
    if (texts_.size() == kBlock) flush();
  }

  void flush() {
    const Dataset block = encode_texts(tokenizer_, texts_, second_, max_length_);
    std::vector<std::int64_t> lengths;
    for (std::int64_t e = 0; e < block.size(); ++e) lengths.push_back(block.length(e));
    writer_.add(lengths, block.ids.values<std::int32_t>(),
                pairs_ ? block.type_ids.values<std::int32_t>() : std::span<const std::int32_t>());
    texts_.clear();
    second_.clear();
  }

 private:
  const Tokenizer& tokenizer_;
  std::int64_t max_length_;
  bool pairs_;
  DatasetWriter& writer_;
  std::vector<std::string> texts_, second_;
};

// The data set of a file under `name`, whose labels the reader goes on with; nothing if the file is not there or
// damaged.
std::optional<Dataset> stored_dataset(const std::string& path, const std::string& name, LabelReader& labels) {
  std::optional<StoredDataset> kept = open_dataset(path, name);
  if (!kept) return std::nullopt;
  try {
    labels.restore(kept->label_text, kept->dataset.labels);
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error&) {
    return std::nullopt;
  }
  return std::move(kept->dataset);
}

}  // namespace

SplitPaths find_splits(const std::string& folder) {
  const auto find = [&](const char* name) {
    const fs::path path = fs::path(folder) / name;
    check_regular(path.string());
    if (!fs::exists(path))
      throw IoError(path.string(),
                    "no such file; --data names a folder with train.csv, validation.csv and test.csv "
                    "(for the IMDb reviews: prepare_imdb --output DIR)");
    return path.string();
  };
  return {find("train.csv"), find("validation.csv"), find("test.csv")};
}

void read_rows(const std::string& path, const TextColumns& columns, std::int64_t max_rows, LabelReader& labels,
               const std::function<void(std::string&& text, std::string&& pair)>& take) {
  CsvReader reader(path);
  const std::size_t text = reader.column(columns.text);
  const std::size_t pair = columns.pair.empty() ? text : reader.column(columns.pair);
  std::vector<std::size_t> label_columns;
  for (const std::string& name : labels.columns()) label_columns.push_back(reader.column(name));
  const Where where = [&] { return reader.where(); };
  std::vector<std::string> fields, label_fields(label_columns.size());
  std::int64_t rows = 0;
  for (; (max_rows == 0 || rows < max_rows) && reader.next(fields); ++rows) {
    for (std::size_t i = 0; i < label_columns.size(); ++i) label_fields[i] = fields[label_columns[i]];
    labels.add(label_fields, where);
    std::string second = columns.pair.empty() ? std::string() : fields[pair];
    take(std::move(fields[text]), std::move(second));
  }
  CHECK(rows > 0, path, ": there are no rows below the header");
}

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

SplitReader::SplitReader(const Tokenizer& tokenizer, TextColumns columns, LabelReader& labels, std::string cache)
    : tokenizer_(tokenizer), columns_(std::move(columns)), labels_(labels), cache_(std::move(cache)) {
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

std::string SplitReader::kept_path(const std::string& path, std::int64_t max_rows, std::int64_t max_length) const {
  const std::string key = json::Value::object({{"format", kFormat},
                                               {"source", file_digest(path)},
                                               {"text", columns_.text},
                                               {"pair", columns_.pair},
                                               {"rows", max_rows},
                                               {"tokenizer", tokenizer_files_},
                                               {"length", max_length},
                                               {"labels", labels_.state()}})
                              .dump();
  return (fs::path(cache_) / str_cat(kPrefix, sha256_hex(key), kSuffix)).string();
}

Dataset SplitReader::read(const std::string& path, std::int64_t max_rows, std::int64_t max_length) {
  const FileState before = state_of(path);
  const std::string keep_at = cache_.empty() ? "" : kept_path(path, max_rows, max_length);
  if (!keep_at.empty())
    if (std::optional<Dataset> kept = stored_dataset(keep_at, path, labels_)) {
      std::error_code ignored;
      fs::last_write_time(keep_at, fs::file_time_type::clock::now(), ignored);  // it was used now
      used_.push_back(keep_at);
      return *std::move(kept);
    }
  const bool pairs = !columns_.pair.empty();
  DatasetWriter writer(cache_, pairs);
  Block block(tokenizer_, max_length, pairs, writer);
  read_rows(path, columns_, max_rows, labels_,
            [&](std::string&& text, std::string&& pair) { block.add(std::move(text), std::move(pair)); });
  block.flush();
  const Dataset made = writer.finish(path, labels_.finish(path));
  CHECK(state_of(path) == before, path, ": the file has changed while it was read");
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
