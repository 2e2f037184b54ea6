// Text of files: reading it, and showing it.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/check.h"
#include "base/input_file.h"
#include "base/near_word.h"
#include "base/printable.h"
#include "base/read_file.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TEST(Printable, OneLineWithoutControls) {
  EXPECT_EQ(printable("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("caf\u00e9"), "caf\u00e9");
}

TEST(Printable, EscapesBrokenUtf8AndAllControls) {
  EXPECT_EQ(printable("caf\xc3"), "caf\\xc3");
  EXPECT_EQ(printable("\xff\u00e9\x9b[2J"), "\\xff\u00e9\\x9b[2J");
  EXPECT_EQ(printable("\u009b[2J\u00a0\u20ac"), "\\xc2\\x9b[2J\u00a0\u20ac");
}

// The text ends where the memory does.
TEST(Printable, ReadsNothingPastTheEnd) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const pages = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  char* const end = static_cast<char*>(pages) + page;
  ASSERT_EQ(mprotect(end, page, PROT_NONE), 0);
  for (const char last : {'\xC2', '\xE2', '\xF0', '\x80', 'a'}) {
    end[-1] = last;
    EXPECT_EQ(printable({end - 1, 1}).size(), last == 'a' ? 1U : 4U);
  }
  munmap(pages, 2 * page);
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("ab\u00e9d", 3), "ab\u00e9...");  // the character that was begun is kept
  EXPECT_EQ(printable(std::string(100, 'x')), std::string(80, 'x') + "...");
  EXPECT_EQ(one_line(std::string(100, 'x') + "\n"), std::string(100, 'x') + "\\x0a");
}

// What a stream does with a value for which there is no memory.
struct Broken {
  friend std::ostream& operator<<(std::ostream& out, Broken) {
    out.setstate(std::ios::badbit);
    return out;
  }
};

TEST(StrCat, HasTheFormsOfAStream) {
  const auto streamed = [](const auto&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
  };
  const auto expect_equal = [&](const auto&... parts) { EXPECT_EQ(str_cat(parts...), streamed(parts...)); };
  expect_equal("a ", std::string("string"), std::string_view(" view"), '!', std::string("\0", 1));
  expect_equal(0, -1, 7u, std::uint16_t{65535}, std::int16_t{-5}, true, ' ', std::size_t{42});
  expect_equal(std::numeric_limits<std::int64_t>::min(), ' ', std::numeric_limits<std::uint64_t>::max());
  for (const double number : {0.0, -0.0, 1.0, 0.1, 1e-5, 123456.0, 1234567.0, -1.23456789e-300, 1.7976931348623157e308})
    expect_equal(number, ' ', static_cast<float>(number));
  const double infinite = std::numeric_limits<double>::infinity();
  expect_equal(infinite, -infinite, std::numeric_limits<double>::quiet_NaN());
  const int object = 0;
  const void* const address = &object;
  expect_equal(address);
  EXPECT_EQ(str_cat(), "");
}

TEST(StrCat, IsWholeOrFails) {
  EXPECT_EQ(str_cat("a ", 12, " b"), "a 12 b");
  EXPECT_THROW(str_cat("a ", Broken{}, " b"), std::ios_base::failure);
}

TEST(NearWord, HasTheFewestEdits) {
  const std::vector<std::string> words = {"negative", "positive", "neutral", "", "art"};
  const auto near = [&](std::string_view text) {
    const std::string* const word = near_word(text, words);
    return word == nullptr ? "none" : *word;
  };
  EXPECT_EQ(near("postive"), "positive");
  EXPECT_EQ(near("Negativ"), "negative");
  EXPECT_EQ(near("neural"), "neutral");
  EXPECT_EQ(near("atr"), "art") << "two that are swapped are one edit";
  EXPECT_EQ(near("at"), "none");
  EXPECT_EQ(near("fear"), "none") << "too far from all";
  EXPECT_EQ(near("1"), "none");
  EXPECT_EQ(near(""), "");
  const std::vector<std::string> equals = {"grey", "gray", "gry"};
  EXPECT_EQ(near_word("grxy", equals), &equals[0]);
  EXPECT_EQ(near_word("gry", equals), &equals[2]);
  EXPECT_EQ(near_word("fear", {}), nullptr);
  EXPECT_EQ(did_you_mean("neural", words), "; did you mean 'neutral'?");
  const std::vector<std::string> odd = {"pos", "a\nb", std::string(99, 'x')};
  EXPECT_EQ(did_you_mean("pos ", odd), "; did you mean 'pos'?");
  EXPECT_EQ(did_you_mean("a\n", odd), "");
  EXPECT_EQ(did_you_mean("a\nc", odd), "; did you mean 'a\\x0ab'?");
  EXPECT_EQ(did_you_mean(std::string(98, 'x'), odd), "; did you mean '" + std::string(80, 'x') + "...'?");
  EXPECT_EQ(did_you_mean("fear", words), "");
}

TEST(ReadFile, PointersAndFilesThatAreNotRegularAreNamed) {
  const TempDir folder;
  std::ofstream(folder / "pointer") << "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
  EXPECT_EQ(message_of([&] { read_file(folder / "pointer"); }),
            (folder / "pointer") + ": is a pointer of Git LFS, not the file itself (git lfs pull fetches it)");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(message_of([&] { check_regular(folder / "fifo"); }), (folder / "fifo") + ": is not a regular file");
  for (const std::string& path : {folder / "fifo", folder.path().string()})
    EXPECT_EQ(message_of([&] { read_file(path, 100, FileKind::kRegular); }), path + ": is not a regular file");
  std::ofstream(folder / "text") << "text";
  EXPECT_EQ(read_file(folder / "text", 100, FileKind::kRegular), "text");
  EXPECT_NO_THROW(check_regular(folder / "pointer"));
  EXPECT_NO_THROW(check_regular(folder / "missing"));
}

TEST(ReadFile, KeepsToItsBound) {
  const TempDir folder;
  std::ofstream(folder / "file") << "12345";
  EXPECT_EQ(read_file(folder / "file"), "12345");
  EXPECT_EQ(read_file(folder / "file", 5), "12345");
  EXPECT_EQ(message_of([&] { read_file(folder / "file", 4); }), (folder / "file") + ": has more than 4 bytes");
  EXPECT_THROW(read_file(folder / "missing"), IoError);
}

}  // namespace
}  // namespace attune::testing
