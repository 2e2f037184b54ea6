// The rows of a training run: texts, and labels of each kind. Input: a byte for the kind, the file: JSON lines if it
// begins with an object, TSV if its header has a tab, otherwise CSV. If it begins with 0x1E, four files of a folder of
// texts.
#include <array>
#include <utility>

#include "apps/support/class_counts.h"
#include "apps/support/text_data.h"
#include "tests/fuzz/harness.h"

namespace attune::fuzz {
namespace {

std::unique_ptr<LabelReader> reader_of(unsigned char kind) {
  switch (kind % 5) {
    case 0:
      return std::make_unique<ClassLabels>("label", 2);
    case 1:
      return std::make_unique<ListedLabels>("label", kind & 64 ? ", " : ";");
    case 2:
      return std::make_unique<NumberLabels>(std::vector<std::string>{"label"}, false);
    case 3:
      return std::make_unique<NumberLabels>(std::vector<std::string>{"label", "x"}, true);
    default:
      return std::make_unique<ClassLabels>("label", Classes{.count = 2, .names = {"good", "bad"}});
  }
}

class RowCount : public TextSink {
 public:
  void add(std::size_t part, std::string_view, std::string_view) override { ++parts_[part]; }
  void take(std::size_t part) override { rows += std::exchange(parts_[part], 0); }

  std::int64_t rows = 0;

 private:
  std::array<std::int64_t, kParts> parts_{};
};

// Puts a table, or texts, where product code reads it; its path.
std::string put(std::string_view text) {
  static const std::vector<std::string> names = {"train.csv", "train.tsv", "train.jsonl"};
  static MemoryFolder folder(names), classes({"bad/1.txt", "bad/2.txt", "good/1.txt", "good/2.txt"});
  if (text.starts_with('\x1E')) {
    const auto texts = parts_of(text.substr(1), 4);
    for (std::size_t i = 0; i < texts.size(); ++i) classes.put(i, texts[i]);
    return classes.path();
  }
  const bool tabs = text.substr(0, text.find('\n')).find('\t') != std::string_view::npos;
  const std::size_t form = text.starts_with('{') ? 2 : tabs ? 1 : 0;
  folder.put(form, text);
  return folder.path() + "/" + names[form];
}

}  // namespace

void run(std::string_view input) {
  if (input.empty()) return;
  const auto kind = static_cast<unsigned char>(input[0]);
  const std::string path = put(input.substr(1));
  limit_tensors(std::size_t{1} << 24);
  const auto reader = reader_of(kind);
  RowCount count;
  const TextColumns columns{.text = "text", .pair = kind & 128 ? "x" : ""};
  read_rows({path}, columns, reader.get(), count);
  const Tensor labels = reader->finish("train.csv");
  accepted();
  require(labels.shape()[0] == count.rows, "every row has its labels");
  const std::string state = reader->state();
  const auto restored = reader_of(kind);
  restored->restore(state, labels);
  require(restored->names() == reader->names() && restored->state() == state, "a state can be restored");
  // The same rows as a validation split: every label is known.
  read_rows({path}, columns, restored.get(), count);
  const Tensor again = restored->finish("validation.csv");
  require(again.shape() == labels.shape(), "the same rows have the same labels");
  if (!reader->counted()) return;
  print_splits(reader->names(), {{"train", labels}, {"validation", again}});
  check_training_labels(labels, reader->names(), 2, false, "train.csv");
}

}  // namespace attune::fuzz
