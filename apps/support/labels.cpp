#include "apps/support/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

#include "apps/support/without_plus.h"
#include "base/check.h"
#include "base/join.h"
#include "base/near_word.h"
#include "base/printable.h"
#include "json/value.h"
#include "models/hf_config.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxClasses = 100000;
constexpr const char* kPlainly = "without sign, zeros in front or white space";

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Whether a label is the one spelling of an integer from 0 on.
bool is_plain_integer(std::string_view label) {
  return is_digits(label) && (label == "0" || label[0] != '0');
}

// The class of a plain integer: kMaxClasses if it is larger.
std::int64_t class_number(const std::string& label) {
  std::int64_t number = kMaxClasses;
  std::from_chars(label.data(), label.data() + label.size(), number);
  return std::min(number, kMaxClasses);
}

// Without white space (Unicode's) around it.
std::string_view trimmed(std::string_view text) {
  const char* const end = text.data() + text.size();
  const char *from = end, *to = end;
  for (const char* at = text.data(); at < end;) {
    const int length = utf8::valid_length(at, end);
    const char *begin = at, *next = at + std::max(length, 1);
    if (length == 0 || !unicode::is_whitespace(utf8::decode(at))) {
      from = std::min(from, begin);
      to = next;
    }
    at = next;
  }
  return {from, to};
}

// An integer with any sign, zeros in front and white space around it.
bool reads_as_integer(std::string_view label) {
  label = trimmed(label);
  if (label.starts_with('+') || label.starts_with('-')) label.remove_prefix(1);
  return is_digits(label);
}

// Equal for labels that are surely spellings of one: "1", " 1", "01", "+1" and "1.0"; "0" and "-0".
std::string common_spelling(std::string_view label) {
  label = trimmed(label);
  std::string_view number = label.substr(0, label.find('.'));
  const std::string_view fraction = label.substr(number.size());
  if (!reads_as_integer(number) || fraction.find_first_not_of("0", 1) < fraction.size()) return std::string(label);
  const std::string_view digits = number.substr(std::min(number.find_first_not_of("+-0"), number.size() - 1));
  const bool negative = number.starts_with('-') && digits != "0";
  return (negative ? "-" : "") + std::string(digits);
}

// Throws Error if two different labels are spellings of one. `first_at`: the first row of each.
void check_spellings(const std::vector<std::string>& labels, const std::vector<std::string>& first_at) {
  std::unordered_map<std::string, std::size_t> met;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto [same, fresh] = met.emplace(common_spelling(labels[i]), i);
    CHECK(fresh, first_at[i], ": the label '", printable(labels[i]), "' is another spelling of '",
          printable(labels[same->second]), "' (", first_at[same->second], ")");
  }
}

// A finite number in decimal, with a plus sign and white space around it as well, as spreadsheets write it. One that is
// too small for a float becomes what is nearest, if `rounded`, and is none otherwise.
std::optional<float> finite_number(std::string_view text, bool rounded) {
  text = without_plus(trimmed(text));
  float value = 0;
  const char* const text_end = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), text_end, value);
  if (end != text_end) return std::nullopt;
  if (error == std::errc::result_out_of_range && rounded) {
    value = std::strtof(std::string(text).c_str(), nullptr);
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

// "the 3 classes (bad, good, mixed)"; of many names the first few.
std::string the_names(const char* kind, std::span<const std::string> names) {
  constexpr std::size_t kShown = 5;
  const auto shown = names.first(std::min(names.size(), kShown));
  return str_cat("the ", names.size(), " ", kind, " (", join(shown, [](const auto& name) { return printable(name); }),
                 shown.size() < names.size() ? ", ..." : "", ")");
}

std::vector<std::string> strings(const json::Value& array) {
  std::vector<std::string> out;
  for (const json::Value& item : array.items()) out.push_back(item.string());
  return out;
}

std::int64_t rows_of(std::size_t size) {
  return static_cast<std::int64_t>(size);
}

// Throws Error unless stored labels are float32 [E, L], and 0 or 1 if they are flags.
void check_stored_rows(const Tensor& stored, std::size_t width, bool flags) {
  CHECK(stored.defined() && stored.dtype() == DType::kFloat32 && stored.shape().rank() == 2 &&
            stored.shape()[1] == rows_of(width),
        "the stored labels are not float32 rows of ", width);
  CHECK(std::ranges::all_of(stored.values<float>(),
                            [flags](float x) { return flags ? x == 0 || x == 1 : std::isfinite(x); }),
        "the stored labels have values that cannot be");
}

}  // namespace

std::int32_t parse_label(const std::string& text, std::int64_t classes, const std::vector<std::string>& label_names,
                         const std::string& where) {
  if (const auto named = std::ranges::find(label_names, text); named != label_names.end())
    return static_cast<std::int32_t>(named - label_names.begin());
  CHECK(label_names.empty(), where, ": the label '", printable(text), "' is not one of ",
        the_names("classes", label_names), did_you_mean(text, label_names));
  // The names that a model without names gives its classes, for example in what `predict` prints.
  constexpr std::string_view kDefault = "LABEL_";
  if (text.starts_with(kDefault) && is_plain_integer(std::string_view(text).substr(kDefault.size())))
    return parse_label(text.substr(kDefault.size()), classes, label_names, where);
  CHECK(is_plain_integer(text), where, ": the label '", printable(text), "' is not an integer from 0 on, written ",
        kPlainly);
  const std::int64_t label = class_number(text);
  CHECK(label < classes, where, ": the label ", printable(text), " is not a class; there are ", classes, " (0 .. ",
        classes - 1, ")");
  return static_cast<std::int32_t>(label);
}

ClassLabels::ClassLabels(std::string column, std::int64_t at_least) : column_(std::move(column)), at_least_(at_least) {}

ClassLabels::ClassLabels(std::string column, Classes classes)
    : column_(std::move(column)), known_(true), classes_(std::move(classes)) {}

std::vector<std::string> ClassLabels::names() const {
  return complete_label_names(classes_.names, classes_.count);
}

void ClassLabels::add(std::span<const std::string> fields, const Where& where) {
  const std::string& text = fields[0];
  auto found = numbers_.find(text);
  if (found == numbers_.end()) {
    std::int32_t number = static_cast<std::int32_t>(texts_.size());
    if (known_) {
      number = parse_label(text, classes_.count, classes_.names, where());
    } else {
      CHECK(rows_of(texts_.size()) < kMaxClasses, where(), ": there are more than ", kMaxClasses, " different labels");
      texts_.push_back(text);
      first_at_.push_back(where());
    }
    found = numbers_.emplace(text, number).first;
  }
  rows_.push_back(found->second);
}

void ClassLabels::find_classes(const std::string& path) {
  known_ = true;
  for (std::size_t i = 0; i < texts_.size(); ++i)
    CHECK(!trimmed(texts_[i]).empty(), first_at_[i], ": the label is empty");
  check_spellings(texts_, first_at_);
  if (std::ranges::all_of(texts_, reads_as_integer)) {
    std::int64_t largest = 0;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const std::int64_t number = is_plain_integer(texts_[i]) ? class_number(texts_[i]) : kMaxClasses;
      CHECK(number < kMaxClasses, first_at_[i], ": the label '", printable(texts_[i]),
            "' is no class: if all labels are integers, they are 0 .. ", kMaxClasses - 1, ", written ", kPlainly);
      largest = std::max(largest, number);
    }
    classes_ = {.count = std::max(largest + 1, at_least_), .names = {}};
    return;
  }
  classes_ = {.count = rows_of(texts_.size()), .names = texts_};
  std::ranges::sort(classes_.names);
  CHECK(classes_.count >= 2, path, ": every label is '", printable(texts_.front()),
        "'; at least two classes are needed");
}

Tensor ClassLabels::finish(const std::string& path) {
  if (!known_) {
    find_classes(path);
    std::vector<std::int32_t> class_of;
    for (const std::string& text : texts_) class_of.push_back(parse_label(text, classes_.count, classes_.names, path));
    for (std::int32_t& row : rows_) row = class_of[static_cast<std::size_t>(row)];
    texts_.clear();
    first_at_.clear();
  }
  numbers_.clear();
  const std::vector<std::int32_t> rows = std::exchange(rows_, {});
  return Tensor::from(rows, {rows_of(rows.size())});
}

std::string ClassLabels::state() const {
  return json::Value::object({{"kind", "class"},
                              {"column", column_},
                              {"known", known_},
                              {"count", known_ ? classes_.count : at_least_},
                              {"names", json::Value::array_of(classes_.names)}})
      .dump();
}

void ClassLabels::restore(const std::string& state, const Tensor& stored) {
  const json::Value kept = json::parse(state, "the kept labels");
  const Classes classes{.count = kept["count"].integer(1, kMaxClasses), .names = strings(kept["names"])};
  CHECK(classes.names.empty() || rows_of(classes.names.size()) == classes.count, "the kept labels have ",
        classes.names.size(), " names for ", classes.count, " classes");
  CHECK(stored.defined() && stored.dtype() == DType::kInt32 && stored.shape().rank() == 1,
        "the stored labels are no int32 row");
  for (const std::int32_t label : stored.values<std::int32_t>())
    CHECK(label >= 0 && label < classes.count, "the stored label ", label, " is not one of ", classes.count,
          " classes");
  known_ = true;
  classes_ = classes;
}

ListedLabels::ListedLabels(std::string column, std::string delimiter)
    : column_(std::move(column)), delimiter_(std::move(delimiter)) {}

ListedLabels::ListedLabels(std::string column, std::string delimiter, std::vector<std::string> names)
    : column_(std::move(column)), delimiter_(std::move(delimiter)), known_(true), names_(std::move(names)) {
  number_names();
}

void ListedLabels::number_names() {
  numbers_.clear();
  for (const std::string& name : names_) numbers_.emplace(name, static_cast<std::int32_t>(numbers_.size()));
}

void ListedLabels::add(std::span<const std::string> fields, const Where& where) {
  std::string_view rest = fields[0];
  for (bool more = !rest.empty(); more;) {  // an empty field: no label at all
    const std::size_t end = std::min(rest.find(delimiter_), rest.size());
    const std::string_view name = trimmed(rest.substr(0, end));
    more = end < rest.size();
    rest.remove_prefix(std::min(end + delimiter_.size(), rest.size()));
    CHECK(!name.empty(), where(), ": a label of the list '", printable(fields[0]), "' is empty");
    auto found = numbers_.find(std::string(name));
    if (found == numbers_.end()) {
      CHECK(!known_, where(), ": the label '", printable(name), "' is not one of ", the_names("labels", names_),
            did_you_mean(name, names_));
      CHECK(rows_of(numbers_.size()) < kMaxClasses, where(), ": there are more than ", kMaxClasses,
            " different labels");
      found = numbers_.emplace(name, static_cast<std::int32_t>(numbers_.size())).first;
      first_at_.push_back(where());
    }
    listed_.push_back(found->second);
  }
  row_ends_.push_back(rows_of(listed_.size()));
}

Tensor ListedLabels::finish(const std::string& path) {
  std::vector<std::size_t> place(numbers_.size());
  if (!known_) {
    CHECK(!numbers_.empty(), path, ": no text has a label");
    std::vector<std::string> met(numbers_.size());
    for (const auto& [name, number] : numbers_) met[static_cast<std::size_t>(number)] = name;
    check_spellings(met, first_at_);
    first_at_.clear();
    for (auto& [name, number] : numbers_) {  // in alphabetical order
      place[static_cast<std::size_t>(number)] = names_.size();
      number = static_cast<std::int32_t>(names_.size());
      names_.push_back(name);
    }
    known_ = true;
  } else {
    for (std::size_t i = 0; i < place.size(); ++i) place[i] = i;
  }
  const std::size_t width = names_.size();
  const Tensor out = Tensor::zeros({rows_of(row_ends_.size()), rows_of(width)}, DType::kFloat32);
  std::size_t at = 0;
  for (std::size_t row = 0; row < row_ends_.size(); ++row)
    for (; at < static_cast<std::size_t>(row_ends_[row]); ++at)
      out.values<float>()[row * width + place[static_cast<std::size_t>(listed_[at])]] = 1;
  listed_.clear();
  row_ends_.clear();
  return out;
}

std::string ListedLabels::state() const {
  return json::Value::object({{"kind", "list"},
                              {"column", column_},
                              {"delimiter", delimiter_},
                              {"names", json::Value::array_of(names_)}})
      .dump();
}

void ListedLabels::restore(const std::string& state, const Tensor& stored) {
  const std::vector<std::string> names = strings(json::parse(state, "the kept labels")["names"]);
  CHECK(std::ranges::is_sorted(names, std::less_equal<>()) && !names.empty(),
        "the kept labels are not in alphabetical order");
  check_stored_rows(stored, names.size(), true);
  names_ = names;
  number_names();
  known_ = true;
}

NumberLabels::NumberLabels(std::vector<std::string> columns, bool flags) : columns_(std::move(columns)), flags_(flags) {
  CHECK(!columns_.empty(), "labels need at least one column");
}

std::vector<std::string> NumberLabels::names() const {
  return columns_.size() == 1 && !flags_ ? complete_label_names({}, 1) : columns_;
}

void NumberLabels::add(std::span<const std::string> fields, const Where& where) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string& text = fields[i];
    const std::optional<float> value = finite_number(text, !flags_);
    const auto complain = [&](const char* what) {
      throw Error(str_cat(where(), ": the label '", printable(text), "' of column '", columns_[i], "' is ", what));
    };
    if (flags_ && value != 0 && value != 1) complain("neither 0 nor 1");
    if (!value) complain("not a finite number");
    values_.push_back(*value);
  }
}

Tensor NumberLabels::finish(const std::string&) {
  const std::vector<float> values = std::exchange(values_, {});
  return Tensor::from(values, {rows_of(values.size() / columns_.size()), rows_of(columns_.size())});
}

void NumberLabels::restore(const std::string&, const Tensor& stored) {
  check_stored_rows(stored, columns_.size(), flags_);
}

std::string NumberLabels::state() const {
  return json::Value::object({{"kind", flags_ ? "flags" : "numbers"}, {"columns", json::Value::array_of(columns_)}})
      .dump();
}

}  // namespace attune
