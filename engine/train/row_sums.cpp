#include "engine/train/row_sums.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

namespace attune {
namespace {

// The rows of all processes, ascending.
std::vector<std::int32_t> rows_of_all(Communicator& processes, std::span<const std::int32_t> own) {
  std::vector<std::int32_t> out;
  for (const std::string& theirs : processes.gather({reinterpret_cast<const char*>(own.data()), own.size_bytes()})) {
    const std::size_t before = out.size();
    out.resize(before + theirs.size() / sizeof(std::int32_t));
    std::memcpy(out.data() + before, theirs.data(), theirs.size());
  }
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

void RowSums::start() {
  const Grad& grad = table_.parameter.grad();
  const HostRows own = grad.rows();
  rows_ = rows_of_all(processes_, own.ids.values<std::int32_t>());
  const std::int64_t channels = own.values.shape()[1];
  values_ = std::make_shared<std::vector<float>>(rows_.size() * static_cast<std::size_t>(channels));
  const Tensor floats = own.values.cast(DType::kFloat32);
  auto from = floats.values<float>().begin();
  auto place = rows_.begin();
  for (const std::int32_t row : own.ids.values<std::int32_t>()) {
    place = std::lower_bound(place, rows_.end(), row);
    std::copy_n(from, channels, values_->begin() + (place - rows_.begin()) * channels);
    from += channels;
  }
  sum_ = processes_.start_sum(*values_, values_);
}

void RowSums::finish() {
  processes_.wait(sum_);
  const Parameter& parameter = table_.parameter;
  const std::int64_t count = std::ssize(rows_);
  const Tensor values = Tensor::from(*values_, {count, parameter.shape()[1]}).cast(parameter.late_value().dtype());
  parameter.grad().set_rows({Tensor::from(rows_, {count}), values});
  values_ = nullptr;
}

}  // namespace attune
