#include "apps/support/text_source.h"

#include <cstdint>
#include <memory>

#include "base/byte_reader.h"
#include "base/check.h"
#include "base/input_file.h"
#include "base/utf8.h"
#include "engine/io/csv.h"
#include "engine/io/jsonl.h"
#include "engine/io/table.h"

namespace attune {

TextSource TextSource::from_csv(const std::string& path, const std::string& column) {
  const auto reader = std::make_shared<CsvReader>(path);
  const std::size_t at = reader->column(column);
  return TextSource([reader, at, fields = std::vector<std::string>()](std::string& text) mutable {
    if (!reader->next(fields)) return false;
    text = std::move(fields[at]);
    return true;
  });
}

TextSource TextSource::from_table(const std::string& path, const std::string& column) {
  const std::shared_ptr<Table> table = open_table(path);
  table->choose({column});
  return TextSource([table, fields = std::vector<std::string>()](std::string& text) mutable {
    if (!table->next(fields)) return false;
    text = std::move(fields[0]);
    return true;
  });
}

TextSource TextSource::from_jsonl(const std::string& path, const std::string& field) {
  const auto reader = std::make_shared<JsonlReader>(path);
  return TextSource([reader, field, values = std::vector<std::string>()](std::string& text) mutable {
    if (!reader->next({field}, values)) return false;
    text = std::move(values[0]);
    return true;
  });
}

TextSource TextSource::from_lines() {
  const auto reader = std::make_shared<ByteReader>();
  return TextSource([reader, line = std::int64_t{0}](std::string& text) mutable {
    if (line++ == 0) reader->skip(kByteOrderMark);
    if (!reader->line(text)) return false;
    if (text.ends_with('\r')) text.pop_back();
    const auto bad = utf8_error(text);
    CHECK(!bad, "standard input:", line, ": is not valid UTF-8 at its byte ", *bad);
    return true;
  });
}

TextSource TextSource::from_texts(std::vector<std::string> texts) {
  return TextSource([texts = std::move(texts), at = std::size_t{0}](std::string& text) mutable {
    if (at == texts.size()) return false;
    text = std::move(texts[at++]);
    return true;
  });
}

std::vector<std::string> TextSource::next(std::size_t count) {
  std::vector<std::string> out;
  for (std::string text; out.size() < count && read_(text);) out.push_back(std::move(text));
  return out;
}

}  // namespace attune
