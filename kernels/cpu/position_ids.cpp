#include "kernels/position_ids.h"

#include "base/parallel.h"

namespace attune::kernels {

void position_ids(const CpuContext&, const PositionIds& args) {
  parallel_for(args.sequences, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      std::int32_t counted = args.padding_id;
      for (std::int64_t n = args.offsets[b]; n < args.offsets[b + 1]; ++n)
        args.out[n] = args.ids[n] == args.padding_id ? args.padding_id : ++counted;
    }
  });
}

}  // namespace attune::kernels
