#include "models/linear/logistic_regression.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/check.h"
#include "base/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t kCountedRows = 512;

// use(row, z) with the scores of every row, on any thread.
template <class Use>
void for_each_score(const LogisticRegression& model, const CountMatrix& counts, Use&& use) {
  CHECK(counts.columns == model.columns, "logistic regression: the model has ", model.columns, " columns, the counts ",
        counts.columns);
  parallel_for(counts.rows(), kCountedRows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> z(model.bias.size());
    for (std::int64_t row = begin; row < end; ++row) {
      const auto first = static_cast<std::size_t>(counts.row_starts[static_cast<std::size_t>(row)]);
      const auto last = static_cast<std::size_t>(counts.row_starts[static_cast<std::size_t>(row) + 1]);
      for (std::size_t o = 0; o < z.size(); ++o) {
        const double* weights = model.weights.data() + o * static_cast<std::size_t>(model.columns);
        z[o] = model.bias[o];
        for (std::size_t k = first; k < last; ++k) z[o] += counts.counts[k] * weights[counts.column_ids[k]];
      }
      use(static_cast<std::size_t>(row), z);
    }
  });
}

// The solution by position of the design matrix -> coefficients by column.
LogisticRegression to_model(const LogisticObjective& objective, const std::vector<double>& point,
                            std::vector<std::int32_t> classes) {
  const auto outputs = static_cast<std::size_t>(objective.outputs());
  const auto columns = static_cast<std::size_t>(objective.columns());
  LogisticRegression model{std::move(classes), static_cast<std::int32_t>(columns), {}, {}};
  model.weights.resize(outputs * columns);
  for (std::size_t p = 0; p < columns; ++p)
    for (std::size_t o = 0; o < outputs; ++o)
      model.weights[o * columns + static_cast<std::size_t>(objective.column_at(static_cast<std::int64_t>(p)))] =
          point[p * outputs + o];
  model.bias.assign(point.end() - static_cast<std::ptrdiff_t>(outputs), point.end());
  if (outputs > 1) {
    const double mean = std::accumulate(model.bias.begin(), model.bias.end(), 0.0) / static_cast<double>(outputs);
    for (double& b : model.bias) b -= mean;
  }
  return model;
}

}  // namespace

LogisticFit fit_logistic_regression(const CountMatrix& counts, std::span<const std::int32_t> labels,
                                    const LogisticOptions& options) {
  CHECK(counts.columns > 0, "logistic regression: the vocabulary is empty: no document has a word");
  std::vector<std::int32_t> classes(labels.begin(), labels.end());
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  std::vector<std::int32_t> index_of;
  for (const std::int32_t label : labels)
    index_of.push_back(
        static_cast<std::int32_t>(std::lower_bound(classes.begin(), classes.end(), label) - classes.begin()));
  LogisticObjective objective(counts, index_of, static_cast<int>(classes.size()), options.c);
  const MinimiseResult found = minimise(objective, options.minimise);
  return {to_model(objective, found.point, std::move(classes)), found.objective, found.gradient, found.iterations,
          found.end};
}

std::vector<double> predict_probabilities(const LogisticRegression& model, const CountMatrix& counts) {
  const std::size_t classes = model.classes.size();
  std::vector<double> out(static_cast<std::size_t>(counts.rows()) * classes);
  for_each_score(model, counts, [&](std::size_t row, const std::vector<double>& z) {
    double* p = out.data() + row * classes;
    if (z.size() == 1) {
      p[1] = 1 / (1 + std::exp(-z[0]));
      p[0] = 1 / (1 + std::exp(z[0]));
      return;
    }
    const double top = *std::max_element(z.begin(), z.end());
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) sum += p[k] = std::exp(z[k] - top);
    for (std::size_t k = 0; k < classes; ++k) p[k] /= sum;
  });
  return out;
}

std::vector<std::int32_t> predict_labels(const LogisticRegression& model, const CountMatrix& counts) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(counts.rows()));
  for_each_score(model, counts, [&](std::size_t row, const std::vector<double>& z) {
    const std::size_t best =
        z.size() == 1 ? (z[0] > 0 ? 1 : 0) : static_cast<std::size_t>(std::max_element(z.begin(), z.end()) - z.begin());
    out[row] = model.classes[best];
  });
  return out;
}

std::int32_t most_frequent_label(std::span<const std::int32_t> labels) {
  CHECK(!labels.empty(), "the most frequent label of no labels");
  std::map<std::int32_t, std::int64_t> counts;
  for (const std::int32_t label : labels) ++counts[label];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::vector<WordWeight> strongest_columns(const LogisticRegression& model, int class_index, std::int64_t count) {
  CHECK(class_index >= 0 && static_cast<std::size_t>(class_index) < model.classes.size(), "there is no class ",
        class_index);
  const bool negative = model.outputs() == 1 && class_index == 0;
  const std::size_t row = model.outputs() == 1 ? 0 : static_cast<std::size_t>(class_index);
  std::vector<WordWeight> words;
  for (std::int32_t column = 0; column < model.columns; ++column)
    words.push_back(
        {column, model.weights[row * static_cast<std::size_t>(model.columns) + static_cast<std::size_t>(column)]});
  const auto middle = words.begin() + std::clamp<std::int64_t>(count, 0, model.columns);
  std::partial_sort(words.begin(), middle, words.end(), [&](const WordWeight& a, const WordWeight& b) {
    const double x = negative ? -a.weight : a.weight, y = negative ? -b.weight : b.weight;
    return x != y ? x > y : a.column < b.column;
  });
  words.erase(middle, words.end());
  return words;
}

}  // namespace attune
