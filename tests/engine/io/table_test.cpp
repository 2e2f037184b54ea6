// Tables in other forms than CSV: TSV, JSON lines, and folders of texts.
#include "engine/io/table.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "engine/io/files.h"
#include "engine/io/text_folder.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

class Tables : public ::testing::Test {
 protected:
  // Header and rows of a file of this name; only the chosen columns, if any are named.
  Rows read(const std::string& name, const std::string& text, const Row& chosen = {}) {
    path_ = dir_ / name;
    write_file(path_, text);
    return rows(chosen);
  }
  Rows rows(const Row& chosen = {}) const {
    const auto table = open_table(path_);
    Rows out = {table->header()};
    if (!chosen.empty()) table->choose(chosen);
    for (Row row; table->next(row);) out.push_back(row);
    return out;
  }
  std::string error(const std::string& name, const std::string& text, const Row& chosen = {}) {
    const std::string message = message_of([&] { read(name, text, chosen); });
    return message.starts_with(path_) ? message.substr(path_.size()) : message;
  }
  void put(const std::string& name, const std::string& text) const {
    create_folders(std::filesystem::path(dir_ / name).parent_path().string());
    write_file(dir_ / name, text);
  }

  TempDir dir_;
  std::string path_;
};

TEST_F(Tables, TheEndOfTheNameSaysTheForm) {
  EXPECT_EQ(read("a.csv", "x,y\n1,2\n"), (Rows{{"x", "y"}, {"1", "2"}}));
  EXPECT_EQ(read("a.TSV", "x\ty\n1,2\t3\n"), (Rows{{"x", "y"}, {"1,2", "3"}}));
  for (const char* name : {"a.jsonl", "a.ndjson", "a.json"})
    EXPECT_EQ(read(name, R"({"x": "1"})"), (Rows{{"x"}, {"1"}})) << name;
  EXPECT_EQ(error("a.xlsx", ""),
            ": is neither a folder nor a file whose name ends with .csv, .tsv, .jsonl, .ndjson or .json");
  EXPECT_THROW(open_table(dir_ / "missing.csv"), IoError);
}

TEST_F(Tables, ColumnsAreChosenByName) {
  EXPECT_EQ(read("a.csv", "x,y,z\n1,2,3\n4,5,6\n", {"z", "x", "z"}),
            (Rows{{"x", "y", "z"}, {"3", "1", "3"}, {"6", "4", "6"}}));
  EXPECT_EQ(error("a.tsv", "x\ty\n1\t2\n", {"q"}), ": there is no column 'q'; the columns are 'x', 'y'");
  EXPECT_EQ(error("a.jsonl", R"({"x": 1, "y": 2})", {"q"}), ": there is no column 'q'; the columns are 'x', 'y'");
}

TEST_F(Tables, QuotesOfTsvAreText) {
  EXPECT_EQ(read("a.tsv",
                 "text\tlabel\r\nshe said \"no\"\t1\r\n\"Never\" again\t0\n\n\"quoted \"\"as\"\" a whole\"\t\"2\"\n"
                 "\"a\" or \"b\"\t\"\n\t\"\"\n\"\"\"\t3"),
            (Rows{{"text", "label"},
                  {"she said \"no\"", "1"},
                  {"\"Never\" again", "0"},
                  {"quoted \"as\" a whole", "2"},
                  {"\"a\" or \"b\"", "\""},
                  {"", ""},
                  {"\"\"\"", "3"}}));
}

TEST_F(Tables, BlankLinesOfOneColumnAreEmptyFields) {
  EXPECT_EQ(read("a.tsv", "text\n\none\r\n\r\n\ntwo\n\n"), (Rows{{"text"}, {""}, {"one"}, {""}, {""}, {"two"}, {""}}));
  EXPECT_EQ(read("a.jsonl", "{\"x\": 1}\n\n{\"x\": 2}\n\n"), (Rows{{"x"}, {"1"}, {"2"}})) << "no object in a line";
}

TEST_F(Tables, ErrorsOfTsvNameTheLine) {
  EXPECT_EQ(error("a.tsv", "x\ty\n1\t2\n\n1\n"), ":4: found 1 fields where the header has 2");
  EXPECT_EQ(error("a.tsv", "x\ty\n1\t2\n\"1\n\"\t3\n"), ":3: found 1 fields where the header has 2");
  EXPECT_EQ(error("a.tsv", "x\ty\n1\t\xC3\n"), ":2: field 2 is not valid UTF-8 at its byte 0");
  EXPECT_EQ(error("a.tsv", ""), ": the file is empty; a header row is needed");
}

TEST_F(Tables, JsonLines) {
  EXPECT_EQ(read("a.jsonl",
                 "\xEF\xBB\xBF\n{\"text\": \"a \\\"b\\\"\\n\\u00e9\", \"label\": 1, \"flag\": true}\r\n\n"
                 "{\"flag\": false, \"more\": [], \"label\": -2.5, \"text\": \"\"}"),
            (Rows{{"text", "label", "flag"}, {"a \"b\"\n\xC3\xA9", "1", "1"}, {"", "-2.5", "0"}}));
  EXPECT_EQ(read("a.jsonl", "{\"x\": [1], \"y\": 2}\n{\"y\": 3}\n", {"y"}), (Rows{{"x", "y"}, {"2"}, {"3"}}))
      << "columns that are not chosen may hold anything, or be missing";
}

TEST_F(Tables, ErrorsOfJsonLinesNameTheLine) {
  EXPECT_EQ(error("a.jsonl", ""), ": the file is empty");
  EXPECT_EQ(error("a.jsonl", "\n[1]\n"),
            ":2: begins a list, where JSON lines have an object in each line (jq -c '.[]' makes them of a list)");
  EXPECT_EQ(error("a.jsonl", "{\"x\": 1}\n{\"y\": 1}\n"), ":2: the key 'x' is missing");
  EXPECT_EQ(error("a.jsonl", "{\"x\": 1}\n{\"x\": null}\n"), ":2: the key 'x' is null");
  EXPECT_EQ(error("a.jsonl", "{\"x\": 1}\n{\"x\": [2]}\n"), ":2: x: must be a string, a number, true or false");
  EXPECT_TRUE(error("a.jsonl", "{\"x\": 1}\n{\"x\": \n").starts_with(":2: not valid JSON: "));
}

TEST_F(Tables, AFolderOfTexts) {
  path_ = dir_ / "texts";
  put("texts/pos/b.txt", "good\nfilm\r\n");
  put("texts/pos/a.txt", "\xEF\xBB\xBFgreat\n\n");
  put("texts/pos/c.txt", "");
  put("texts/neg/z.txt", "bad");
  put("texts/neg/notes.md", "not a text");
  put("texts/none/notes.md", "not a text");
  put("texts/readme.txt", "not a text");
  EXPECT_EQ(rows(), (Rows{{"text", "label"}, {"bad", "neg"}, {"great\n", "pos"}, {"good\nfilm", "pos"}, {"", "pos"}}))
      << "the first file of each class, then the second";
  EXPECT_EQ(rows({"label"}), (Rows{{"text", "label"}, {"neg"}, {"pos"}, {"pos"}, {"pos"}}));
  const std::string folder = path_;
  EXPECT_EQ(table_files(folder),
            (Row{folder + "/neg/z.txt", folder + "/pos/a.txt", folder + "/pos/b.txt", folder + "/pos/c.txt"}));
  put("texts/neg/z.txt", "caf\xC3");
  EXPECT_EQ(message_of([&] { (void)rows(); }), folder + "/neg/z.txt: is not valid UTF-8 at its byte 3");
  path_ = dir_ / "texts/pos";
  EXPECT_EQ(
      message_of([&] { (void)rows(); }),
      path_ + ": has no folder of .txt files; a folder of texts has one for each class: " + path_ + "/CLASS/1.txt");
}

TEST_F(Tables, HiddenFilesAreNoTexts) {
  path_ = dir_ / "texts";
  put("texts/pos/a.txt", "good");
  put("texts/pos/._a.txt", "of an archive");
  put("texts/pos/.b.txt", "hidden");
  put("texts/pos/.DS_Store", "hidden");
  put("texts/.old/c.txt", "hidden");
  put("texts/pos/notes.md", "not a text");
  EXPECT_EQ(rows(), (Rows{{"text", "label"}, {"good", "pos"}}));
  EXPECT_EQ(TextFolder(path_).skipped(), 1);
}

// A FIFO would block.
TEST_F(Tables, ATextIsARegularFile) {
  path_ = dir_ / "texts";
  put("texts/pos/a.txt", "good");
  ASSERT_EQ(mkfifo((path_ + "/pos/b.txt").c_str(), 0600), 0);
  EXPECT_EQ(message_of([&] { (void)rows(); }), path_ + "/pos/b.txt: is not a regular file");
  EXPECT_EQ(message_of([&] { table_files(path_); }), path_ + "/pos/b.txt: is not a regular file");
}

TEST_F(Tables, ATextIsNoLongerThanARow) {
  path_ = dir_ / "texts";
  put("texts/pos/a.txt", "good");
  std::filesystem::resize_file(path_ + "/pos/a.txt", ByteReader::kMaxLine + 1);
  const auto table = open_table(path_);
  TableRows rows;
  EXPECT_EQ(message_of([&] { table->read(rows, 1); }), path_ + "/pos/a.txt: has more than 268435456 bytes");
}

TEST_F(Tables, APathThatCannotBeExaminedIsNamed) {
  const std::string loop = dir_ / "loop", reason = ": cannot be examined: Too many levels of symbolic links";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_EQ(message_of([&] { open_table(loop); }), loop + reason);
  EXPECT_EQ(message_of([&] { table_files(loop); }), loop + reason);
  put("texts/pos/a.txt", "good");
  std::filesystem::create_symlink(dir_ / "texts/neg", dir_ / "texts/neg");
  EXPECT_EQ(message_of([&] { open_table(dir_ / "texts"); }), dir_ / "texts/neg" + reason);
}

TEST_F(Tables, AFolderIsReadInPieces) {
  path_ = dir_ / "texts";
  for (int i = 10; i < 50; ++i) put("texts/a/" + std::to_string(i) + ".txt", std::string(100'000, 'x'));
  const auto table = open_table(path_);
  TableRows rows;
  std::int64_t read = 0, pieces = 0;
  for (; table->read(rows, 30); ++pieces) {
    EXPECT_LE(rows.size(), 30);
    read += rows.size();
  }
  EXPECT_EQ(read, 40);
  EXPECT_EQ(pieces, 2);
}

}  // namespace
}  // namespace attune::testing
