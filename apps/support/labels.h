// Reads the labels of a file into a tensor.
//
// One reader takes the splits of a run in order, the training split first: the training split decides which classes or
// labels exist, and the labels of the others must be among them. Rows are read once, and their texts are not kept.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/tensor/tensor.h"

namespace attune {

/// "file:line" of a row; called only for errors.
using Where = std::function<std::string()>;

class LabelReader {
 public:
  virtual ~LabelReader() = default;
  /// The columns that add() wants, in this order.
  virtual std::vector<std::string> columns() const = 0;
  /// Reads the labels of one row. Throws Error that starts with where().
  virtual void add(std::span<const std::string> fields, const Where& where) = 0;
  /// Names of the model's outputs, known after the first split; "LABEL_0", "LABEL_1", ... if the data has none (as in
  /// the Hugging Face libraries).
  virtual std::vector<std::string> names() const = 0;
  std::int64_t outputs() const { return std::ssize(names()); }
  /// Whether labels are classes, or labels that an example has or has not; not numbers.
  virtual bool counted() const { return true; }
  /// Whether each row has exactly one class.
  virtual bool one_class() const { return false; }
  /// Ends a split of E rows: int32 [E] or float32 [E, L]. `path` names the file in errors.
  virtual Tensor finish(const std::string& path) = 0;
  /// The state that determines the tensors of the next splits, as text; and the restoration of such a state, for a
  /// split whose tensor was stored. restore() throws Error, and changes nothing, if the text is no such state or the
  /// stored labels do not fit it.
  virtual std::string state() const = 0;
  virtual void restore(const std::string& state, const Tensor& stored) = 0;
};

/// The classes of a training split. Integers 0 .. n - 1 need no names; any other labels are names, numbered in
/// alphabetical order. Names are taken as they are: if two labels surely are spellings of one, as "good" and "good " or
/// "1" and "1.0", or if all labels are integers but one of them is not written as a class, that is an error.
struct Classes {
  std::int64_t count = 2;
  std::vector<std::string> names;  // empty if labels are integers
};

/// Parses a label: an integer in [0, classes) in its one spelling, or one of `label_names`. Throws Error with `where`
/// (file and line) in front.
std::int32_t parse_label(const std::string& text, std::int64_t classes, const std::vector<std::string>& label_names,
                         const std::string& where);

/// One class for each text: int32 [E].
class ClassLabels : public LabelReader {
 public:
  /// The first split decides the classes, `at_least` of them.
  ClassLabels(std::string column, std::int64_t at_least);
  /// The classes are known.
  ClassLabels(std::string column, Classes classes);

  /// After the first split.
  const Classes& classes() const { return classes_; }

  std::vector<std::string> columns() const override { return {column_}; }
  std::vector<std::string> names() const override;
  bool one_class() const override { return true; }
  void add(std::span<const std::string> fields, const Where& where) override;
  Tensor finish(const std::string& path) override;
  std::string state() const override;
  void restore(const std::string& state, const Tensor& stored) override;

 private:
  void find_classes(const std::string& path);

  std::string column_;
  std::int64_t at_least_ = 2;
  bool known_ = false;
  Classes classes_;
  std::vector<std::int32_t> rows_;  // of the split so far: index of a label's text, or its class if classes are known
  std::unordered_map<std::string, std::int32_t> numbers_;  // of texts met
  std::vector<std::string> texts_;                         // by number, until the classes are known
  std::vector<std::string> first_at_;                      // the first row of each of them
};

/// Any number of labels for each text, as a list in one column: float32 [E, L] of 0 and 1. The labels of the first
/// split define the outputs, in alphabetical order; two that surely are spellings of one, as "1" and "01", are an error.
class ListedLabels : public LabelReader {
 public:
  /// `delimiter` stands between the labels of a row; white space around them is dropped.
  ListedLabels(std::string column, std::string delimiter);
  /// The outputs are known.
  ListedLabels(std::string column, std::string delimiter, std::vector<std::string> names);

  std::vector<std::string> names() const override { return names_; }
  std::vector<std::string> columns() const override { return {column_}; }
  void add(std::span<const std::string> fields, const Where& where) override;
  Tensor finish(const std::string& path) override;
  std::string state() const override;
  void restore(const std::string& state, const Tensor& stored) override;

 private:
  void number_names();

  std::string column_;
  std::string delimiter_;
  bool known_ = false;
  std::vector<std::string> names_;
  std::map<std::string, std::int32_t> numbers_;
  std::vector<std::string> first_at_;  // the first row of each label, by number, until the outputs are known
  std::vector<std::int32_t> listed_;   // labels of the rows so far, one row after the other
  std::vector<std::int64_t> row_ends_;
};

/// Numbers in columns of their own: float32 [E, L]. A number may have a sign, and white space around it.
class NumberLabels : public LabelReader {
 public:
  /// `flags`: only 0 and 1, for tasks with several labels.
  NumberLabels(std::vector<std::string> columns, bool flags);

  std::vector<std::string> columns() const override { return columns_; }
  /// The columns; "LABEL_0" if there is only one.
  std::vector<std::string> names() const override;
  void add(std::span<const std::string> fields, const Where& where) override;
  Tensor finish(const std::string& path) override;
  std::string state() const override;
  void restore(const std::string& state, const Tensor& stored) override;
  bool counted() const override { return flags_; }

 private:
  std::vector<std::string> columns_;
  bool flags_;
  std::vector<float> values_;
};

}  // namespace attune
