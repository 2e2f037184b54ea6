#include "kernels/gather_batch.h"

#include <algorithm>

#include "base/check.h"
#include "base/math.h"
#include "base/parallel.h"

namespace attune::kernels {
namespace {

// Sequence b takes its rows; `kept` tokens of the store from `start` on, then padding.
void gather_sequence(const GatherBatch& args, std::int64_t b, std::int64_t start, std::int64_t kept) {
  const std::int64_t first = args.offsets[b], length = args.offsets[b + 1] - first;
  for (std::int64_t t = 0; t < length; ++t) {
    args.ids[first + t] = t < kept ? args.store.tokens[start + t] : args.pad_id;
    if (args.store.type_ids != nullptr) args.type_ids[first + t] = t < kept ? args.store.type_ids[start + t] : 0;
    args.positions[first + t] = b < args.count ? static_cast<std::int32_t>(t) : 0;
    args.row_keys[first + t] =
        static_cast<std::uint32_t>(args.first_key + b) << 16 | (static_cast<std::uint32_t>(t) & 0xFFFFu);
  }
}

}  // namespace

void gather_batch(const CpuContext&, const GatherBatch& args) {
  CHECK(args.count > 0 && args.first_key + args.count < 65536, "batch: ", args.count, " examples");
  const auto kept_of = [&](std::int64_t b) {
    const std::int32_t e = args.examples[b];
    return args.kept(args.store.starts[e + 1] - args.store.starts[e]);
  };
  std::int64_t row = 0;
  for (std::int64_t b = 0; b < args.count; ++b) {
    const std::int64_t kept = kept_of(b);
    args.offsets[b] = narrow<std::int32_t>(row);
    args.lengths[b] = args.key_lengths[b] = narrow<std::int32_t>(args.real(kept));
    row += args.rows_of(kept);
  }
  for (std::int64_t k = 0; args.store.labels != nullptr && k < args.label_count; ++k)
    std::copy_n(args.store.labels + args.labelled[k] * args.label_words, args.label_words,
                args.labels + k * args.label_words);
  CHECK(row <= args.rows, "batch: ", row, " tokens for ", args.rows, " rows");
  args.offsets[args.count] = narrow<std::int32_t>(row);
  if (args.padded_length == 0) {
    args.offsets[args.count + 1] = narrow<std::int32_t>(args.rows);
    args.key_lengths[args.count] = 0;
  }
  parallel_for(args.sequences(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      if (b < args.count)
        gather_sequence(args, b, args.store.starts[args.examples[b]], kept_of(b));
      else
        gather_sequence(args, b, 0, 0);
    }
  });
}

}  // namespace attune::kernels
