#include "apps/support/sms_spam.h"

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "base/printable.h"
#include "base/read_file.h"
#include "base/torch_random.h"
#include "base/utf8.h"
#include "engine/io/csv.h"
#include "engine/io/file_set.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxCollectionBytes = std::int64_t{1} << 24;  // the publisher's has 478 kB
constexpr std::uint32_t kSampleSeed = 123;
constexpr std::string_view kMemberName = "SMSSpamCollection";

// A row of a table without a header whose fields are separated by tabs.
struct TabRow {
  std::vector<std::string> fields;
  std::int64_t line;
};

// pandas' rules: quotes count only at the beginning of a field; a closing quote may be followed by more text.
class TabReader {
 public:
  explicit TabReader(std::string_view text) : text_(text) {}

  bool next(TabRow& row) {
    while (at_ < text_.size() && is_end(text_[at_])) end_line();  // blank lines
    if (at_ == text_.size()) return false;
    row = {{""}, line_};
    while (at_ < text_.size() && !is_end(text_[at_])) {
      if (text_[at_] == '\t') {
        row.fields.emplace_back();
        ++at_;
      }
      field(row.fields.back());
    }
    if (at_ < text_.size()) end_line();
    return true;
  }

 private:
  static bool is_end(char c) { return c == '\n' || c == '\r'; }

  void end_line() {
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }

  void field(std::string& out) {
    if (at_ < text_.size() && text_[at_] == '"') quoted(out);
    for (; at_ < text_.size() && text_[at_] != '\t' && !is_end(text_[at_]); ++at_) out += text_[at_];
  }

  // Up to the closing quote; a doubled quote is one of the text.
  void quoted(std::string& out) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        if (at_ + 1 == text_.size() || text_[at_ + 1] != '"') {
          ++at_;
          return;
        }
        ++at_;
      } else if (text_[at_] == '\n') {
        ++line_;
      }
      out += text_[at_];
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
};

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

std::string read_member(const std::string& path) {
  const std::unique_ptr<archive, FreeArchive> reader(archive_read_new());
  archive_read_support_format_zip(reader.get());
  const auto check = [&](la_ssize_t status) {
    const char* reason = status >= ARCHIVE_OK || status == ARCHIVE_WARN ? "" : archive_error_string(reader.get());
    CHECK(status >= ARCHIVE_OK || status == ARCHIVE_WARN, path,
          ": the archive cannot be read (is it complete? if it was downloaded, remove it): ",
          reason == nullptr ? "it is damaged" : reason);
  };
  check(archive_read_open_filename(reader.get(), path.c_str(), std::size_t{1} << 16));
  archive_entry* entry = nullptr;
  for (int status; (status = archive_read_next_header(reader.get(), &entry)) != ARCHIVE_EOF;) {
    check(status);
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || fs::path(name).filename() != kMemberName) continue;
    std::string out;
    std::array<char, 1 << 16> block{};
    for (la_ssize_t read; (read = archive_read_data(reader.get(), block.data(), block.size())) != 0;) {
      check(read);
      out.append(block.data(), static_cast<std::size_t>(read));
      CHECK(std::ssize(out) <= kMaxCollectionBytes, path, ": ", kMemberName, " unpacks to more than ",
            kMaxCollectionBytes, " bytes; that is not the data set");
    }
    return out;
  }
  throw Error(str_cat(path, ": has no file ", kMemberName));
}

}  // namespace

std::vector<SmsMessage> parse_sms_messages(std::string_view text, const std::string& path) {
  const auto bad = utf8_error(text);
  CHECK(!bad, path, ": is not valid UTF-8 at its byte ", *bad);
  std::vector<SmsMessage> out;
  TabReader reader(text);
  for (TabRow row; reader.next(row);) {
    const std::string& label = row.fields[0];
    CHECK(row.fields.size() == 2 && (label == "ham" || label == "spam"), path, ":", row.line,
          ": is not ham or spam, a tab and a text: '", printable(label, 20), "', ", row.fields.size(), " fields");
    out.push_back({label == "spam", std::move(row.fields[1])});
  }
  return out;
}

std::string read_sms_collection(const std::string& path) {
  if (!fs::is_regular_file(path)) throw IoError(path, fs::exists(path) ? kNotRegular : "no such file");
  CHECK(std::cmp_less_equal(fs::file_size(path), kMaxCollectionBytes), path, ": has more than ", kMaxCollectionBytes,
        " bytes; that is not the data set");
  return path.ends_with(".zip") ? read_member(path) : read_file(path);
}

void write_sms_splits(const std::vector<SmsMessage>& messages, const std::string& folder) {
  std::vector<const SmsMessage*> ham, spam;
  for (const SmsMessage& message : messages) (message.spam ? spam : ham).push_back(&message);
  CHECK(spam.size() <= ham.size(), "there are ", spam.size(), " spam messages and only ", ham.size(),
        " others to choose as many from");
  std::vector<const SmsMessage*> balanced;
  for (const std::int32_t i : numpy_permutation(kSampleSeed, narrow<std::int32_t>(ham.size())))
    if (balanced.size() < spam.size()) balanced.push_back(ham[static_cast<std::size_t>(i)]);
  balanced.insert(balanced.end(), spam.begin(), spam.end());
  const auto rows = narrow<std::int32_t>(balanced.size());
  const std::vector<std::int32_t> order = numpy_permutation(kSampleSeed, rows);
  const auto train = static_cast<std::int32_t>(rows * 0.7), validation = static_cast<std::int32_t>(rows * 0.1);
  CHECK(validation > 0, "there are ", rows, " messages of both kinds, too few for three files");
  struct Split {
    const char* name;
    std::int32_t begin, end;
  };
  FileSet files(folder, "train.csv");
  for (const Split& split : {Split{"train.csv", 0, train},
                             {"validation.csv", train, train + validation},
                             {"test.csv", train + validation, rows}}) {
    std::string text = "Label,Text\n";
    for (std::int32_t row = split.begin; row < split.end; ++row) {
      const auto once = static_cast<std::size_t>(order[static_cast<std::size_t>(row)]);
      const SmsMessage& message = *balanced[static_cast<std::size_t>(order[once])];
      text += (message.spam ? "1," : "0,") + csv_field(message.text) + "\n";
    }
    files.add(split.name, text);
  }
  files.refuse_to_replace();
  files.commit();
}

}  // namespace attune
