#include "kernels/row_gradient.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {

void clear_row_gradient(const CpuContext&, const RowMarks& marks) {
  std::replace_if(
      marks.marks, marks.marks + marks.rows, [](std::int32_t mark) { return mark >= kFirstSlot; }, *marks.steps);
}

void spread_row_gradient(const CpuContext&, const SpreadRowGradient& args) {
  dispatch_float(args.dtype, "row gradient", [&]<class T>() {
    parallel_for(args.marks.rows, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::int32_t& mark = args.marks.marks[row];
        const std::int64_t slot = mark - kFirstSlot;
        T* to = static_cast<T*>(args.dense) + row * args.channels;
        if (slot >= 0 && slot < args.slots)
          std::copy_n(static_cast<const T*>(args.values) + slot * args.channels, args.channels, to);
        else
          std::fill_n(to, args.channels, T(0));
        if (slot >= 0 || args.every_row) mark = kFirstSlot + static_cast<std::int32_t>(row);
      }
    });
  });
}

}  // namespace attune::kernels
