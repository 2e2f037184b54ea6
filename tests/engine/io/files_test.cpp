// Files written atomically: whatever goes wrong, the target keeps what it had and no temporary stays behind; and SHA-256.
#include "engine/io/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "base/descriptor.h"
#include "base/mapped_files.h"
#include "base/mapping.h"
#include "engine/io/sha256.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

// A folder with the one file "target", which must be all there is at the end as well.
class Files : public ::testing::Test {
 protected:
  void SetUp() override { write_file(target_, "old"); }
  void expect_only_target(const std::string& text) const {
    EXPECT_EQ(read_file(target_), text);
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path()))
      names.push_back(entry.path().filename().string());
    EXPECT_EQ(names, std::vector<std::string>{"target"});
  }

  TempDir dir_;
  std::string target_ = dir_ / "target";
};

TEST_F(Files, ACommittedFileReplacesTheOldOne) {
  {
    AtomicFile file(target_);
    file.write("new ");
    file.write("text");
    EXPECT_EQ(read_file(target_), "old");
    file.commit();
  }
  expect_only_target("new text");
  struct stat info {};
  ASSERT_EQ(stat(target_.c_str(), &info), 0);
  const mode_t mask = umask(0);
  umask(mask);
  EXPECT_EQ(info.st_mode & 0777u, 0666u & ~mask);
}

TEST_F(Files, AnAbandonedFileLeavesTheOldOne) {
  { AtomicFile(target_).write("half"); }
  expect_only_target("old");
}

TEST_F(Files, AFullDiskLeavesTheOldOne) {
  // A limit on the size of files fails a write half way, as a full disk does.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = message_of([&] { write_file(target_, std::string(10'000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(message.starts_with(target_ + ": cannot be written")) << message;
  expect_only_target("old");
}

TEST_F(Files, ATargetThatCannotBeReplaced) {
  const TempDir other;
  std::filesystem::create_directory(other / "folder");
  const std::string message = message_of([&] { write_file(other / "folder", "text"); });
  EXPECT_TRUE(message.starts_with((other / "folder") + ": cannot be put in place")) << message;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(other.path()), {}), 1);
}

// The end of its last page is zeros then, without an error of the system: what was made of them must not be saved.
TEST_F(Files, NothingIsSavedOnceAMappedFileWasCut) {
  const TempDir other;
  write_file(other / "ids", "0123456789");
  const Descriptor ids(open_descriptor(other / "ids", O_RDONLY));
  {
    const Mapping mapping(ids.get(), 10, "ids");
    check_mapped_files();
    std::filesystem::resize_file(other / "ids", 9);
    EXPECT_EQ(mapping.data()[9], std::byte{0});
    AtomicFile file(target_);
    file.write("new");
    EXPECT_EQ(message_of([&] { file.commit(); }), "ids: was cut while it was in use");
  }
  expect_only_target("old");
  check_mapped_files();  // of mappings that are left
}

TEST_F(Files, AMissingFolder) {
  EXPECT_THROW(write_file(dir_ / "missing/file", "text"), IoError);
  EXPECT_TRUE(message_of([&] { write_file(dir_ / "missing/file", "text"); }).starts_with(dir_ / "missing/file"));
  expect_only_target("old");
}

TEST_F(Files, AFolderThatIsNotWritable) {
  // Permissions do not bind root: it takes another user's rights for the attempt.
  const bool root = geteuid() == 0;
  std::filesystem::permissions(dir_.path(), static_cast<std::filesystem::perms>(0555));
  if (root && seteuid(65534) != 0) GTEST_SKIP() << "root that cannot become another user";
  const std::string message = message_of([&] { write_file(target_, "text"); });
  ASSERT_EQ(root ? seteuid(0) : 0, 0);
  std::filesystem::permissions(dir_.path(), static_cast<std::filesystem::perms>(0755));
  EXPECT_TRUE(message.starts_with(target_ + ": cannot be created")) << message;
  expect_only_target("old");
}

TEST_F(Files, Folders) {
  create_folders(dir_ / "a/b/c");
  create_folders(dir_ / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(dir_ / "a/b/c"));
  EXPECT_THROW(create_folders(target_ + "/below"), IoError);
}

TEST_F(Files, RoomIsCheckedBefore) {
  EXPECT_NO_THROW(check_room(dir_.path().string(), 1, 1));
  const std::string message = message_of([&] { check_room(dir_.path().string(), std::uint64_t{1} << 60, 1); });
  EXPECT_TRUE(message.starts_with(dir_.path().string() + ": files of 1152921504607 MB will be saved, but the disk"))
      << message;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{4'000'000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_EQ(
      message_of([&] { check_room(dir_.path().string(), 5'000'000, 5'000'000); }),
      dir_.path().string() + ": a file of 5 MB will be saved, but the limit on the size of files (ulimit -f) is 4 MB");
  setrlimit(RLIMIT_FSIZE, &before);
}

TEST_F(Files, NewFilesHaveThePermissionsOfTheProcess) {
  const mode_t before = umask(0077);
  write_file(target_, "secret");
  umask(before);
  struct stat info {};
  ASSERT_EQ(stat(target_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
}

TEST_F(Files, WhatWasWrittenCanBeReplaced) {
  {
    AtomicFile file(target_);
    file.write("length unknown: text");
    file.write_at(7, "is four");
    file.commit();
  }
  expect_only_target("length is four: text");
}

TEST_F(Files, TemporariesOfKilledProcessesAreRemoved) {
  AtomicFile file(target_);  // one in the making, as a killed process leaves it
  file.write("half");
  const auto count = [&] { return std::distance(std::filesystem::directory_iterator(dir_.path()), {}); };
  EXPECT_EQ(count(), 2);
  remove_temporaries(dir_.path().string(), std::chrono::hours(1));  // another run may be writing it
  EXPECT_EQ(count(), 2);
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path()))
    last_write_time(entry.path(), entry.last_write_time() - std::chrono::minutes(61));
  remove_temporaries(dir_.path().string(), std::chrono::hours(1));
  expect_only_target("old");
}

TEST_F(Files, TemporariesOfAnyAgeAreRemoved) {
  AtomicFile file(target_);
  remove_temporaries(dir_.path().string());
  expect_only_target("old");
  remove_temporaries(dir_ / "missing");
}

TEST_F(Files, OtherFilesAreNoTemporaries) {
  const std::vector<std::string> others = {dir_ / "notes.attune-backup", dir_ / "notes.attune-temporary-abcde1",
                                           dir_ / ".attune-temporary-abcdef", dir_ / "notes.attune-temporary-abcde"};
  for (const std::string& other : others) write_file(other, "mine");
  const std::string folder = dir_ / "folder.attune-temporary-abcdef",
                    temporary = dir_ / "target.attune-temporary-abcdef";
  create_folders(folder);
  write_file(temporary, "half");
  remove_temporaries(dir_.path().string());
  for (const std::string& other : others) EXPECT_TRUE(std::filesystem::exists(other)) << other;
  EXPECT_TRUE(std::filesystem::exists(folder));
  EXPECT_FALSE(std::filesystem::exists(temporary));
}

TEST(Sha256, KnownAnswers) {  // FIPS 180-4, examples of NIST
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesOfAnyLengthMakeTheSameDigest) {
  Sha256 pieces;
  const std::string a(997, 'a');
  for (std::size_t left = 1'000'000; left > 0;) {
    const std::size_t n = std::min(left, a.size());
    pieces.update(std::as_bytes(std::span(a).first(n)));
    left -= n;
  }
  EXPECT_EQ(pieces.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace attune::testing
