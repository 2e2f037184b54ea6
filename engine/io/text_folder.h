// A folder with a folder for each class, which has a text in each .txt file: DIR/pos/1.txt. Its columns are "text" and
// "label", the name of the class's folder.
//
// The order of the rows depends on names alone: the first file of each class, then the second of each, and so on;
// classes and the files of a class in alphabetical (byte) order. So the first rows have examples of all classes. Files
// with other names, files outside the folders of classes, and files and folders whose name begins with a dot are
// ignored. A line end at the end of a file does not belong to its text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/io/table.h"

namespace attune {

class TextFolder : public Table {
 public:
  /// Lists a folder. Throws IoError, or Error if no file is there.
  explicit TextFolder(const std::string& path);

  /// In the order of the rows. Throws IoError if one is no regular file.
  std::vector<std::string> files() const;
  /// Throws IoError also if a file is no regular one: a FIFO would block.
  bool read(TableRows& rows, std::int64_t max_rows) override;
  /// Names in the folders of classes that do not end in .txt, without hidden ones.
  std::int64_t skipped() const { return skipped_; }

 private:
  struct File {
    std::size_t of_class;
    std::string name;
  };
  std::string where(std::int64_t number) const override;
  /// Throws Error naming a file that is not UTF-8.
  void parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
             std::string& scratch) const override;

  std::vector<std::string> classes_;
  std::vector<File> files_;
  std::int64_t skipped_ = 0;
  std::size_t at_ = 0;  // the file to be read next
};

}  // namespace attune
