// CSV and JSON lines: what they read, and errors that name file and line.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "base/printable.h"
#include "base/utf8.h"
#include "engine/io/csv.h"
#include "engine/io/files.h"
#include "engine/io/jsonl.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

class Text : public ::testing::Test {
 protected:
  /// Header and rows of a CSV file.
  Rows csv(const std::string& text) const {
    write_file(path_, text);
    CsvReader reader(path_);
    Rows rows = {reader.header()};
    for (Row row; reader.next(row);) rows.push_back(row);
    return rows;
  }
  std::string csv_error(const std::string& text) const {
    return message_of([&] { (void)csv(text); });
  }
  /// The fields "text" and "label" of every line.
  Rows jsonl(const std::string& text) const {
    write_file(path_, text);
    JsonlReader reader(path_);
    Rows rows;
    for (Row row; reader.next({"text", "label"}, row);) rows.push_back(row);
    return rows;
  }
  std::string jsonl_error(const std::string& text) const {
    return message_of([&] { (void)jsonl(text); });
  }
  void expect_at(const std::string& message, int line, const std::string& says) const {
    EXPECT_TRUE(message.starts_with(path_ + ":" + std::to_string(line) + ": "))
        << message << " should name line " << line;
    EXPECT_NE(message.find(says), std::string::npos) << message << " should say " << says;
  }

  TempDir dir_;
  std::string path_ = dir_ / "file";
};

using Csv = Text;
using Jsonl = Text;

TEST_F(Csv, QuotedFields) {
  EXPECT_EQ(csv("text,label\n\"a, b\",1\n\"she said \"\"no\"\"\",0\n\"\",2\n\"\"\"\",3\n"),
            (Rows{{"text", "label"}, {"a, b", "1"}, {"she said \"no\"", "0"}, {"", "2"}, {"\"", "3"}}));
}

TEST_F(Csv, LineEnds) {
  EXPECT_EQ(csv("a,b\r\n1,2\r\n3,4"), (Rows{{"a", "b"}, {"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(csv("a,b\n\"x\ny\",\"p\r\nq\"\n3,\n,4"), (Rows{{"a", "b"}, {"x\ny", "p\r\nq"}, {"3", ""}, {"", "4"}}));
  EXPECT_EQ(csv("a,b\n\n1,2\n\r\n\n3,4\n\n"), (Rows{{"a", "b"}, {"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(csv("a,b\n\"1\",\"2\"\r\n\"3\",\"4\"\r"), (Rows{{"a", "b"}, {"1", "2"}, {"3", "4"}}));
}

TEST_F(Csv, BlankLinesOfOneColumnAreEmptyFields) {
  EXPECT_EQ(csv("\n\r\na\n\n1\n\r\n\n2\n\n"), (Rows{{"a"}, {""}, {"1"}, {""}, {""}, {"2"}, {""}}));
  EXPECT_EQ(csv("\"a\nb\"\r\n\r\n\"\"\r\n\"x\n\ny\"\r\n"), (Rows{{"a\nb"}, {""}, {""}, {"x\n\ny"}}));
  EXPECT_EQ(csv("a\n\n\n"), (Rows{{"a"}, {""}, {""}})) << "and none that is not blank";
  EXPECT_EQ(csv("a\n"), (Rows{{"a"}}));
  EXPECT_EQ(csv("a"), (Rows{{"a"}}));
  expect_at(csv_error("a\n\nx,y\n"), 3, "2 fields");
}

TEST_F(Csv, AByteOrderMarkIsPassedOver) {
  EXPECT_EQ(csv("\xEF\xBB\xBFtext,label\nx,1\n"), (Rows{{"text", "label"}, {"x", "1"}}));
  EXPECT_EQ(csv("\xEF\xBC\x81,b\nx,1\n"),
            (Rows{{"\xEF\xBC\x81", "b"}, {"x", "1"}}));  // U+FF01 starts with the same byte
  expect_at(csv_error("\xEF"), 1, "UTF-8");
}

TEST_F(Csv, WhatAWriterQuotesIsReadBack) {
  Rows rows = {{"first", "second"},      {"", ","},     {"\"", "\r\n"},
               {"a\"\"b", "line\nline"}, {"\r", " x "}, {"caf\xC3\xA9", "\"q\""}};
  std::string text;
  for (const Row& row : rows) text += csv_field(row[0]) + "," + csv_field(row[1]) + "\n";
  EXPECT_EQ(csv(text), rows);
  EXPECT_EQ(csv_field("plain text"), "plain text");
}

// The file is read in blocks of 64 KiB: what stands for something in two bytes may be split between two of them.
TEST_F(Csv, ABlockMayEndAnywhere) {
  for (const std::string& end : {std::string("\n"), std::string("\r\n")})
    for (std::size_t length = 65536 - 24; length < 65536 + 4; ++length) {
      const std::string text(length, 'x');
      EXPECT_EQ(csv("a,b" + end + "\"" + text + "\"\"y\"," + "\u00e9\r-" + end + "1,2" + end),
                (Rows{{"a", "b"}, {text + "\"y", "\u00e9\r-"}, {"1", "2"}}))
          << length;
    }
}

TEST_F(Csv, ColumnsByName) {
  write_file(path_, "text,label,text2\n");
  const CsvReader reader(path_);
  EXPECT_EQ(reader.column("label"), 1u);
  const std::string message = message_of([&] { (void)reader.column("labels"); });
  EXPECT_TRUE(message.starts_with(path_)) << message;
  EXPECT_NE(message.find("'labels'"), std::string::npos) << message;
  EXPECT_NE(message.find("'text', 'label', 'text2'"), std::string::npos) << message;
}

TEST_F(Csv, ErrorsNameTheLine) {
  expect_at(csv_error("a,b\n1,2\n1,2,3\n"), 3, "3 fields");
  expect_at(csv_error("a,b\n\"x\n\ny\",2\n\n1\n"), 6, "1 fields");
  expect_at(csv_error("a,b\n1,2\n\"x,2\n3,4\n"), 3, "never closed");
  expect_at(csv_error("a,b\n\"x\"y,2\n"), 2, "quote");
  expect_at(csv_error("a,b\nx\"y\",2\n"), 2, "quote");
  expect_at(csv_error("a,b\nok,1\nx,\xC3\x28\n"), 3, "UTF-8");
  expect_at(csv_error("a,\xFF\n"), 1, "UTF-8");
  EXPECT_TRUE(csv_error("").starts_with(path_));
  EXPECT_TRUE(csv_error("\n\n").starts_with(path_));
  EXPECT_TRUE(csv_error("\xEF\xBB\xBF").starts_with(path_));
}

TEST_F(Csv, AfterTheLastRowThereIsNone) {
  write_file(path_, "a,b\nz,2\n");
  CsvReader reader(path_);
  Row row;
  ASSERT_TRUE(reader.next(row));
  EXPECT_FALSE(reader.next(row));
  EXPECT_FALSE(reader.next(row)) << "once more";
}

// The plain reader: byte by byte, to the first error.
class PlainCsv {
 public:
  explicit PlainCsv(const std::string& text) : text_(text) {
    for (Row row; error.empty() && read_row(row);) {
      if (!error.empty()) return;
      if (!rows.empty() && row.size() != rows[0].size())
        error = line_of(str_cat("found ", row.size(), " fields where the header has ", rows[0].size()));
      else
        rows.push_back(row);
    }
  }

  Rows rows;
  std::string error;  // after the path

 private:
  static constexpr int kEnd = -1;

  int peek() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : kEnd; }
  int get() {
    const int c = peek();
    line_ += c == '\n';
    at_ += c != kEnd;
    return c;
  }
  bool at_line_end() const { return peek() == '\n' || peek() == kEnd; }
  std::string line_of(const std::string& what) const { return str_cat(":", row_line_, ": ", what); }

  bool read_row(Row& row) {
    const bool blank_rows = !rows.empty() && rows[0].size() == 1;
    while (!blank_rows && (peek() == '\n' || peek() == '\r')) get();
    row_line_ = line_;
    if (peek() == kEnd) return false;
    row.clear();
    for (bool more = true; more && error.empty();) {
      more = read_field(row.emplace_back());
      if (const auto bad = utf8_error(row.back()); error.empty() && bad)
        error = line_of(str_cat("field ", row.size(), " is not valid UTF-8 at its byte ", *bad));
    }
    return true;
  }

  bool read_field(std::string& field) {
    int c = get();
    if (c != '"') {
      for (; c != ',' && c != '\n' && c != kEnd; c = get()) {
        if (c == '"') error = line_of("a quote stands inside an unquoted field");
        if (c == '"') return false;
        if (c != '\r' || !at_line_end()) field += static_cast<char>(c);
      }
      return c == ',';
    }
    while ((c = get()) != '"' || peek() == '"') {
      if (c == kEnd) error = line_of("the quote of a field is never closed");
      if (c == kEnd) return false;
      field += static_cast<char>(c);
      if (c == '"') get();
    }
    c = get();
    if (c == '\r' && at_line_end()) c = get();
    if (c != ',' && c != '\n' && c != kEnd)
      error = line_of(str_cat("a quoted field is followed by '", printable(std::string(1, static_cast<char>(c))),
                              "' where a comma or the end of the line is needed"));
    return c == ',';
  }

  const std::string& text_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1, row_line_ = 1;
};

// What CsvReader makes of a file, like PlainCsv.
void expect_as_plain(const std::string& path, const std::string& text) {
  const PlainCsv plain(text);
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << text;
  Rows rows;
  const std::string error = message_of([&] {
    CsvReader reader(path);
    rows.push_back(reader.header());
    for (Row row; reader.next(row);) rows.push_back(row);
  });
  ASSERT_EQ(rows, plain.rows) << text;
  const std::string expected = !plain.error.empty() ? path + plain.error
                               : rows.empty()       ? path + ": the file is empty; a header row is needed"
                                                    : "";
  ASSERT_EQ(error, expected) << text;
}

TEST_F(Csv, IsReadAsByThePlainReader) {
  std::mt19937 random(1);
  const std::vector<std::string> words = {"a",  ",",  ",",    "\"",       "\"",   "\n",
                                          "\n", "\r", "\"\"", "\xC3\xA9", "\xC3", "bcd"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text = i % 3 == 0 ? "x,y\n" : i % 3 == 1 ? "x\n" : "";
    for (auto length = random() % 24; length > 0; --length) text += words[random() % words.size()];
    ASSERT_NO_FATAL_FAILURE(expect_as_plain(path_, text));
  }
}

// Rows are read some megabytes at a time: they may be longer, and anything may stand where one block ends.
TEST_F(Csv, LargeFilesAreReadAsByThePlainReader) {
  std::mt19937 random(2);
  for (const char* last : {"", "1,2\n3\n", "\"1", "1,\xC3\n"}) {
    std::string text = "x,y\r\n";
    while (text.size() < 9'000'000) {
      const std::string body(random() % 64 == 0 ? random() % 3'000'000 : random() % 3000, 'x');
      switch (random() % 4) {
        case 0:
          text += body + ",1\n";
          break;
        case 1:
          text += "\"" + body + "\"\"" + body + "\",\"\n\"\r\n";
          break;
        case 2:
          text += "\"" + body + "\n\"\"" + "\",\r-\n\n\r\n";
          break;
        default:
          text += "\"\"," + body + "\n";
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_as_plain(path_, text + last));
  }
}

TEST_F(Csv, RowsAreParsedInAnyOrder) {
  write_file(path_, "a,b\n1,\"x\"\"y\"\n\n\"p\nq\",2\n3,4\n5\n");
  CsvReader reader(path_);
  TableRows rows;
  std::vector<std::string_view> fields;
  std::string unquoted;
  ASSERT_TRUE(reader.read(rows, 2));
  ASSERT_EQ(rows.size(), 2);
  for (const std::int64_t row : {1, 0}) {
    rows.parse(row, fields, unquoted);
    EXPECT_EQ(Row(fields.begin(), fields.end()), (row == 0 ? Row{"1", "x\"y"} : Row{"p\nq", "2"}));
    EXPECT_EQ(rows.where(row), path_ + (row == 0 ? ":2" : ":4"));
  }
  ASSERT_TRUE(reader.read(rows, 100));
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(message_of([&] { rows.parse(1, fields, unquoted); }), path_ + ":7: found 1 fields where the header has 2");
  rows.parse(0, fields, unquoted);
  EXPECT_EQ(Row(fields.begin(), fields.end()), (Row{"3", "4"}));
  EXPECT_FALSE(reader.read(rows, 100));
  EXPECT_EQ(rows.size(), 0);
}

// The rest of a file may be large, and none of it is needed.
TEST_F(Csv, AMisplacedQuoteEndsTheReading) {
  for (const char* rest : {"\n2,3\n", ",\"4\n5,6\n"}) {
    write_file(path_, std::string("a,b\n1,5\" wide") + rest);
    CsvReader reader(path_);
    TableRows rows;
    ASSERT_TRUE(reader.read(rows, 100));
    EXPECT_EQ(rows.size(), 1);
    for (int again = 0; again < 2; ++again) {
      EXPECT_FALSE(reader.read(rows, 100)) << rest;
      EXPECT_EQ(rows.size(), 0);
    }
  }
}

// A row or a line without an end would take all memory of the machine.
TEST_F(Text, FilesWithoutAnEndAreRefused) {
  const std::string table = message_of([] { CsvReader("/dev/zero"); });
  EXPECT_EQ(table, "/dev/zero:1: a row is longer than 268435456 bytes, or its quote is never closed");
  const std::string lines = message_of([] {
    JsonlReader reader("/dev/zero");
    Row row;
    reader.next({"text"}, row);
  });
  EXPECT_EQ(lines, "/dev/zero: a line is longer than 268435456 bytes");
}

TEST_F(Csv, AFileThatIsNotThere) {
  EXPECT_THROW(CsvReader(dir_ / "missing"), IoError);
  EXPECT_THROW(JsonlReader(dir_ / "missing"), IoError);
}

TEST_F(Jsonl, FieldsAsText) {
  EXPECT_EQ(jsonl("{\"text\": \"a \\\"b\\\"\\n\\u00e9\", \"label\": 1, \"other\": [1, {}]}\r\n\n  \n{\"label\": "
                  "\"pos\", \"text\": \"\"}"),
            (Rows{{"a \"b\"\n\xC3\xA9", "1"}, {"", "pos"}}));
  EXPECT_EQ(jsonl("{\"text\": -1.5, \"label\": 12345678901}\n"), (Rows{{"-1.5", "12345678901"}}));
  EXPECT_EQ(jsonl(""), Rows{});
}

TEST_F(Jsonl, ErrorsNameTheLine) {
  const std::string good = "{\"text\": \"x\", \"label\": 1}\n";
  expect_at(jsonl_error(good + "\n{\"text\": \"x\", \"label\": 1\n"), 3, "JSON");
  expect_at(jsonl_error(good + good + "{\"text\": \"x\"}\n"), 3, "'label'");
  expect_at(jsonl_error("{\"text\": \"x\", \"label\": {}}\n"), 1, "label: must be");
  expect_at(jsonl_error("{\"text\": null, \"label\": 1}\n"), 1, "'text'");
  expect_at(jsonl_error("{\"text\": [\"x\"], \"label\": 1}\n"), 1, "text: must be");
  expect_at(jsonl_error("[1, 2]\n"), 1, "object");
  expect_at(jsonl_error(good + "\"text\"\n"), 2, "object");
  expect_at(jsonl_error("{\"text\": \"\xC3\x28\", \"label\": 1}\n"), 1, "JSON");
  expect_at(jsonl_error("{\"text\": \"\\ud800\", \"label\": 1}\n"), 1, "JSON");
  expect_at(jsonl_error(good + "{\"text\": \"x\", \"label\": 1} {}\n"), 2, "JSON");
  expect_at(jsonl_error(std::string(100'000, '[') + "\n"), 1, "JSON");
  EXPECT_EQ(jsonl_error("{\"text\": \"x\", \"label\":\n").find('\n'), std::string::npos);
}

}  // namespace
}  // namespace attune::testing
