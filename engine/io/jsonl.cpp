#include "engine/io/jsonl.h"

#include <cerrno>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/check.h"

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
    ++line_;
  } while (text.find_first_not_of(" \t\r") == std::string::npos);

  nlohmann::json object;
  try {
    object = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw Error(str_cat(where(), ": not valid JSON: ", error.what()));
  }
  CHECK(object.is_object(), where(), ": not a JSON object");
  values.clear();
  for (const std::string& name : names) {
    const auto found = object.find(name);
    CHECK(found != object.end(), where(), ": there is no field '", name, "'");
    CHECK(found->is_string() || found->is_number(), where(), ": the field '", name,
          "' is neither a string nor a number");
    values.push_back(found->is_string() ? found->get<std::string>() : found->dump());
  }
  return true;
}

}  // namespace attune
