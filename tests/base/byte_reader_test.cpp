#include "base/byte_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "tests/support/data.h"

namespace attune {
namespace {

std::vector<std::string> lines_after_mark(ByteReader& reader) {
  reader.skip("\xEF\xBB\xBF");
  std::vector<std::string> out;
  for (std::string line; reader.line(line);) out.push_back(line);
  return out;
}

TEST(ByteReaderTest, SkipsAMarkAtTheBegin) {
  const testing::TempDir folder;
  const std::string path = folder / "text";
  using Lines = std::vector<std::string>;
  for (const auto& [text, lines] : {std::pair<std::string, Lines>{"\xEF\xBB\xBFone\ntwo", {"one", "two"}},
                                    {"one\n\n", {"one", ""}},
                                    {"\xEF\xBB", {"\xEF\xBB"}},
                                    {"\xEF\xBB\xBF", {}},
                                    {"", {}}}) {
    std::ofstream(path, std::ios::binary) << text;
    ByteReader reader(path);
    EXPECT_EQ(lines_after_mark(reader), lines) << text;
  }
}

// The first read of a pipe may end within the mark.
TEST(ByteReaderTest, SkipsAMarkThatComesInParts) {
  const testing::TempDir folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] {
    std::ofstream pipe(path, std::ios::binary);
    for (const char* part : {"\xEF", "\xBB", "\xBFone"}) {
      pipe << part << std::flush;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  ByteReader reader(path);
  EXPECT_EQ(lines_after_mark(reader), std::vector<std::string>{"one"});
  writer.join();
}

// Blocks end at other places than files do.
TEST(ByteReaderTest, GivesEveryByteOfAFile) {
  const testing::TempDir folder;
  const std::string path = folder / "text";
  constexpr std::size_t kSmall = std::size_t{1} << 16, kLarge = std::size_t{1} << 20;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kSmall - 1, kSmall, kSmall + 1, kSmall + kLarge + 1}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i % 251);
    std::ofstream(path, std::ios::binary) << text;
    ByteReader reader(path);
    std::string read;
    for (std::string_view block = reader.block(); !block.empty(); block = reader.block()) read += block;
    EXPECT_TRUE(read == text) << size;
    EXPECT_EQ(reader.peek(), ByteReader::kEnd) << size;
  }
}

// A file may grow after it was opened.
TEST(ByteReaderTest, GivesBytesThatAreWrittenLater) {
  const testing::TempDir folder;
  const std::string path = folder / "text";
  std::ofstream file(path);
  file << "one" << std::flush;
  ByteReader reader(path);
  file << ", two" << std::flush;
  std::string line;
  EXPECT_TRUE(reader.line(line));
  EXPECT_EQ(line, "one, two");
}

TEST(ByteReaderTest, AFileThatIsCutIsAnError) {
  const testing::TempDir folder;
  const std::string path = folder / "text";
  std::ofstream(path) << std::string(3 << 20, 'x');
  ByteReader reader(path);
  EXPECT_FALSE(reader.block().empty());
  std::ofstream(path, std::ios::trunc) << "x";
  EXPECT_THROW(while (!reader.block().empty()) continue, IoError);
}

}  // namespace
}  // namespace attune
