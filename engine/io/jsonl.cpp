#include "engine/io/jsonl.h"

#include <cerrno>
#include <cstring>
#include <iostream>

#include "base/check.h"
#include "base/input_file.h"
#include "json/value.h"

namespace attune {

JsonlReader::JsonlReader(const std::string& path) : path_(path == "-" ? "standard input" : path), in_(&std::cin) {
  if (path == "-") return;
  file_.open(path, std::ios::binary);
  if (!file_) throw IoError(path, std::strerror(errno));
  in_ = &file_;
}

std::string JsonlReader::where() const {
  return str_cat(path_, ":", line_);
}

bool JsonlReader::next(const std::vector<std::string>& names, std::vector<std::string>& values) {
  std::string text;
  do {
    if (!std::getline(*in_, text)) {
      if (in_->bad()) throw IoError(path_, "cannot be read");
      return false;
    }
    if (++line_ == 1 && text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  } while (text.find_first_not_of(" \t\r") == std::string::npos);

  const json::Value object = json::parse(text, where());
  values.clear();
  for (const std::string& name : names) {
    const json::Value value = object[name];
    if (!value.is_string() && !value.is_number()) value.fail("must be a string or a number");
    values.push_back(value.is_string() ? value.string() : value.dump());
  }
  return true;
}

}  // namespace attune
