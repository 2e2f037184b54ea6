#include "apps/support/labelled_texts.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "apps/support/command_line.h"
#include "apps/support/task_flags.h"
#include "apps/support/text_list.h"
#include "base/check.h"
#include "base/join.h"
#include "base/printable.h"
#include "engine/io/table.h"
#include "models/hf_config.h"

namespace attune {
namespace {

using Names = std::vector<std::string>;

// Reads the labels with another reader, and keeps one more column.
class GroupedLabels : public LabelReader {
 public:
  GroupedLabels(LabelReader& labels, std::string column, Names& groups)
      : labels_(labels), column_(std::move(column)), groups_(groups) {}

  Names columns() const override {
    Names out = labels_.columns();
    out.push_back(column_);
    return out;
  }
  void add(std::span<const std::string> fields, const Where& where) override {
    labels_.add(fields.first(fields.size() - 1), where);
    groups_.push_back(fields.back());
  }
  Names names() const override { return labels_.names(); }
  Tensor finish(const std::string& path) override { return labels_.finish(path); }
  std::string state() const override { return labels_.state(); }
  void restore(const std::string& state, const Tensor& stored) override { labels_.restore(state, stored); }

 private:
  LabelReader& labels_;
  std::string column_;
  Names& groups_;
};

// The columns of a model's outputs in their order. Outputs without names have the order of the flag.
Names columns_of_outputs(const Names& outputs, const Names& given) {
  if (given.size() == outputs.size()) {
    if (std::is_permutation(given.begin(), given.end(), outputs.begin())) return outputs;
    if (given.size() == 1 || outputs == complete_label_names({}, std::ssize(outputs))) return given;
  }
  throw UsageError(str_cat("--label_columns ", join(given), ": the outputs of the model are ",
                           join(outputs, [](const std::string& name) { return printable(name); })));
}

// Whether several labels or numbers stand in columns that are named as they are.
bool has_column_of_each(const std::string& data, const Names& outputs, Target target) {
  if (target == Target::kClass || outputs.size() == 1) return false;
  if (!std::filesystem::is_regular_file(data))
    return false;  // a folder has no such columns; others cannot be read twice
  const Names header = open_table(data)->header();
  return std::ranges::all_of(outputs,
                             [&](const std::string& name) { return std::ranges::find(header, name) != header.end(); });
}

}  // namespace

void LabelledTextFlags::declare(CommandLine& app) {
  app.add_option("--data", data,
                 "Labelled texts: a .csv, .tsv or .jsonl file (also .json, .ndjson), or a folder with a folder of .txt "
                 "files for each class")
      ->required();
  app.add_option("--text_column", columns.text,
                 "Column of the texts (default: text, or the only one with a usual name)");
  app.add_option("--text_pair_column", columns.pair, "Column of the second texts of pairs");
  Flag* column =
      app.add_option("--label_column", label_column,
                     "Column of the labels, as for training (default: label, or the only one with a usual name)");
  Flag* delimiter =
      app.add_option("--label_delimiter", label_delimiter, "Separator between several labels of one field")
          ->capture_default_str();
  app.add_option(
         "--label_columns", label_columns,
         "Columns a,b,c instead: for several labels 0 or 1 in each, for regression a number (default: those with "
         "the names of the model's labels or numbers, if there are several)")
      ->excludes(column)
      ->excludes(delimiter);
  app.add_option("--per_group", group_column, "Also print the main measures for each value of this column");
}

LabelledTexts LabelledTextFlags::read(const Predictor& model, std::ostream& notes) const {
  const Names& outputs = model.label_names();
  const Target target = model.task().target();
  if (target == Target::kClass && !label_columns.empty())
    throw UsageError("--label_columns: the model predicts one class; --label_column names the column of the classes");
  const bool delimited = label_delimiter != LabelledTextFlags().label_delimiter;
  if (target != Target::kLabels && delimited)
    throw UsageError("--label_delimiter separates several labels of a text, and the model predicts " +
                     std::string(target == Target::kClass ? "one class" : "numbers"));
  Names in_columns;
  if (label_column.empty() && !delimited && has_column_of_each(data, outputs, target)) in_columns = outputs;
  TaskFlags list;
  list.label_columns = label_columns;
  if (!label_columns.empty()) in_columns = list.columns();
  DataFlags found;
  found.train = data;
  found.columns = columns;
  Names from = in_columns.empty() ? Names{label_column} : in_columns;
  found.find_columns(from, notes);
  const std::string& column = from.front();

  std::unique_ptr<LabelReader> labels;
  if (target == Target::kNumbers || !in_columns.empty()) {
    if (in_columns.empty()) in_columns = {column};
    labels = std::make_unique<NumberLabels>(columns_of_outputs(outputs, in_columns), target == Target::kLabels);
  } else if (target == Target::kLabels) {
    labels = std::make_unique<ListedLabels>(column, label_delimiter, outputs);
  } else {
    const bool named = outputs != complete_label_names({}, std::ssize(outputs));
    labels = std::make_unique<ClassLabels>(column,
                                           Classes{.count = std::ssize(outputs), .names = named ? outputs : Names()});
  }
  LabelledTexts out;
  TextList texts(out.texts, found.columns.pair.empty() ? nullptr : &out.pairs);
  GroupedLabels grouped(*labels, group_column, out.groups);
  LabelReader& reader = group_column.empty() ? *labels : grouped;
  read_rows({.path = data}, found.columns, &reader, texts);
  out.labels = reader.finish(data);
  return out;
}

}  // namespace attune
