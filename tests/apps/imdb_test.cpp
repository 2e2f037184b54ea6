// prepare_imdb's files are the reference's, byte for byte; and what it says about sources that are not the data set.
#include "apps/support/imdb.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/check.h"
#include "base/read_file.h"
#include "engine/io/sha256.h"
#include "tests/support/data.h"
#include "tests/support/imdb.h"

namespace attune::testing {
namespace {

const ImdbProgress kSilent = [](std::int64_t, std::int64_t) {};

std::string digest(const std::filesystem::path& file) {
  const std::string text = read_file(file.string());
  return sha256_hex(std::as_bytes(std::span(text)));
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
  EXPECT_THROW(read_imdb_archive(folder / "cut.tar.xz", kSilent), Error);
}

TEST(Imdb, WhatIsNotTheDataSetIsNamed) {
  const TempDir folder;
  const auto message = [](const auto& read) {
    try {
      read();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(message([&] { read_imdb_archive(folder / "none.tar.gz", kSilent); }).find("none.tar.gz"), std::string::npos);
  std::ofstream(folder / "text.tar.gz") << "this is no archive";
  EXPECT_NE(message([&] { read_imdb_archive(folder / "text.tar.gz", kSilent); }).find("cannot be read"), std::string::npos);
  EXPECT_NE(message([&] { read_imdb_folder(folder.path().string(), kSilent); }).find("test/pos"), std::string::npos);
  for (const char* sub : {"test/pos", "test/neg", "train/pos", "train/neg"}) std::filesystem::create_directories(folder.path() / sub);
  std::ofstream(folder / "test/pos/0_1.txt") << "fine";
  EXPECT_NE(message([&] { read_imdb_folder(folder.path().string(), kSilent); }).find("found 1 reviews"), std::string::npos);
  std::ofstream(folder / "test/pos/0_2.txt") << "bad \xff";
  EXPECT_NE(message([&] { read_imdb_folder(folder.path().string(), kSilent); }).find("0_2.txt is not valid UTF-8 at its byte 4"), std::string::npos);
}

TEST(Imdb, DownloadFromAFileAddressAndAFailure) {
  const TempDir folder;
  std::ofstream(folder / "source") << "bytes";
  download_file("file://" + (folder / "source"), folder / "target", kSilent);
  EXPECT_EQ(read_file(folder / "target"), "bytes");
  EXPECT_THROW(download_file("file://" + (folder / "nothing"), folder / "other", kSilent), Error);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 2u) << "a failed download leaves nothing behind";
}

}  // namespace
}  // namespace attune::testing
