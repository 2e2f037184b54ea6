#include "engine/io/text_folder.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "base/input_file.h"
#include "base/read_file.h"
#include "base/utf8.h"
#include "engine/io/files.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// Bytes of files that are read together.
constexpr std::size_t kTogether = std::size_t{2} << 20;

// Names in a folder that are not hidden, in alphabetical order.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out = files_of(folder.string());
  std::erase_if(out, [](const std::string& name) { return name.starts_with('.'); });
  std::ranges::sort(out);
  return out;
}

}  // namespace

TextFolder::TextFolder(const std::string& path) : Table(path) {
  header_ = {"text", "label"};
  std::vector<std::vector<std::string>> of_classes;
  std::size_t longest = 0;
  for (const std::string& name : names_in(path)) {
    if (!is_folder((fs::path(path) / name).string())) continue;
    std::vector<std::string> files = names_in(fs::path(path) / name);
    skipped_ += static_cast<std::int64_t>(
        std::erase_if(files, [](const std::string& file) { return !file.ends_with(".txt"); }));
    if (files.empty()) continue;
    longest = std::max(longest, files.size());
    classes_.push_back(name);
    of_classes.push_back(std::move(files));
  }
  for (std::size_t place = 0; place < longest; ++place)
    for (std::size_t k = 0; k < classes_.size(); ++k)
      if (place < of_classes[k].size()) files_.push_back({k, std::move(of_classes[k][place])});
  CHECK(!files_.empty(), path, ": has no folder of .txt files; a folder of texts has one for each class: ",
        (fs::path(path) / "CLASS" / "1.txt").string());
}

std::vector<std::string> TextFolder::files() const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    out.push_back(where(static_cast<std::int64_t>(i)));
    check_regular(out.back());
  }
  return out;
}

bool TextFolder::read(TableRows& rows, std::int64_t max_rows) {
  rows.table_ = this;
  rows.bytes_.clear();
  rows.rows_.clear();
  for (; at_ < files_.size() && rows.size() < max_rows && rows.bytes_.size() < kTogether; ++at_) {
    const auto number = static_cast<std::int64_t>(at_);
    rows.rows_.push_back({rows.bytes_.size(), number});
    rows.bytes_ += read_file(where(number), ByteReader::kMaxLine, FileKind::kRegular);
  }
  return rows.size() > 0;
}

std::string TextFolder::where(std::int64_t number) const {
  const File& file = files_[static_cast<std::size_t>(number)];
  return (fs::path(path_) / classes_[file.of_class] / file.name).string();
}

void TextFolder::parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
                       std::string& /*scratch*/) const {
  const auto bad = utf8_error(bytes);
  CHECK(!bad, where(number), ": is not valid UTF-8 at its byte ", *bad);
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  if (bytes.ends_with('\n')) bytes.remove_suffix(1);
  if (bytes.ends_with('\r')) bytes.remove_suffix(1);
  const std::string_view all[] = {bytes, classes_[files_[static_cast<std::size_t>(number)].of_class]};
  fields.clear();
  if (chosen_.empty()) fields.assign(std::begin(all), std::end(all));
  for (const std::size_t column : chosen_) fields.push_back(all[column]);
}

}  // namespace attune
