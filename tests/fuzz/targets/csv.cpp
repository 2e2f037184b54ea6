// CSV files: rows that were read can be written, and read the same.
#include "engine/io/csv.h"
#include "tests/fuzz/harness.h"

namespace attune::fuzz {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows read(const std::string& path) {
  CsvReader reader(path);
  Rows out = {reader.header()};
  for (std::vector<std::string> row; reader.next(row);) {
    require(row.size() == reader.header().size(), "a row has a field for every column");
    out.push_back(row);
  }
  succeeds([&] { (void)reader.column("text"); });
  return out;
}

std::string written(const Rows& rows) {
  std::string out = "\xEF\xBB\xBF";
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      out += (i == 0 ? "" : ",") + (row.size() == 1 && row[0].empty() ? "\"\"" : csv_field(row[i]));
    out += "\n";
  }
  return out;
}

}  // namespace

void run(std::string_view input) {
  static MemoryFile file, again;
  file.replace(input);
  const Rows rows = read(file.path());
  accepted();
  again.replace(written(rows));
  require(read(again.path()) == rows, "rows that were written read the same");
}

}  // namespace attune::fuzz
