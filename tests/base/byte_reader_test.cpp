#include "base/byte_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <string>
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
