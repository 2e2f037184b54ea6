#include "engine/io/jsonl.h"

#include "base/check.h"
#include "base/input_file.h"
#include "json/value.h"

namespace attune {

JsonlReader::JsonlReader(const std::string& path) : file_(path == "-" ? ByteReader() : ByteReader(path)) {}

std::string JsonlReader::where() const {
  return str_cat(file_.name(), ":", line_);
}

bool JsonlReader::next(const std::vector<std::string>& names, std::vector<std::string>& values) {
  std::string text;
  do {
    if (line_++ == 0) file_.skip(kByteOrderMark);
    if (!file_.line(text)) return false;
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
