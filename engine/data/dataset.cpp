#include "engine/data/dataset.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "engine/tensor/finite.h"

namespace attune {

Dataset Dataset::from(const std::string& name, const std::vector<std::vector<std::int32_t>>& ids,
                      const Tensor& labels) {
  std::vector<std::int64_t> starts{0};
  for (const auto& example : ids) starts.push_back(starts.back() + static_cast<std::int64_t>(example.size()));
  Dataset out{.name = name,
              .ids = Tensor::empty({starts.back()}, DType::kInt32),
              .starts = Tensor::from(starts, {static_cast<std::int64_t>(starts.size())}),
              .type_ids = {},
              .labels = labels};
  std::int32_t* to = out.ids.values<std::int32_t>().data();
  for (const auto& example : ids) to = std::ranges::copy(example, to).out;
  return out;
}

std::int64_t Dataset::longest() const {
  std::int64_t out = 0;
  for (std::int64_t w = 0; w < window_count(); ++w) out = std::max(out, window_length(w));
  return out;
}

void Dataset::check() const {
  CHECK(ids.defined() && ids.dtype() == DType::kInt32 && ids.shape().rank() == 1, name,
        ": the ids of a data set are a row of int32");
  CHECK(starts.defined() && starts.dtype() == DType::kInt64 && starts.shape().rank() == 1 && starts.numel() >= 1, name,
        ": the starts of a data set are a row of int64, one more than there are windows");
  const auto begins = starts.values<std::int64_t>();
  CHECK(begins.front() == 0 && begins.back() == ids.numel() && std::ranges::is_sorted(begins), name,
        ": the starts of the windows do not rise from 0 to the number of ids, ", ids.numel());
  if (windows.defined()) {
    CHECK(windows.dtype() == DType::kInt64 && windows.shape().rank() == 1 && windows.numel() >= 1, name,
          ": the windows of the examples are a row of int64, one more than there are examples");
    const auto firsts = windows.values<std::int64_t>();
    const bool rise = std::ranges::adjacent_find(firsts, std::greater_equal<>()) == firsts.end();
    CHECK(firsts.front() == 0 && firsts.back() == window_count() && rise, name,
          ": the windows of the examples do not rise from 0 to their number, ", window_count());
  }
  CHECK(!type_ids.defined() || (type_ids.dtype() == DType::kInt32 && type_ids.shape() == ids.shape()), name,
        ": the segments of the ids have shape ", type_ids.shape(), ", the ids ", ids.shape());
  CHECK(!marks.defined() || (marks.dtype() == DType::kInt64 && marks.shape() == Shape{size()}), name,
        ": the marks of the texts have shape ", marks.shape(), " for ", size(), " examples");
  if (!labels.defined()) return;
  CHECK(labels.shape().rank() >= 1 && labels.shape()[0] == size(), name, ": labels of shape ", labels.shape(), " for ",
        size(), " examples");
  const bool classes = labels.dtype() == DType::kInt32 && labels.shape().rank() == 1;
  const bool rows = labels.dtype() == DType::kFloat32 && labels.shape().rank() == 2;
  CHECK(classes || rows, name, ": labels are int32 [E] or float32 [E, L], not ", labels.dtype(), " ", labels.shape());
  if (const auto bad = first_not_finite(labels))
    throw Error(str_cat(name, ": the label of example ", *bad / labels.shape()[-1], " (counted from 0) is not finite"));
}

}  // namespace attune
