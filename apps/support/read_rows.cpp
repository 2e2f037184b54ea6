#include "apps/support/read_rows.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/math.h"
#include "base/parallel.h"
#include "engine/io/table.h"

namespace attune {
namespace {

constexpr std::size_t kPartsPerBlock = TextSink::kParts / 2;  // two blocks are in memory
constexpr std::int64_t kFewRows = 64;                         // not worth waking other threads

// Rows that are read together, in parts. Labels are kept until those of the rows before have been read.
struct Block {
  struct Part {
    std::int64_t begin = 0, end = 0;      // rows
    std::string labels;                   // the fields one after the other
    std::vector<std::size_t> label_ends;  // where each ends
    std::exception_ptr error;             // of the first bad row
  };

  std::size_t first_part = 0;  // the number of the first part
  std::int64_t first_row = 0;  // the place of the first row in the file
  TableRows rows;
  std::array<Part, kPartsPerBlock> parts;
};

class RowReading {
 public:
  RowReading(const RowChoice& rows, const TextColumns& columns, LabelReader* labels, TextSink& sink)
      : table_(open_table(rows.path)),
        texts_(columns.pair.empty() ? 1 : 2),
        parts_(rows.parts),
        part_(rows.part),
        rows_left_(needed_rows(rows)),
        labels_(labels),
        sink_(sink) {
    std::vector<std::string> chosen = {columns.text};
    if (!columns.pair.empty()) chosen.push_back(columns.pair);
    if (labels != nullptr)
      for (const std::string& name : labels->columns()) chosen.push_back(name);
    table_->choose(chosen);
    label_fields_.resize(chosen.size() - texts_);
    blocks_[1].first_part = kPartsPerBlock;
    read(blocks_[0]);
    CHECK(blocks_[0].rows.size() > 0, rows.path, ": there are no rows below the header");
  }

  void run() {
    std::size_t now = 0;
    for (; blocks_[now].rows.size() > 0; now = 1 - now) {
      Block &block = blocks_[now], &other = blocks_[1 - now];
      const std::int64_t grain = block.rows.size() < kFewRows ? kPartsPerBlock + 1 : 1;
      parallel_for(kPartsPerBlock + 1, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          if (i > 0) {
            process(block, static_cast<std::size_t>(i - 1));
          } else {
            finish(other);
            read(other);
          }
        }
      });
    }
    finish(blocks_[1 - now]);
  }

 private:
  // Rows of the file up to the last that is wanted.
  static std::int64_t needed_rows(const RowChoice& rows) {
    if (rows.max_rows == 0) return std::numeric_limits<std::int64_t>::max();
    if (rows.parts.empty()) return rows.max_rows;
    std::int64_t wanted = 0, needed = 0;
    for (; wanted < rows.max_rows && needed < std::ssize(rows.parts); ++needed)
      wanted += rows.parts[static_cast<std::size_t>(needed)] == rows.part ? 1 : 0;
    return needed;
  }

  bool wanted(const Block& block, std::int64_t row) const {
    if (parts_.empty()) return true;
    const auto place = static_cast<std::size_t>(block.first_row + row);
    CHECK(place < parts_.size(), table_->path(), ": has changed while it was read");
    return parts_[place] == part_;
  }

  void read(Block& block) {
    table_->read(block.rows, rows_left_);
    block.first_row = rows_read_;
    rows_read_ += block.rows.size();
    const std::int64_t rows = block.rows.size(), each = ceil_div<std::int64_t>(rows, kPartsPerBlock);
    rows_left_ -= rows;
    for (std::int64_t p = 0; Block::Part & part : block.parts) {
      part.begin = std::min(rows, p++ * each);
      part.end = std::min(rows, part.begin + each);
      part.labels.clear();
      part.label_ends.clear();
    }
  }

  // Parses the rows of a part.
  void process(Block& block, std::size_t p) {
    Block::Part& part = block.parts[p];
    std::vector<std::string_view> fields;
    std::string unquoted;
    try {
      for (std::int64_t row = part.begin; row < part.end; ++row) {
        if (!wanted(block, row)) continue;
        block.rows.parse(row, fields, unquoted);
        for (std::size_t label = texts_; label < fields.size(); ++label) {
          part.labels += fields[label];
          part.label_ends.push_back(part.labels.size());
        }
        sink_.add(block.first_part + p, fields[0], texts_ == 2 ? fields[1] : std::string_view());
      }
    } catch (...) {
      part.error = std::current_exception();
    }
  }

  // Reads the labels of a block whose rows were processed, and gives its texts away.
  void finish(Block& block) {
    for (std::size_t p = 0; p < kPartsPerBlock; ++p) {
      const Block::Part& part = block.parts[p];
      std::int64_t row = part.begin;
      const Where where = [&] { return block.rows.where(row); };
      std::size_t begin = 0;
      for (std::size_t label = 0; label < part.label_ends.size(); ++row) {
        if (!wanted(block, row)) continue;
        for (std::string& field : label_fields_) {
          field.assign(part.labels, begin, part.label_ends[label] - begin);
          begin = part.label_ends[label++];
        }
        labels_->add(label_fields_, where);
      }
      if (part.error) std::rethrow_exception(part.error);
      if (part.begin < part.end) sink_.take(block.first_part + p);
    }
  }

  std::unique_ptr<Table> table_;
  std::size_t texts_;  // columns of texts: the first fields of a row; the others are labels
  std::span<const std::uint8_t> parts_;
  std::uint8_t part_;
  std::int64_t rows_left_, rows_read_ = 0;
  LabelReader* labels_;
  TextSink& sink_;
  std::vector<std::string> label_fields_;
  std::array<Block, 2> blocks_;
};

}  // namespace

void read_rows(const RowChoice& rows, const TextColumns& columns, LabelReader* labels, TextSink& sink) {
  RowReading(rows, columns, labels, sink).run();
}

}  // namespace attune
