#include "base/mapping.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/descriptor.h"
#include "base/mapped_files.h"
#include "tests/support/data.h"

namespace attune {
namespace {

class MappingTest : public ::testing::Test {
 protected:
  MappingTest() : path_(folder_ / "bytes") {
    std::ofstream(path_) << std::string(3 * 4096 + 5, 'x');
    file_.reset(open_descriptor(path_, O_RDONLY));
  }
  std::unique_ptr<Mapping> map() const { return std::make_unique<Mapping>(file_.get(), 3 * 4096 + 5, path_); }

  testing::TempDir folder_;
  std::string path_;
  Descriptor file_;
};

TEST_F(MappingTest, HasTheBytesOfTheFile) {
  const auto mapping = map();
  EXPECT_EQ(std::memcmp(mapping->data(), std::string(3 * 4096 + 5, 'x').data(), 3 * 4096 + 5), 0);
  EXPECT_NO_THROW(check_mapped_files());
}

TEST_F(MappingTest, ACutWithinTheLastPageIsFoundWhenTheFilesAreChecked) {
  auto mapping = map();
  ASSERT_EQ(truncate(path_.c_str(), 3 * 4096 + 4), 0);
  EXPECT_THROW(check_mapped_files(), IoError);
  mapping.reset();
  EXPECT_NO_THROW(check_mapped_files());
}

TEST_F(MappingTest, ReadingAPageThatIsGoneEndsTheProgramWithItsName) {
  const auto mapping = map();
  ASSERT_EQ(truncate(path_.c_str(), 10), 0);
  EXPECT_EXIT(
      [[maybe_unused]] const std::byte byte = *static_cast<const volatile std::byte*>(mapping->data() + 2 * 4096),
      ::testing::ExitedWithCode(1), "error: .*bytes: was cut while it was in use");
}

TEST_F(MappingTest, MoreFilesThanTheErrorsCanNameAreRefused) {
  std::vector<std::unique_ptr<Mapping>> mappings;
  EXPECT_THROW(
      {
        while (mappings.size() < 1000) mappings.push_back(map());
      },
      IoError);
  EXPECT_EQ(mappings.size(), 64u);
}

}  // namespace
}  // namespace attune
