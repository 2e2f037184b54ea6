// Files damaged at random, from a fixed seed: reading them succeeds or throws an Error that names the file, and nothing else.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/io/csv.h"
#include "engine/io/jsonl.h"
#include "engine/io/safetensors.h"
#include "tests/engine/io/safetensors_file.h"
#include "tests/tokenizer/mutation.h"

namespace attune::testing {
namespace {

// A file in memory with a path, so that thousands of them cost no disk.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("damaged", MFD_CLOEXEC)) {}
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  void replace(const std::string& bytes) const {
    ASSERT_EQ(ftruncate(fd_, 0), 0);
    ASSERT_EQ(pwrite(fd_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }

 private:
  int fd_;
};

// Reads damaged copies of `text`; each ends well or in an Error. Both must happen, or the damage tests nothing.
template <class Read>
void expect_error_or_success(const std::string& text, Read read) {
  constexpr int kRounds = 4000;
  const MemoryFile file;
  RandomText random(7);
  int errors = 0, successes = 0;
  for (int round = 0; round < kRounds; ++round) {
    file.replace(mutated(text, random));
    try {
      read(file.path());
      ++successes;
    } catch (const Error& error) {
      ++errors;
      ASSERT_TRUE(std::string(error.what()).starts_with(file.path())) << "round " << round << ": " << error.what();
    } catch (const std::exception& other) {
      FAIL() << "round " << round << ": " << other.what();
    }
  }
  EXPECT_GT(errors, kRounds / 20);
  EXPECT_GT(successes, kRounds / 20);
}

TEST(DamagedFiles, Csv) {
  expect_error_or_success("\xEF\xBB\xBFtext,label\r\n\"a, \"\"b\"\"\nc\",1\r\ncaf\xC3\xA9,0\n\n\"\",2\n",
                          [](const std::string& path) {
                            CsvReader reader(path);
                            (void)reader.column(reader.header().front());
                            for (std::vector<std::string> row; reader.next(row);)
                              ASSERT_EQ(row.size(), reader.header().size());
                          });
}

TEST(DamagedFiles, Jsonl) {
  expect_error_or_success(
      "{\"text\": \"a \\u00e9 \\\\ b, a longer review that takes small injuries well\", \"label\": 1}\n\n{\"label\": "
      "-2.5e3, \"text\": \"caf\xC3\xA9\", \"x\": [{}]}\n",
      [](const std::string& path) {
        JsonlReader reader(path);
        for (std::vector<std::string> row; reader.next({"text", "label"}, row);) ASSERT_EQ(row.size(), 2u);
      });
}

TEST(DamagedFiles, Safetensors) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"I64","shape":[],"data_offsets":[16,24]},"c":{"dtype":"F16","shape":[200],"data_offsets":[24,424]}})";
  expect_error_or_success(safetensors_bytes(header, std::string(424, '\0')), [](const std::string& path) {
    const SafetensorsFile file(path);
    for (const SafetensorsEntry& entry : file.entries())
      (void)file.read(entry, entry.dtype[0] == 'F' ? DType::kFloat32 : DType::kInt32);
  });
}

}  // namespace
}  // namespace attune::testing
