#include "engine/io/jsonl.h"

#include "base/check.h"
#include "base/input_file.h"
#include "json/value.h"

namespace attune {
namespace {

std::string field_text(const json::Value& object, const std::string& name) {
  const json::Value value = object[name];
  if (value.is_boolean()) return value.boolean() ? "1" : "0";
  if (!value.is_string() && !value.is_number()) value.fail("must be a string, a number, true or false");
  return value.is_string() ? value.string() : value.dump();
}

}  // namespace

JsonlTable::JsonlTable(const std::string& path) : LineTable(path, false) {
  const Line line = peek();
  CHECK(!line.bytes.starts_with('['), line.where,
        ": begins a list, where JSON lines have an object in each line (jq -c '.[]' makes them of a list)");
  const json::Value object = json::parse(line.bytes, line.where);
  object.for_each([&](const std::string& name, const json::Value&) { header_.push_back(name); });
}

void JsonlTable::parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
                       std::string& scratch) const {
  const json::Value object = json::parse(bytes, where(number));
  std::vector<std::string> texts;
  if (chosen_.empty())
    for (const std::string& name : header_) texts.push_back(field_text(object, name));
  for (const std::size_t column : chosen_) texts.push_back(field_text(object, header_[column]));
  scratch.clear();
  for (const std::string& text : texts) scratch += text;
  fields.clear();
  std::size_t begin = 0;
  for (const std::string& text : texts) {
    fields.push_back(std::string_view(scratch).substr(begin, text.size()));
    begin += text.size();
  }
}

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
  for (const std::string& name : names) values.push_back(field_text(object, name));
  return true;
}

}  // namespace attune
