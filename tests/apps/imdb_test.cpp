// prepare_imdb's files are the reference's, byte for byte; and what it says about sources that are not the data set.
#include "apps/support/imdb.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <random>
#include <set>

#include "base/read_file.h"
#include "base/torch_random.h"
#include "engine/io/csv.h"
#include "engine/io/files.h"
#include "engine/io/sha256.h"
#include "tests/support/data.h"
#include "tests/support/imdb.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

const ProgressFn kSilent = [](std::int64_t, std::int64_t) {};
constexpr std::array<const char*, 4> kFolders = {"test/pos", "test/neg", "train/pos", "train/neg"};

struct Member {
  std::string name, text;
};

// A tar of these members, compressed with gzip where its name ends in .gz.
void write_archive(const std::string& path, const std::vector<Member>& members) {
  archive* writer = archive_write_new();
  if (path.ends_with(".gz")) archive_write_add_filter_gzip(writer);
  archive_write_set_format_pax_restricted(writer);
  ASSERT_EQ(archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  for (const Member& member : members) {
    archive_entry_clear(entry);
    archive_entry_set_pathname(entry, member.name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.text.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    ASSERT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
    archive_write_data(writer, member.text.data(), member.text.size());
  }
  archive_entry_free(entry);
  ASSERT_EQ(archive_write_close(writer), ARCHIVE_OK);
  archive_write_free(writer);
}

TEST(ImdbArchive, IsBounded) {
  const TempDir folder;
  const std::string path = folder / "large.tar.gz";
  std::vector<Member> members = {{"padding", std::string(1'000'000, ' ')}, {"more", std::string(500'000, ' ')}};
  write_archive(path, members);
  EXPECT_EQ(message_of([&] { read_imdb_archive(path, kSilent, {.bytes = 1'200'000, .members = 10}); }),
            path + ": unpacks to more than 1200000 bytes; that is not the data set");
  EXPECT_EQ(message_of([&] { read_imdb_archive(path, kSilent, {.bytes = 900'000, .members = 10}); }),
            path + ": unpacks to more than 900000 bytes; that is not the data set");
  EXPECT_EQ(message_of([&] { read_imdb_archive(path, kSilent, {.bytes = 10'000'000, .members = 1}); }),
            path + ": has more than 1 members; that is not the data set");
}

// Some reviews as the archive has them.
std::vector<Member> some_members(int count) {
  std::vector<Member> out;
  for (int i = 0; i < count; ++i)
    out.push_back({"aclImdb/train/pos/" + std::to_string(i) + "_9.txt", "review " + std::to_string(i)});
  return out;
}

std::string archive_message(const std::string& path) {
  return message_of([&] { read_imdb_archive(path, kSilent); });
}

std::string digest(const std::filesystem::path& file) {
  return sha256_hex(read_file(file.string()));
}

void expect_contains(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.insert(entry.path().filename().string());
  return out;
}

TEST(Imdb, DigestsOfTheThreeFiles) {
  ATTUNE_DATA_OR_SKIP(data);
  const std::filesystem::path folder = imdb_csvs(data);
  EXPECT_EQ(digest(folder / "train.csv"), "fa56e3ac15fcd768f9819fea6ffb15325a230cbab3101531ddcd41095c670479");
  EXPECT_EQ(digest(folder / "validation.csv"), "d0cc4fd482f29f07ddcb72b025498e739e10664ec03f62319c2cfbe2813955eb");
  EXPECT_EQ(digest(folder / "test.csv"), "083b6973772e0c600bd4923a93cf217d50199e7c9bf1966484b887eef0dcea52");
}

TEST(Imdb, TruncatedArchiveIsRefused) {
  ATTUNE_DATA_OR_SKIP(data);
  const TempDir folder;
  const std::string whole = read_file((data / "imdb" / "aclImdb_labeled.tar.xz").string());
  std::ofstream(folder / "cut.tar.xz", std::ios::binary) << whole.substr(0, whole.size() / 20);
  const std::string message = archive_message(folder / "cut.tar.xz");
  expect_contains(message,
                  "cut.tar.xz: the archive cannot be read (is it complete? if it was downloaded, remove it): ");
}

// An invented set of the right size: file names out of order, every kind of line end, commas and quotes.
class WholeSet : public ::testing::Test {
 protected:
  static std::string raw(const std::string& folder, int i) {
    return folder + " " + std::to_string(i) + ", \"quoted\"\r\nline\rend\n";
  }
  static std::string name(int i) { return std::to_string(i) + "_" + std::to_string(1 + i % 10) + ".txt"; }

  static std::vector<Member> members() {
    std::vector<Member> out = {{"aclImdb/README", "not a review"},
                               {"aclImdb/train/unsup/0_0.txt", "unlabelled"},
                               {"aclImdb/train/urls_pos.txt", "url"}};
    for (const char* folder : {"train/neg", "train/pos", "test/neg", "test/pos"})
      for (int i = 12499; i >= 0; --i)
        out.push_back({"aclImdb/" + std::string(folder) + "/" + name(i), raw(folder, i)});
    return out;
  }

  // The rows in the order of the reference, before they are shuffled: file names in the order of their characters.
  static std::vector<ImdbReview> expected() {
    std::vector<ImdbReview> out;
    for (const std::string folder : kFolders) {
      std::map<std::string, int> by_name;
      for (int i = 0; i < 12500; ++i) by_name[name(i)] = i;
      for (const auto& [file, i] : by_name)
        out.push_back(
            {folder + " " + std::to_string(i) + ", \"quoted\"\nline\nend\n", folder.ends_with("pos") ? 1 : 0});
    }
    return out;
  }
};

TEST_F(WholeSet, IsOrderedShuffledAndSplit) {
  const TempDir folder;
  write_archive(folder / "set.tar.gz", members());
  const std::vector<ImdbReview> reviews = read_imdb_archive(folder / "set.tar.gz", kSilent), wanted = expected();
  ASSERT_EQ(reviews.size(), wanted.size());
  for (std::size_t i = 0; i < reviews.size(); ++i) {
    ASSERT_EQ(reviews[i].text, wanted[i].text) << i;
    ASSERT_EQ(reviews[i].label, wanted[i].label) << i;
  }

  write_imdb_splits(reviews, folder / "out");
  const std::vector<std::int32_t> p = numpy_permutation(123, 50000);
  std::size_t row = 0;
  for (const auto& [file, count] : std::initializer_list<std::pair<const char*, int>>{
           {"train.csv", 35000}, {"validation.csv", 5000}, {"test.csv", 10000}}) {
    CsvReader reader(folder / ("out/" + std::string(file)));
    EXPECT_EQ(reader.header(), (std::vector<std::string>{"text", "label"}));
    int rows = 0;
    for (std::vector<std::string> fields; reader.next(fields); ++rows, ++row) {
      const ImdbReview& review = wanted[static_cast<std::size_t>(p[static_cast<std::size_t>(p[row])])];
      ASSERT_EQ(fields, (std::vector<std::string>{review.text, std::to_string(review.label)})) << file << " " << rows;
    }
    EXPECT_EQ(rows, count) << file;
  }
}

// A limit on the size of files fails a write half way, as a full disk does.
TEST_F(WholeSet, AFullDiskLeavesTheOldFiles) {
  const TempDir folder;
  for (const char* file : {"train.csv", "validation.csv", "test.csv"}) write_file(folder / file, "old");
  const std::vector<ImdbReview> reviews = expected();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  std::string message;
  for (const rlim_t limit : {4096, 1 << 20}) {  // the first file is cut, the first fits
    const rlimit small{limit, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    message = message_of([&] { write_imdb_splits(reviews, folder.path().string()); });
    expect_contains(message, "train.csv: cannot be written: File too large");
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"train.csv", "validation.csv", "test.csv"}));
  for (const char* file : {"train.csv", "validation.csv", "test.csv"}) EXPECT_EQ(read_file(folder / file), "old");
}

TEST(Imdb, AFolderHasWhatAnArchiveHas) {
  const TempDir folder;
  for (const char* sub : kFolders) create_folders(folder / ("aclImdb/" + std::string(sub)));
  write_file(folder / "aclImdb/test/pos/0_10.txt", "fine");
  const std::string inside = message_of([&] { read_imdb_folder(folder / "aclImdb", kSilent); });
  EXPECT_EQ(inside, folder / "aclImdb: found 1 reviews in aclImdb/test/pos where 12500 are expected");
  EXPECT_EQ(message_of([&] { read_imdb_folder(folder.path().string(), kSilent); }), inside);
  write_file(folder / "aclImdb/test/pos/0_2.txt", "bad \xff");
  EXPECT_EQ(message_of([&] { read_imdb_folder(folder.path().string(), kSilent); }),
            folder / "aclImdb: test/pos/0_2.txt is not valid UTF-8 at its byte 4");
  std::filesystem::remove_all(folder / "aclImdb/test/pos");
  expect_contains(message_of([&] { read_imdb_folder(folder.path().string(), kSilent); }),
                  folder / "aclImdb/test/pos: no such folder");
  expect_contains(message_of([&] { read_imdb_folder(folder / "nowhere", kSilent); }),
                  folder / "nowhere/test/pos: no such folder");
}

TEST(Imdb, ArchivesThatAreNotTheDataSetAreNamed) {
  const TempDir folder;
  EXPECT_EQ(archive_message(folder / "none.tar.gz"), folder / "none.tar.gz: no such file");
  expect_contains(archive_message(folder.path().string()), folder.path().string());
  write_file(folder / "text.tar.gz", "this is no archive");
  expect_contains(archive_message(folder / "text.tar.gz"),
                  "text.tar.gz: the archive cannot be read (is it complete? if it was downloaded, remove it): ");
  write_file(folder / "empty.tar.gz", "");
  expect_contains(archive_message(folder / "empty.tar.gz"), folder / "empty.tar.gz");

  auto members = some_members(3);
  write_archive(folder / "few.tar.gz", members);
  expect_contains(archive_message(folder / "few.tar.gz"),
                  "found 0 reviews in aclImdb/test/pos where 12500 are expected");
  members.push_back({"aclImdb/train/neg/7_1.txt", "caf\xe9"});
  write_archive(folder / "latin.tar.gz", members);
  expect_contains(archive_message(folder / "latin.tar.gz"),
                  "latin.tar.gz: train/neg/7_1.txt is not valid UTF-8 at its byte 3");
  members.back() = {"aclImdb/train/neg/7_1.txt", std::string(200000, 'x') + "\xe9"};  // more than is read at a time
  write_archive(folder / "long.tar.gz", members);
  expect_contains(archive_message(folder / "long.tar.gz"), "train/neg/7_1.txt is not valid UTF-8 at its byte 200000");
  members.back() = {"elsewhere/aclImdb/train/pos/1_9.txt", "again"};
  write_archive(folder / "twice.tar.gz", members);
  expect_contains(archive_message(folder / "twice.tar.gz"), "train/pos/1_9.txt is there twice");
  write_archive(folder / "deep.tar.gz",
                {{std::string(200000, 'd') + "/" + std::string(300000, '/') + "x.txt", "deep"}});
  expect_contains(archive_message(folder / "deep.tar.gz"), "deep.tar.gz: ");
}

// A member's header as POSIX ustar has it.
std::string ustar_header(const std::string& name, std::uint64_t size) {
  std::string header(512, '\0');
  char octal[16];
  const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  put(0, name);
  put(100, "0000644");
  std::snprintf(octal, sizeof(octal), "%011llo", static_cast<unsigned long long>(size));
  put(124, octal);
  put(136, "00000000000");
  put(148, "        ");  // the checksum counts as spaces
  put(156, "0");
  put(257, std::string("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(octal, sizeof(octal), "%06o", sum);
  put(148, octal);
  header[154] = '\0';
  return header;
}

TEST(Imdb, AnArchivesWordOnSizesIsNotTrusted) {
  const TempDir folder;
  write_file(folder / "huge.tar", ustar_header("aclImdb/test/pos/0_1.txt", 077777777777) + "few bytes");
  expect_contains(archive_message(folder / "huge.tar"),
                  "aclImdb/test/pos/0_1.txt has 8589934591 bytes; that is no review");
  write_file(folder / "short.tar", ustar_header("aclImdb/test/pos/0_1.txt", 5000) + "few bytes");
  expect_contains(archive_message(folder / "short.tar"), "aclImdb/test/pos/0_1.txt");
  std::string damaged = ustar_header("aclImdb/test/pos/0_1.txt", 3) + "abc" + std::string(509, '\0') +
                        ustar_header("aclImdb/test/pos/0_2.txt", 0);
  damaged[1024] ^= 1;
  write_file(folder / "damaged.tar", damaged + std::string(1024, '\0'));
  expect_contains(archive_message(folder / "damaged.tar"),
                  "the archive cannot be read (is it complete? if it was downloaded, remove it): ");
}

// A size of GNU tar's own header field, in base 256, that 64 bits cannot hold: libarchive gives the largest they can.
TEST(Imdb, ASizeThatOverflowsIsRefused) {
  const TempDir folder;
  constexpr std::size_t kChecksumAt = 148, kMagicAt = 257, kRealSizeAt = 483;
  std::string header = ustar_header("padding", 0);
  header.replace(kMagicAt, 8, std::string("ustar  \0", 8));
  header[kRealSizeAt] = '\xBB';
  header.replace(kChecksumAt, 8, 8, ' ');
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%06o", sum);
  header.replace(kChecksumAt, 7, text.data(), 7);
  write_file(folder / "endless.tar", ustar_header("a", 0) + header + std::string(1024, '\0'));
  expect_contains(archive_message(folder / "endless.tar"), "unpacks to more than ");
}

// Whatever the bytes, the answer is an Error.
TEST(Imdb, MutatedArchivesAreRefused) {
  const TempDir folder;
  std::mt19937 random(1);
  for (const char* file : {"some.tar", "some.tar.gz"}) {
    write_archive(folder / file, some_members(20));
    const std::string whole = read_file(folder / file);
    for (int i = 0; i < 300; ++i) {
      std::string bytes = whole;
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      if (i % 3 == 0) bytes.resize(random() % bytes.size());
      std::ofstream(folder / "mutated", std::ios::binary) << bytes;
      EXPECT_FALSE(archive_message(folder / "mutated").empty());
    }
  }
}

}  // namespace
}  // namespace attune::testing
